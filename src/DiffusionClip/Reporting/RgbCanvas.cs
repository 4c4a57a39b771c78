namespace DiffusionClip.Reporting;

/// <summary>A colour of the sheet.</summary>
internal readonly record struct Rgb(byte Red, byte Green, byte Blue);

/// <summary>A picture in the making: rectangles, pictures and text masks; whatever reaches over the edge is cut.</summary>
internal sealed class RgbCanvas
{
    private readonly byte[] _pixels;

    public RgbCanvas(int width, int height, Rgb background)
    {
        Width = width;
        Height = height;
        _pixels = new byte[checked(3 * width * height)];
        Fill(0, 0, width, height, background);
    }

    public int Width { get; }

    public int Height { get; }

    public RgbImage ToImage() => new(Width, Height, _pixels);

    public void Fill(int left, int top, int width, int height, Rgb colour)
    {
        int first = Math.Max(left, 0),
            columns = Math.Min(left + width, Width) - first,
            row = Math.Max(top, 0),
            below = Math.Min(top + height, Height);
        if (columns <= 0 || row >= below)
        {
            return;
        }

        Span<byte> line = Row(row);
        for (int x = 0; x < line.Length; x += 3)
        {
            (line[x], line[x + 1], line[x + 2]) = (colour.Red, colour.Green, colour.Blue);
        }

        while (++row < below)
        {
            line.CopyTo(Row(row));
        }

        Span<byte> Row(int y) => _pixels.AsSpan(3 * ((y * Width) + first), 3 * columns);
    }

    /// <summary>A frame just outside a rectangle.</summary>
    public void Frame(int left, int top, int width, int height, int thickness, Rgb colour)
    {
        Fill(left - thickness, top - thickness, width + (2 * thickness), thickness, colour);
        Fill(left - thickness, top + height, width + (2 * thickness), thickness, colour);
        Fill(left - thickness, top, thickness, height, colour);
        Fill(left + width, top, thickness, height, colour);
    }

    public void Draw(RgbImage image, int left, int top)
    {
        int columns = Math.Min(image.Width, Width - left);
        for (int y = 0; y < image.Height && top + y < Height && columns > 0; y++)
        {
            image.Pixels.Span.Slice(3 * y * image.Width, 3 * columns).CopyTo(_pixels.AsSpan(3 * (((top + y) * Width) + left)));
        }
    }

    public void Draw(TextMask mask, int left, int baseline, Rgb colour)
    {
        ReadOnlySpan<byte> coverage = mask.Coverage.Span;
        int top = baseline - mask.Baseline;
        for (int y = Math.Max(0, -top); y < mask.Height && top + y < Height; y++)
        {
            for (int x = Math.Max(0, -left); x < mask.Width && left + x < Width; x++)
            {
                int alpha = coverage[(y * mask.Width) + x];
                if (alpha == 0)
                {
                    continue;
                }

                int at = 3 * (((top + y) * Width) + left + x);
                _pixels[at] = Blend(_pixels[at], colour.Red, alpha);
                _pixels[at + 1] = Blend(_pixels[at + 1], colour.Green, alpha);
                _pixels[at + 2] = Blend(_pixels[at + 2], colour.Blue, alpha);
            }
        }
    }

    private static byte Blend(int under, int over, int alpha) => (byte)(((under * (255 - alpha)) + (over * alpha) + 127) / 255);
}

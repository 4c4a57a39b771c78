using DiffusionClip.Reporting;
using SkiaSharp;

namespace DiffusionClip.Skia;

/// <summary>
/// Draws text with the typeface that ships with this assembly (DejaVu Sans, cut down to Latin, Greek and Cyrillic), so that sheets look the
/// same on every machine, also where no fonts are installed. Thread-safe.
/// </summary>
public sealed class SkiaTextRasterizer : ITextRasterizer, IDisposable
{
    private readonly SKTypeface _regular = Load("DejaVuSans.ttf");
    private readonly SKTypeface _bold = Load("DejaVuSans-Bold.ttf");

    /// <inheritdoc/>
    public float Measure(string text, float size, bool bold)
    {
        using SKFont font = Font(size, bold);
        return font.MeasureText(text);
    }

    /// <inheritdoc/>
    public TextMask Rasterize(string text, float size, bool bold)
    {
        using SKFont font = Font(size, bold);
        int width = (int)MathF.Ceiling(font.MeasureText(text)) + 2;
        int baseline = (int)MathF.Ceiling(-font.Metrics.Ascent) + 1;
        int height = baseline + (int)MathF.Ceiling(font.Metrics.Descent) + 1;
        if (text.Length == 0)
        {
            return new TextMask(0, height, baseline, default);
        }

        using SKBitmap bitmap = new(new SKImageInfo(width, height, SKColorType.Alpha8, SKAlphaType.Premul));
        using SKCanvas canvas = new(bitmap);
        using SKPaint paint = new() { Color = SKColors.Black, IsAntialias = true };
        bitmap.Erase(SKColors.Transparent);
        canvas.DrawText(text, 0, baseline, SKTextAlign.Left, font, paint);
        canvas.Flush();
        byte[] coverage = new byte[width * height];
        ReadOnlySpan<byte> pixels = bitmap.GetPixelSpan();
        for (int y = 0; y < height; y++)
        {
            pixels.Slice(y * bitmap.RowBytes, width).CopyTo(coverage.AsSpan(y * width));
        }

        return new TextMask(width, height, baseline, coverage);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _regular.Dispose();
        _bold.Dispose();
    }

    private static SKTypeface Load(string name)
    {
        using Stream stream = typeof(SkiaTextRasterizer).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The typeface {name} is missing from the assembly.");
        return SKTypeface.FromStream(stream) ?? throw new InvalidOperationException($"The typeface {name} cannot be read.");
    }

    private SKFont Font(float size, bool bold) =>
        new(bold ? _bold : _regular, size)
        {
            Edging = SKFontEdging.Antialias,
            Hinting = SKFontHinting.None,
            Subpixel = true,
        };
}

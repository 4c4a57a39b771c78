using System.Buffers.Binary;

namespace DiffusionClip.Imaging.Png;

/// <summary>How pixels lie in a row of a PNG, and what they are in 8 bits a channel.</summary>
internal sealed class PngLayout
{
    private const byte Opaque = byte.MaxValue;

    private readonly byte[] _palette = new byte[3 * 256];
    private readonly byte[] _alphas = new byte[256];

    // The one colour that is transparent, as its samples are stored: two bytes each at 16 bits, else one.
    private byte[] _key = [];

    private PngLayout(int depth, int colourType, bool interlaced)
    {
        Depth = depth;
        ColourType = colourType;
        Interlaced = interlaced;
        BitsPerPixel = depth * colourType switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 };
    }

    /// <summary>Bits of a sample: 1, 2, 4, 8 or 16.</summary>
    public int Depth { get; }

    /// <summary>0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.</summary>
    public int ColourType { get; }

    /// <summary>Whether the pixels come in Adam7's seven passes.</summary>
    public bool Interlaced { get; }

    /// <summary>Whether some pixel may not be opaque.</summary>
    public bool HasAlpha { get; private set; }

    /// <summary>Bytes from a pixel to the next, at least 1.</summary>
    public int Step => Math.Max(1, BitsPerPixel / 8);

    private int BitsPerPixel { get; }

    /// <summary>Reads header and palette.</summary>
    /// <param name="header">The content of IHDR.</param>
    /// <param name="palette">The content of PLTE; empty without one.</param>
    /// <param name="transparency">
    /// The content of tRNS; empty without one or where alpha is not wanted. One that does not fit is ignored.
    /// </param>
    /// <exception cref="ImageFormatException">Damaged.</exception>
    public static PngLayout Read(ReadOnlySpan<byte> header, ReadOnlySpan<byte> palette, ReadOnlySpan<byte> transparency)
    {
        (int depth, int colourType) = (header[8], header[9]);
        bool known = (colourType, depth) is (0, 1 or 2 or 4 or 8 or 16) or (3, 1 or 2 or 4 or 8) or (2 or 4 or 6, 8 or 16);
        if (!known || header[10] != 0 || header[11] != 0 || header[12] > 1)
        {
            throw new ImageFormatException(
                $"damaged PNG header: colour type {colourType} with {depth} bits, compression {header[10]}, filter {header[11]}, "
                + $"interlace {header[12]}");
        }

        PngLayout layout = new(depth, colourType, header[12] == 1);
        if (colourType == 3)
        {
            if (palette.IsEmpty || palette.Length % 3 != 0 || palette.Length > layout._palette.Length)
            {
                throw new ImageFormatException($"damaged PNG: a palette of {palette.Length} bytes");
            }

            palette.CopyTo(layout._palette);
        }
        else if (depth < 8)
        {
            int levels = (1 << depth) - 1;
            for (int i = 0; i <= levels; i++)
            {
                layout._palette.AsSpan(3 * i, 3).Fill((byte)(255 / levels * i));
            }
        }

        layout.ReadTransparency(transparency);
        return layout;
    }

    /// <summary>Bytes of a row without its filter type.</summary>
    /// <exception cref="ImageFormatException">Too many.</exception>
    public int RowBytes(int width)
    {
        long bytes = (((long)width * BitsPerPixel) + 7) / 8;
        return bytes <= Array.MaxLength / 4 ? (int)bytes : throw new ImageFormatException($"a PNG of {width} columns is too wide");
    }

    /// <summary>Converts a row.</summary>
    /// <param name="row">Its bytes, the filter undone.</param>
    /// <param name="width">Pixels.</param>
    /// <param name="channels">3: red, green and blue; 1: alpha.</param>
    /// <param name="output">[width, channels].</param>
    public void Convert(ReadOnlySpan<byte> row, int width, int channels, Span<byte> output)
    {
        if (channels == 1)
        {
            ToAlpha(row, width, output);
        }
        else
        {
            ToRgb(row, width, output);
        }
    }

    private void ReadTransparency(ReadOnlySpan<byte> transparency)
    {
        HasAlpha = ColourType is 4 or 6;
        switch (ColourType)
        {
            case 3 when !transparency.IsEmpty && transparency.Length <= _alphas.Length:
                _alphas.AsSpan().Fill(Opaque);
                transparency.CopyTo(_alphas);
                HasAlpha = true;
                break;
            case 0 when transparency.Length == 2 && Depth < 8:
                int level = BinaryPrimitives.ReadUInt16BigEndian(transparency) & ((1 << Depth) - 1);
                _alphas.AsSpan().Fill(Opaque);
                _alphas[level] = 0;
                HasAlpha = true;
                break;
            case 0 when transparency.Length == 2:
            case 2 when transparency.Length == 6:
                // Each sample is in two bytes, the lower one alone counts at 8 bits.
                _key = Depth == 16 ? transparency.ToArray() : [.. transparency.ToArray().Where((_, i) => i % 2 == 1)];
                HasAlpha = true;
                break;
        }
    }

    private void ToRgb(ReadOnlySpan<byte> row, int width, Span<byte> rgb)
    {
        int size = Depth / 8, pixel = Step;
        switch (ColourType)
        {
            case 2 when Depth == 8:
                row.CopyTo(rgb);
                break;
            case 2 or 6:
                for (int x = 0, from = 0, to = 0; x < width; x++, from += pixel, to += 3)
                {
                    rgb[to] = row[from];
                    rgb[to + 1] = row[from + size];
                    rgb[to + 2] = row[from + (2 * size)];
                }

                break;
            case 0 or 4 when Depth >= 8:
                for (int x = 0, from = 0; x < width; x++, from += pixel)
                {
                    rgb.Slice(3 * x, 3).Fill(row[from]);
                }

                break;
            default:
                // Palette indices, and grey of less than 8 bits as a palette of greys.
                for (int x = 0; x < width; x++)
                {
                    _palette.AsSpan(3 * Index(row, x), 3).CopyTo(rgb[(3 * x)..]);
                }

                break;
        }
    }

    private void ToAlpha(ReadOnlySpan<byte> row, int width, Span<byte> alpha)
    {
        int size = Depth / 8, pixel = Step;
        switch (ColourType)
        {
            case 4 or 6:
                for (int x = 0, from = pixel - size; x < width; x++, from += pixel)
                {
                    alpha[x] = row[from];
                }

                break;
            case 0 or 2 when Depth >= 8:
                for (int x = 0; x < width; x++)
                {
                    alpha[x] = row.Slice(x * pixel, pixel).SequenceEqual(_key) ? (byte)0 : Opaque;
                }

                break;
            default:
                for (int x = 0; x < width; x++)
                {
                    alpha[x] = _alphas[Index(row, x)];
                }

                break;
        }
    }

    // The first pixel is in the upper bits.
    private int Index(ReadOnlySpan<byte> row, int x)
    {
        int bit = x * Depth;
        return (row[bit >> 3] >> (8 - Depth - (bit & 7))) & ((1 << Depth) - 1);
    }
}

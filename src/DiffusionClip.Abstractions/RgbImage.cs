namespace DiffusionClip;

/// <summary>A picture in memory: 8-bit sRGB, interleaved R, G, B, rows from the top, no padding.</summary>
public sealed class RgbImage
{
    /// <summary>Wraps pixels without copying them.</summary>
    /// <param name="width">Width in pixels, at least 1.</param>
    /// <param name="height">Height in pixels, at least 1.</param>
    /// <param name="pixels">Exactly 3 × width × height bytes.</param>
    /// <exception cref="ArgumentException">The length does not fit the size.</exception>
    public RgbImage(int width, int height, ReadOnlyMemory<byte> pixels)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        if (pixels.Length != 3 * (Int128)width * height)
        {
            throw new ArgumentException(
                $"A {width}x{height} picture has {3 * (Int128)width * height} bytes, not {pixels.Length}.", nameof(pixels));
        }

        Width = width;
        Height = height;
        Pixels = pixels;
    }

    /// <summary>Width in pixels.</summary>
    public int Width { get; }

    /// <summary>Height in pixels.</summary>
    public int Height { get; }

    /// <summary>R, G, B bytes, row by row from the top.</summary>
    public ReadOnlyMemory<byte> Pixels { get; }
}

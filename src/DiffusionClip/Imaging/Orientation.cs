using System.Runtime.InteropServices;

namespace DiffusionClip.Imaging;

/// <summary>Turns pictures upright by the eight orientations of EXIF (tag 0x0112), as Pillow's <c>exif_transpose</c> does.</summary>
public static class Orientation
{
    private const int Tile = 32;

    /// <summary>Makes a stored picture upright.</summary>
    /// <param name="image">The picture as stored.</param>
    /// <param name="orientation">
    /// 1 as it is; 2 mirrored; 3 turned by 180°; 4 flipped; 5 transposed; 6 to be turned 90° clockwise; 7 transposed over the other
    /// diagonal; 8 to be turned 90° anticlockwise. Anything else counts as 1.
    /// </param>
    /// <returns>The upright picture; the same object for 1.</returns>
    public static RgbImage Apply(RgbImage image, int orientation)
    {
        ArgumentNullException.ThrowIfNull(image);
        if (orientation is < 2 or > 8)
        {
            return image;
        }

        byte[] pixels = new byte[image.Pixels.Length];
        ReadOnlySpan<Rgb> stored = MemoryMarshal.Cast<byte, Rgb>(image.Pixels.Span);
        (int width, int height) = Turn(stored, image.Width, image.Height, orientation, MemoryMarshal.Cast<byte, Rgb>(pixels.AsSpan()));
        return new RgbImage(width, height, pixels);
    }

    /// <summary>Makes a stored alpha channel upright.</summary>
    /// <param name="alpha">The channel as stored.</param>
    /// <param name="orientation">1 to 8, as for a picture; anything else counts as 1.</param>
    /// <returns>The upright channel; the same object for 1.</returns>
    public static AlphaChannel Apply(AlphaChannel alpha, int orientation)
    {
        if (orientation is < 2 or > 8)
        {
            return alpha;
        }

        byte[] values = new byte[alpha.Values.Length];
        (int width, int height) = Turn(alpha.Values.Span, alpha.Width, alpha.Height, orientation, values);
        return new AlphaChannel(width, height, values);
    }

    private static (int Width, int Height) Turn<TPixel>(
        ReadOnlySpan<TPixel> source, int sourceWidth, int sourceHeight, int orientation, Span<TPixel> upright)
        where TPixel : unmanaged
    {
        bool turned = orientation >= 5;
        (int width, int height) = turned ? (sourceHeight, sourceWidth) : (sourceWidth, sourceHeight);
        bool mirror = orientation is 2 or 3 or 7 or 8;
        bool flip = orientation is 3 or 4 or 6 or 7;

        // Tiles keep the columns that a turn reads in the cache.
        for (int top = 0; top < height; top += Tile)
        {
            for (int left = 0; left < width; left += Tile)
            {
                for (int y = top; y < Math.Min(top + Tile, height); y++)
                {
                    for (int x = left; x < Math.Min(left + Tile, width); x++)
                    {
                        (int column, int row) = turned ? (y, x) : (x, y);
                        column = mirror ? sourceWidth - 1 - column : column;
                        row = flip ? sourceHeight - 1 - row : row;
                        upright[(y * width) + x] = source[(row * sourceWidth) + column];
                    }
                }
            }
        }

        return (width, height);
    }

    private readonly record struct Rgb(byte Red, byte Green, byte Blue);
}

namespace DiffusionClip.Imaging;

/// <summary>Turns pictures upright by the eight orientations of EXIF (tag 0x0112), as Pillow's <c>exif_transpose</c> does.</summary>
public static class Orientation
{
    private const int Tile = 32;

    /// <summary>Makes a stored picture upright.</summary>
    /// <param name="image">The picture as stored.</param>
    /// <param name="orientation">1 as it is; 2 mirrored; 3 turned by 180°; 4 flipped; 5 transposed; 6 to be turned 90° clockwise; 7 transposed over the other diagonal; 8 to be turned 90° anticlockwise. Anything else counts as 1.</param>
    /// <returns>The upright picture; the same object for 1.</returns>
    public static RgbImage Apply(RgbImage image, int orientation)
    {
        ArgumentNullException.ThrowIfNull(image);
        if (orientation is < 2 or > 8)
        {
            return image;
        }

        bool turned = orientation >= 5;
        (int width, int height) = turned ? (image.Height, image.Width) : (image.Width, image.Height);
        byte[] pixels = new byte[3 * width * height];
        ReadOnlySpan<byte> source = image.Pixels.Span;
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
                        column = mirror ? image.Width - 1 - column : column;
                        row = flip ? image.Height - 1 - row : row;
                        int from = 3 * ((row * image.Width) + column), to = 3 * ((y * width) + x);
                        pixels[to] = source[from];
                        pixels[to + 1] = source[from + 1];
                        pixels[to + 2] = source[from + 2];
                    }
                }
            }
        }

        return new RgbImage(width, height, pixels);
    }
}

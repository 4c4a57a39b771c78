using System.Buffers;
using System.Runtime.InteropServices;
using DiffusionClip.Imaging;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.Metadata.Profiles.Exif;
using SixLabors.ImageSharp.PixelFormats;

namespace DiffusionClip.ImageSharp;

/// <summary>
/// From <see cref="RgbImage"/> to ImageSharp's <see cref="Image{TPixel}"/> and back. Pixels in memory alone: nothing here reads or
/// writes a file, and no colour profile is applied (colours are taken as sRGB).
/// </summary>
public static class ImageConversion
{
    /// <summary>A picture's pixels as 8-bit RGB.</summary>
    /// <param name="image">The picture.</param>
    /// <returns>A copy, which the caller disposes.</returns>
    public static Image<Rgb24> ToImageSharp(this RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return Image.LoadPixelData<Rgb24>(image.Pixels.Span, image.Width, image.Height);
    }

    /// <summary>A picture's pixels in a format of choice, opaque.</summary>
    /// <typeparam name="TPixel">The pixel format.</typeparam>
    /// <param name="image">The picture.</param>
    /// <returns>A copy, which the caller disposes.</returns>
    public static Image<TPixel> ToImageSharp<TPixel>(this RgbImage image)
        where TPixel : unmanaged, IPixel<TPixel>
    {
        ArgumentNullException.ThrowIfNull(image);
        var copy = new Image<TPixel>(image.Width, image.Height);
        ReadOnlyMemory<byte> pixels = image.Pixels;
        copy.ProcessPixelRows(rows =>
        {
            for (int y = 0; y < rows.Height; y++)
            {
                ReadOnlySpan<Rgb24> row = MemoryMarshal.Cast<byte, Rgb24>(pixels.Span.Slice(3 * y * rows.Width, 3 * rows.Width));
                PixelOperations<TPixel>.Instance.FromRgb24(Configuration.Default, row, rows.GetRowSpan(y));
            }
        });
        return copy;
    }

    /// <summary>A result's pixels as 8-bit RGB; its metadata are what <see cref="Reporting.PictureEncoder"/> writes into files.</summary>
    /// <param name="image">The result.</param>
    /// <returns>A copy, which the caller disposes.</returns>
    public static Image<Rgb24> ToImageSharp(this RankedImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return image.Image.ToImageSharp();
    }

    /// <summary>
    /// A picture's pixels as DiffusionClip reads them from a file: the first frame, upright as its EXIF orientation says, 8 bits a channel.
    /// Alpha is dropped and the colours beneath it count, as with Pillow's <c>convert("RGB")</c>; give a background to see it instead.
    /// </summary>
    /// <typeparam name="TPixel">The pixel format.</typeparam>
    /// <param name="image">The picture; left alone.</param>
    public static RgbImage ToRgbImage<TPixel>(this Image<TPixel> image)
        where TPixel : unmanaged, IPixel<TPixel>
    {
        ArgumentNullException.ThrowIfNull(image);
        int width = image.Width;
        byte[] pixels = new byte[checked(3 * width * image.Height)];
        image.ProcessPixelRows(rows =>
        {
            for (int y = 0; y < rows.Height; y++)
            {
                Span<Rgb24> row = MemoryMarshal.Cast<byte, Rgb24>(pixels.AsSpan(3 * y * width, 3 * width));
                PixelOperations<TPixel>.Instance.ToRgb24(Configuration.Default, rows.GetRowSpan(y), row);
            }
        });
        return Upright(image, pixels);
    }

    /// <summary>The same over a background: what is transparent shows its colour, rounded to the nearest level.</summary>
    /// <typeparam name="TPixel">The pixel format, its colours not premultiplied.</typeparam>
    /// <param name="image">The picture; left alone.</param>
    /// <param name="background">The colour behind it; its own alpha is not looked at.</param>
    public static RgbImage ToRgbImage<TPixel>(this Image<TPixel> image, Color background)
        where TPixel : unmanaged, IPixel<TPixel>
    {
        ArgumentNullException.ThrowIfNull(image);
        int width = image.Width;
        byte[] pixels = new byte[checked(3 * width * image.Height)];
        Rgb24 behind = background.ToPixel<Rgb24>();
        using IMemoryOwner<Rgba32> buffer = MemoryPool<Rgba32>.Shared.Rent(width);
        image.ProcessPixelRows(rows =>
        {
            Span<Rgba32> row = buffer.Memory.Span[..width];
            for (int y = 0; y < rows.Height; y++)
            {
                PixelOperations<TPixel>.Instance.ToRgba32(Configuration.Default, rows.GetRowSpan(y), row);
                for (int x = 0; x < width; x++)
                {
                    Span<byte> to = pixels.AsSpan(3 * ((y * width) + x), 3);
                    to[0] = Over(row[x].R, behind.R, row[x].A);
                    to[1] = Over(row[x].G, behind.G, row[x].A);
                    to[2] = Over(row[x].B, behind.B, row[x].A);
                }
            }
        });
        return Upright(image, pixels);
    }

    private static byte Over(byte front, byte back, byte alpha) =>
        (byte)(((front * alpha) + (back * (byte.MaxValue - alpha)) + (byte.MaxValue / 2)) / byte.MaxValue);

    private static RgbImage Upright(Image image, byte[] pixels) => Orientation.Apply(
        new RgbImage(image.Width, image.Height, pixels), image.Metadata.ExifProfile?.GetValue(ExifTag.Orientation)?.Value ?? 1);
}

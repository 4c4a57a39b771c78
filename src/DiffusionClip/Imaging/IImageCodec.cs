namespace DiffusionClip.Imaging;

/// <summary>Decodes and encodes pictures.</summary>
public interface IImageCodec
{
    /// <summary>Decodes PNG, JPEG, WebP, GIF or BMP to upright RGB as Pillow's <c>convert("RGB")</c> after <c>exif_transpose</c> does.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="limits">What is refused before pixels are allocated.</param>
    /// <exception cref="ImageFormatException">Not a picture, damaged, or beyond the limits.</exception>
    RgbImage Decode(ReadOnlyMemory<byte> file, ImageLimits limits);

    /// <summary>Encodes losslessly as PNG: 8-bit RGB, no metadata.</summary>
    byte[] EncodePng(RgbImage image);

    /// <summary>Encodes as JPEG.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="quality">1 to 100.</param>
    byte[] EncodeJpeg(RgbImage image, int quality);
}

/// <summary>What a decoder refuses before it allocates pixels.</summary>
/// <param name="MaxPixels">Largest width × height.</param>
/// <param name="MaxFileBytes">Largest file.</param>
public sealed record ImageLimits(long MaxPixels = 100_000_000, long MaxFileBytes = 512L << 20)
{
    /// <summary>100 megapixels, 512 MiB.</summary>
    public static ImageLimits Default { get; } = new();
}

namespace DiffusionClip.Imaging;

/// <summary>Decodes and encodes pictures.</summary>
public interface IImageCodec
{
    /// <summary>
    /// Decodes PNG, JPEG, WebP, GIF or BMP to upright RGB as Pillow's <c>convert("RGB")</c> after <c>exif_transpose</c> does.
    /// </summary>
    /// <param name="file">The whole file.</param>
    /// <param name="limits">What is refused before pixels are allocated.</param>
    /// <param name="cancellationToken">Ends it between two rows where the rows are read here, else between two stages.</param>
    /// <exception cref="ImageFormatException">Not a picture, damaged, or beyond the limits.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    RgbImage Decode(ReadOnlyMemory<byte> file, ImageLimits limits, CancellationToken cancellationToken = default);

    /// <summary>Encodes losslessly as PNG: 8-bit RGB, no metadata.</summary>
    byte[] EncodePng(RgbImage image);

    /// <summary>Encodes as JPEG.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="quality">1 to 100.</param>
    byte[] EncodeJpeg(RgbImage image, int quality);

    /// <summary>Encodes as WebP.</summary>
    /// <param name="image">The picture, at most 16,383 pixels a side.</param>
    /// <param name="quality">1 to 99, lossy; 100 is lossless, as in Skia's own shorthand.</param>
    byte[] EncodeWebp(RgbImage image, int quality);

    /// <summary>
    /// How opaque a picture's pixels are, upright, rows from the top: 0 to 255 each, as Pillow's <c>convert("RGBA")</c> has them; null
    /// where it has no alpha or all of it is 255.
    /// </summary>
    /// <param name="file">The whole file.</param>
    /// <param name="limits">What is refused before pixels are allocated.</param>
    /// <param name="cancellationToken">Ends it, as in <see cref="Decode"/>.</param>
    /// <exception cref="ImageFormatException">
    /// Not a picture, beyond the limits, or damaged; damage is looked for as <see cref="Decode"/> does, but not in the pixels of a file
    /// whose header says that it has no alpha.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    AlphaChannel? DecodeAlpha(ReadOnlyMemory<byte> file, ImageLimits limits, CancellationToken cancellationToken = default);
}

/// <summary>How opaque a picture's pixels are.</summary>
/// <param name="Width">Width in pixels.</param>
/// <param name="Height">Height in pixels.</param>
/// <param name="Values">0 (nothing to be seen) to 255, row by row from the top.</param>
public sealed record AlphaChannel(int Width, int Height, ReadOnlyMemory<byte> Values);

/// <summary>What a decoder refuses before it allocates pixels.</summary>
/// <param name="MaxPixels">Largest width × height.</param>
/// <param name="MaxFileBytes">Largest file.</param>
public sealed record ImageLimits(long MaxPixels = 100_000_000, long MaxFileBytes = 512L << 20)
{
    /// <summary>100 megapixels, 512 MiB.</summary>
    public static ImageLimits Default { get; } = new();
}

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Jpeg;
using DiffusionClip.Imaging.Png;
using SkiaSharp;

namespace DiffusionClip.Skia;

/// <summary>
/// Decodes JPEG, WebP, GIF and BMP with SkiaSharp and PNG with our own reader (Skia rounds 16-bit channels differently and accepts pictures
/// whose checksums are wrong); encodes PNG with our own writer, JPEG and WebP with Skia. Colours are taken as sRGB, no profile is applied.
/// CMYK JPEGs become R = C·K/255 and so on, with Adobe's inverted inks. Skia's own reading of a file runs to its end. Thread-safe.
/// </summary>
public sealed class SkiaImageCodec : IImageCodec
{
    private const int MostWebpSide = 16_383;
    private const int Lossless = 100;

    // Of a lossless WebP it is the effort, not the quality; 75 is libwebp's and Skia's choice.
    private const float LosslessEffort = 75;

    /// <inheritdoc/>
    public RgbImage Decode(ReadOnlyMemory<byte> file, ImageLimits limits, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(limits);
        cancellationToken.ThrowIfCancellationRequested();
        ImageHeader header = ImageHeader.Read(file.Span, limits);
        RgbImage stored = header.Format switch
        {
            ImageFileFormat.Png => PngDecoder.Decode(file, limits, cancellationToken),
            ImageFileFormat.Gif => DecodeGif(file, header, cancellationToken),
            ImageFileFormat.Jpeg => DecodeJpeg(file, header, cancellationToken),
            _ => DecodePixels(file, header, cancellationToken),
        };
        cancellationToken.ThrowIfCancellationRequested();
        return Orientation.Apply(stored, Exif.ReadOrientation(file.Span));
    }

    /// <inheritdoc/>
    public byte[] EncodePng(RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return PngEncoder.Encode(image);
    }

    /// <inheritdoc/>
    public byte[] EncodeJpeg(RgbImage image, int quality) =>
        Encode(
            image,
            quality,
            "JPEG",
            ushort.MaxValue,
            pixmap =>
                pixmap.Encode(new SKJpegEncoderOptions(quality, SKJpegEncoderDownsample.Downsample420, SKJpegEncoderAlphaOption.Ignore)));

    /// <inheritdoc/>
    public byte[] EncodeWebp(RgbImage image, int quality) =>
        Encode(
            image,
            quality,
            "WebP",
            MostWebpSide,
            pixmap =>
                pixmap.Encode(
                    quality == Lossless
                        ? new SKWebpEncoderOptions(SKWebpEncoderCompression.Lossless, LosslessEffort)
                        : new SKWebpEncoderOptions(SKWebpEncoderCompression.Lossy, quality)));

    /// <inheritdoc/>
    public AlphaChannel? DecodeAlpha(ReadOnlyMemory<byte> file, ImageLimits limits, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(limits);
        cancellationToken.ThrowIfCancellationRequested();
        ImageHeader header = ImageHeader.Read(file.Span, limits);
        AlphaChannel? stored = header.Format switch
        {
            ImageFileFormat.Png => PngDecoder.DecodeAlpha(file, limits, cancellationToken),
            ImageFileFormat.Gif => DecodeGifAlpha(file, header, cancellationToken),
            ImageFileFormat.Jpeg => null,
            _ => DecodePixelsAlpha(file, header, cancellationToken),
        };
        return stored?.Values.Span.ContainsAnyExcept(byte.MaxValue) == true
            ? Orientation.Apply(stored, Exif.ReadOrientation(file.Span))
            : null;
    }

    private static unsafe byte[] Encode(RgbImage image, int quality, string name, int mostSide, Func<SKPixmap, SKData?> encode)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentOutOfRangeException.ThrowIfLessThan(quality, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(quality, 100);
        if (image.Width > mostSide || image.Height > mostSide)
        {
            throw new ImageFormatException($"a {name} has at most {mostSide} pixels a side; this picture has {image.Width}x{image.Height}");
        }

        using PixelBuffer<byte> pixels = new(checked(4 * image.Width * image.Height));
        ToRgbx(image.Pixels.Span, pixels.Span);
        fixed (byte* start = pixels.Span)
        {
            using SKPixmap pixmap = new(
                new SKImageInfo(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque),
                (nint)start,
                4 * image.Width);
            using SKData data =
                encode(pixmap)
                ?? throw new ImageFormatException($"the {image.Width}x{image.Height} picture could not be encoded as {name}");
            return data.ToArray();
        }
    }

    private static RgbImage DecodeJpeg(ReadOnlyMemory<byte> file, ImageHeader header, CancellationToken cancellationToken)
    {
        // Skia says nothing about data that libjpeg only warns of and fills with grey.
        JpegIntegrity.Check(file.Span, cancellationToken);
        return DecodePixels(file, header, cancellationToken);
    }

    private static RgbImage DecodeGif(ReadOnlyMemory<byte> file, ImageHeader header, CancellationToken cancellationToken)
    {
        GifFirstFrame frame = GifFirstFrame.Read(file.Span, header, cancellationToken);
        return frame.Cover(DecodePixels(frame.OpaqueFile(), header, cancellationToken));
    }

    private static AlphaChannel? DecodeGifAlpha(ReadOnlyMemory<byte> file, ImageHeader header, CancellationToken cancellationToken)
    {
        GifFirstFrame frame = GifFirstFrame.Read(file.Span, header, cancellationToken);
        return frame.IsOpaque ? null : DecodePixelsAlpha(frame.File, header, cancellationToken);
    }

    private static RgbImage DecodePixels(ReadOnlyMemory<byte> file, ImageHeader header, CancellationToken cancellationToken)
    {
        using OpenPicture picture = new(file, header);
        cancellationToken.ThrowIfCancellationRequested();
        using PixelBuffer<byte> rgba = picture.ReadRgba();
        byte[] rgb = GC.AllocateUninitializedArray<byte>(checked(3 * header.Width * header.Height));
        ToRgb(rgba.Span, rgb);
        return new RgbImage(header.Width, header.Height, rgb);
    }

    private static AlphaChannel? DecodePixelsAlpha(ReadOnlyMemory<byte> file, ImageHeader header, CancellationToken cancellationToken)
    {
        using OpenPicture picture = new(file, header);
        if (picture.IsOpaque)
        {
            return null;
        }

        cancellationToken.ThrowIfCancellationRequested();
        using PixelBuffer<byte> rgba = picture.ReadRgba();
        ReadOnlySpan<byte> from = rgba.Span;
        byte[] alpha = GC.AllocateUninitializedArray<byte>(checked(header.Width * header.Height));
        for (int i = 0; i < alpha.Length; i++)
        {
            alpha[i] = from[(4 * i) + 3];
        }

        return new AlphaChannel(header.Width, header.Height, alpha);
    }

    /// <summary>Drops every fourth byte.</summary>
    internal static void ToRgb(ReadOnlySpan<byte> rgba, Span<byte> rgb)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            // Each store writes four bytes more than it fills, so the last pixels are left to the loop below.
            Vector128<byte> order = Vector128.Create((byte)0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0xFF, 0xFF, 0xFF, 0xFF);
            ref byte from = ref MemoryMarshal.GetReference(rgba);
            ref byte to = ref MemoryMarshal.GetReference(rgb);
            for (; (3 * i) + 16 <= rgb.Length && (4 * i) + 16 <= rgba.Length; i += 4)
            {
                Vector128.Shuffle(Vector128.LoadUnsafe(ref from, (nuint)(4 * i)), order).StoreUnsafe(ref to, (nuint)(3 * i));
            }
        }

        for (; (3 * i) + 3 <= rgb.Length; i++)
        {
            rgba.Slice(4 * i, 3).CopyTo(rgb[(3 * i)..]);
        }
    }

    /// <summary>Adds an opaque fourth byte.</summary>
    internal static void ToRgbx(ReadOnlySpan<byte> rgb, Span<byte> rgba)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            Vector128<byte> order = Vector128.Create((byte)0, 1, 2, 0xFF, 3, 4, 5, 0xFF, 6, 7, 8, 0xFF, 9, 10, 11, 0xFF);
            Vector128<byte> opaque = Vector128.Create(0xFF000000u).AsByte();
            ref byte from = ref MemoryMarshal.GetReference(rgb);
            ref byte to = ref MemoryMarshal.GetReference(rgba);
            for (; (3 * i) + 16 <= rgb.Length; i += 4)
            {
                (Vector128.Shuffle(Vector128.LoadUnsafe(ref from, (nuint)(3 * i)), order) | opaque).StoreUnsafe(ref to, (nuint)(4 * i));
            }
        }

        for (; (3 * i) + 3 <= rgb.Length; i++)
        {
            rgb.Slice(3 * i, 3).CopyTo(rgba[(4 * i)..]);
            rgba[(4 * i) + 3] = 255;
        }
    }
}

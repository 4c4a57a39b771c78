using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Jpeg;
using DiffusionClip.Imaging.Png;
using SkiaSharp;

namespace DiffusionClip.Skia;

/// <summary>
/// Decodes JPEG, WebP, GIF and BMP with SkiaSharp and PNG with our own reader (Skia rounds 16-bit channels differently and accepts pictures
/// whose checksums are wrong); encodes PNG with our own writer, JPEG and WebP with Skia. Colours are taken as sRGB, no profile is applied. CMYK
/// JPEGs become R = C·K/255 and so on, with Adobe's inverted inks. Thread-safe.
/// </summary>
public sealed class SkiaImageCodec : IImageCodec
{
    private const int MostWebpSide = 16_383;
    private const int Lossless = 100;

    // Of a lossless WebP it is the effort, not the quality; 75 is libwebp's and Skia's choice.
    private const float LosslessEffort = 75;

    /// <inheritdoc/>
    public RgbImage Decode(ReadOnlyMemory<byte> file, ImageLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ImageHeader header = ImageHeader.Read(file.Span, limits);
        RgbImage stored = header.Format switch
        {
            ImageFileFormat.Png => PngDecoder.Decode(file, limits),
            ImageFileFormat.Gif => DecodeGif(file, header),
            ImageFileFormat.Jpeg => DecodeJpeg(file, header),
            _ => DecodePixels(file, header),
        };
        return Orientation.Apply(stored, Exif.ReadOrientation(file.Span));
    }

    /// <inheritdoc/>
    public byte[] EncodePng(RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return PngEncoder.Encode(image);
    }

    /// <inheritdoc/>
    public byte[] EncodeJpeg(RgbImage image, int quality) => Encode(
        image, quality, "JPEG", ushort.MaxValue, pixmap => pixmap.Encode(new SKJpegEncoderOptions(quality, SKJpegEncoderDownsample.Downsample420, SKJpegEncoderAlphaOption.Ignore)));

    /// <inheritdoc/>
    public byte[] EncodeWebp(RgbImage image, int quality) => Encode(image, quality, "WebP", MostWebpSide, pixmap => pixmap.Encode(quality == Lossless
        ? new SKWebpEncoderOptions(SKWebpEncoderCompression.Lossless, LosslessEffort)
        : new SKWebpEncoderOptions(SKWebpEncoderCompression.Lossy, quality)));

    /// <inheritdoc/>
    public AlphaChannel? DecodeAlpha(ReadOnlyMemory<byte> file, ImageLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ImageHeader header = ImageHeader.Read(file.Span, limits);
        using OpenPicture picture = new(file, header);
        if (picture.IsOpaque)
        {
            return null;
        }

        using PixelBuffer rgba = picture.ReadRgba();
        ReadOnlySpan<byte> stored = rgba.Span;

        // Alpha takes the place of all three channels, so that it is turned upright as they are.
        byte[] grey = new byte[3 * header.Width * header.Height];
        bool opaque = true;
        for (int i = 0; i < grey.Length / 3; i++)
        {
            byte alpha = stored[(4 * i) + 3];
            opaque &= alpha == byte.MaxValue;
            grey[3 * i] = alpha;
        }

        if (opaque)
        {
            return null;
        }

        RgbImage upright = Orientation.Apply(new RgbImage(header.Width, header.Height, grey), Exif.ReadOrientation(file.Span));
        byte[] values = new byte[upright.Width * upright.Height];
        ReadOnlySpan<byte> from = upright.Pixels.Span;
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = from[3 * i];
        }

        return new AlphaChannel(upright.Width, upright.Height, values);
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

        using PixelBuffer pixels = new(checked(4 * image.Width * image.Height));
        ToRgbx(image.Pixels.Span, pixels.Span);
        fixed (byte* start = pixels.Span)
        {
            using SKPixmap pixmap = new(new SKImageInfo(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque), (nint)start, 4 * image.Width);
            using SKData data = encode(pixmap) ?? throw new ImageFormatException($"the {image.Width}x{image.Height} picture could not be encoded as {name}");
            return data.ToArray();
        }
    }

    private static RgbImage DecodeJpeg(ReadOnlyMemory<byte> file, ImageHeader header)
    {
        // Skia says nothing about data that libjpeg only warns of and fills with grey.
        JpegIntegrity.Check(file.Span);
        return DecodePixels(file, header);
    }

    private static RgbImage DecodeGif(ReadOnlyMemory<byte> file, ImageHeader header)
    {
        GifFirstFrame frame = GifFirstFrame.Read(file.Span);
        if (frame.Right > header.Width || frame.Bottom > header.Height)
        {
            throw new ImageFormatException("damaged GIF: its first frame is larger than the picture");
        }

        RgbImage image = DecodePixels(frame.File, header);
        return frame.Cover(image);
    }

    private static RgbImage DecodePixels(ReadOnlyMemory<byte> file, ImageHeader header)
    {
        using OpenPicture picture = new(file, header);
        using PixelBuffer rgba = picture.ReadRgba();
        byte[] rgb = GC.AllocateUninitializedArray<byte>(3 * header.Width * header.Height);
        ToRgb(rgba.Span, rgb);
        return new RgbImage(header.Width, header.Height, rgb);
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

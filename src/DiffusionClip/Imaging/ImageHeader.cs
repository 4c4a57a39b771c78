using System.Buffers.Binary;
using System.Text;
using DiffusionClip.Imaging.Jpeg;
using DiffusionClip.Imaging.Png;

namespace DiffusionClip.Imaging;

/// <summary>The picture file formats that are read.</summary>
public enum ImageFileFormat
{
    /// <summary>Portable Network Graphics.</summary>
    Png,

    /// <summary>JPEG, baseline or progressive.</summary>
    Jpeg,

    /// <summary>WebP, lossy or lossless; of an animation the first frame.</summary>
    WebP,

    /// <summary>GIF; of an animation the first frame.</summary>
    Gif,

    /// <summary>Windows bitmap.</summary>
    Bmp,
}

/// <summary>What the first bytes of a picture file say, read without a decoder and without allocating pixels.</summary>
/// <param name="Format">The format, by content; a file's name says nothing.</param>
/// <param name="Width">Columns as stored, before any EXIF orientation.</param>
/// <param name="Height">Rows as stored.</param>
public readonly record struct ImageHeader(ImageFileFormat Format, int Width, int Height)
{
    private const string Remedy = "give a PNG, JPEG, WebP, GIF or BMP file";

    /// <summary>Reads and checks the header.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="limits">What is refused.</param>
    /// <exception cref="ImageFormatException">Not a picture, a damaged header, or beyond the limits; one line that says which.</exception>
    public static ImageHeader Read(ReadOnlySpan<byte> file, ImageLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        if (file.IsEmpty)
        {
            throw new ImageFormatException($"the file is empty; {Remedy}");
        }

        if (file.Length > limits.MaxFileBytes)
        {
            throw new ImageFormatException($"the file has {file.Length} bytes, more than the {limits.MaxFileBytes} allowed");
        }

        ImageFileFormat format =
            FormatOf(file) ?? throw new ImageFormatException($"not a picture: it looks like {Describe(file)}; {Remedy}");
        (long width, long height) = format switch
        {
            ImageFileFormat.Png => PngSize(file),
            ImageFileFormat.Jpeg => JpegSize(file),
            ImageFileFormat.WebP => WebPSize(file),
            ImageFileFormat.Gif => GifSize(file),
            _ => BmpSize(file),
        };
        if (width < 1 || height < 1 || width > int.MaxValue || height > int.MaxValue)
        {
            throw new ImageFormatException($"damaged {Name(format)} header: a picture of {width}x{height} pixels");
        }

        // 2^31 bytes of RGB is what one array holds, whatever the limit says.
        if (width * height > Math.Min(limits.MaxPixels, (Array.MaxLength - 64L) / 4))
        {
            throw new ImageFormatException(
                $"the {Name(format)} has {width}x{height} = {width * height} pixels, more than the {limits.MaxPixels} allowed; scale it down first"
            );
        }

        return new ImageHeader(format, (int)width, (int)height);
    }

    /// <summary>The format by the file's first bytes, or null where it is none of those read here.</summary>
    /// <param name="file">The file or its beginning.</param>
    public static ImageFileFormat? FormatOf(ReadOnlySpan<byte> file) =>
        file.StartsWith(PngChunk.Signature) ? ImageFileFormat.Png
        : file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ? ImageFileFormat.Jpeg
        : file.Length >= 12 && file.StartsWith("RIFF"u8) && file[8..12].SequenceEqual("WEBP"u8) ? ImageFileFormat.WebP
        : file.StartsWith("GIF87a"u8) || file.StartsWith("GIF89a"u8) ? ImageFileFormat.Gif
        : file.Length >= 26 && file.StartsWith("BM"u8) && BinaryPrimitives.ReadUInt32LittleEndian(file[14..]) is 12 or (>= 16 and <= 124)
            ? ImageFileFormat.Bmp
        : null;

    /// <summary>The format's usual name.</summary>
    public static string Name(ImageFileFormat format) => format switch
    {
        ImageFileFormat.Png => "PNG",
        ImageFileFormat.Jpeg => "JPEG",
        ImageFileFormat.Gif => "GIF",
        ImageFileFormat.Bmp => "BMP",
        _ => "WebP",
    };

    private static ImageFormatException Truncated(string name) => new($"truncated {name}: the file ends inside its header");

    private static (long Width, long Height) PngSize(ReadOnlySpan<byte> file)
    {
        if (file.Length < 33)
        {
            throw Truncated("PNG");
        }

        return file[12..16].SequenceEqual("IHDR"u8)
            ? (BinaryPrimitives.ReadUInt32BigEndian(file[16..]), BinaryPrimitives.ReadUInt32BigEndian(file[20..]))
            : throw new ImageFormatException("damaged PNG: the file does not begin with an IHDR chunk");
    }

    private static (long Width, long Height) JpegSize(ReadOnlySpan<byte> file)
    {
        JpegSegments segments = new(file);
        while (segments.MoveNext() && segments.Marker != JpegSegments.StartOfScan)
        {
            if (!segments.IsFrame)
            {
                continue;
            }

            ReadOnlySpan<byte> frame = segments.Content;
            if (frame.Length < 6)
            {
                throw Truncated("JPEG");
            }

            if (frame[0] != 8)
            {
                throw new ImageFormatException($"a JPEG with {frame[0]} bits per sample is not supported; convert it to 8 bits");
            }

            return (BinaryPrimitives.ReadUInt16BigEndian(frame[3..]), BinaryPrimitives.ReadUInt16BigEndian(frame[1..]));
        }

        throw segments.End switch
        {
            JpegEnd.Cut => Truncated("JPEG"),
            JpegEnd.NoMarker => new ImageFormatException("damaged JPEG: a marker is missing in the header"),
            _ => new ImageFormatException("damaged JPEG: no frame header before the pixels"),
        };
    }

    private static (long Width, long Height) WebPSize(ReadOnlySpan<byte> file)
    {
        if (file.Length < 30)
        {
            throw Truncated("WebP");
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(file[4..]) + 8L > file.Length)
        {
            throw new ImageFormatException(
                $"truncated WebP: it says {BinaryPrimitives.ReadUInt32LittleEndian(file[4..]) + 8L} bytes and has {file.Length}");
        }

        ReadOnlySpan<byte> kind = file[12..16];
        if (kind.SequenceEqual("VP8X"u8))
        {
            return (1 + Read24(file[24..]), 1 + Read24(file[27..]));
        }

        if (kind.SequenceEqual("VP8L"u8) && file[20] == 0x2F)
        {
            uint bits = BinaryPrimitives.ReadUInt32LittleEndian(file[21..]);
            return (1 + (bits & 0x3FFF), 1 + ((bits >> 14) & 0x3FFF));
        }

        return kind.SequenceEqual("VP8 "u8) && file[23..26].SequenceEqual((ReadOnlySpan<byte>)[0x9D, 0x01, 0x2A])
            ? (BinaryPrimitives.ReadUInt16LittleEndian(file[26..]) & 0x3FFF, BinaryPrimitives.ReadUInt16LittleEndian(file[28..]) & 0x3FFF)
            : throw new ImageFormatException("damaged WebP: no picture chunk after the header");
    }

    private static int Read24(ReadOnlySpan<byte> bytes) => bytes[0] | (bytes[1] << 8) | (bytes[2] << 16);

    private static (long Width, long Height) GifSize(ReadOnlySpan<byte> file) => file.Length < 13
        ? throw Truncated("GIF")
        : (BinaryPrimitives.ReadUInt16LittleEndian(file[6..]), BinaryPrimitives.ReadUInt16LittleEndian(file[8..]));

    private static (long Width, long Height) BmpSize(ReadOnlySpan<byte> file) => BinaryPrimitives.ReadUInt32LittleEndian(file[14..]) == 12
        ? (BinaryPrimitives.ReadUInt16LittleEndian(file[18..]), BinaryPrimitives.ReadUInt16LittleEndian(file[20..]))
        : (BinaryPrimitives.ReadInt32LittleEndian(file[18..]), Math.Abs((long)BinaryPrimitives.ReadInt32LittleEndian(file[22..])));

    private static string Describe(ReadOnlySpan<byte> file)
    {
        if (file.StartsWith("II*\0"u8) || file.StartsWith("MM\0*"u8))
        {
            return "TIFF";
        }

        if (file.StartsWith("%PDF"u8))
        {
            return "PDF";
        }

        if (file.StartsWith("PK\x03\x04"u8))
        {
            return "a ZIP archive";
        }

        if (file.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]))
        {
            return "gzip data";
        }

        if (file.StartsWith("8BPS"u8))
        {
            return "a Photoshop document";
        }

        if (file.Length >= 12 && file[4..8].SequenceEqual("ftyp"u8))
        {
            return "AVIF, HEIC or video";
        }

        if (
            file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0x0A])
            || file.StartsWith((ReadOnlySpan<byte>)[0, 0, 0, 0x0C, (byte)'J', (byte)'X', (byte)'L']))
        {
            return "JPEG XL";
        }

        ReadOnlySpan<byte> start = file[..Math.Min(file.Length, 1024)];
        if (start.ContainsAnyInRange((byte)0, (byte)8))
        {
            return "binary data of an unknown kind";
        }

        string text = Encoding.UTF8.GetString(start).TrimStart('\uFEFF', ' ', '\t', '\r', '\n');
        return text.StartsWith("version https://git-lfs", StringComparison.Ordinal)
                ? "a Git LFS pointer (the picture itself was not fetched)"
            : text.Contains("<svg", StringComparison.OrdinalIgnoreCase) ? "SVG"
            : text.StartsWith("<!doctype html", StringComparison.OrdinalIgnoreCase)
            || text.Contains("<html", StringComparison.OrdinalIgnoreCase)
                ? "HTML"
            : text.StartsWith("<?xml", StringComparison.Ordinal) ? "XML"
            : text.StartsWith('{') || text.StartsWith('[') ? "JSON"
            : !text.Contains('\uFFFD', StringComparison.Ordinal) || start.Length == 1024 ? "text"
            : "binary data of an unknown kind";
    }
}

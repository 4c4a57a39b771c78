using System.Buffers.Binary;
using DiffusionClip.Imaging.Jpeg;
using DiffusionClip.Imaging.Png;

namespace DiffusionClip.Imaging;

/// <summary>
/// The little of EXIF that matters here, read from JPEG (APP1), WebP (EXIF chunk) and PNG (eXIf) files in either byte order. Whatever is
/// damaged counts as absent: metadata never make a picture unreadable.
/// </summary>
public static class Exif
{
    private const ushort OrientationTag = 0x0112;
    private const ushort ExifPointerTag = 0x8769;
    private const ushort MakerNoteTag = 0x927C;
    private const ushort UserCommentTag = 0x9286;

    private static ReadOnlySpan<byte> JpegPrefix => "Exif\0\0"u8;

    private static ReadOnlySpan<byte> JpegXmpPrefix => "http://ns.adobe.com/xap/1.0/\0"u8;

    /// <summary>
    /// How the stored picture is to be turned: EXIF orientation 1 (as it is) to 8; where EXIF says nothing, what XMP says, as Pillow reads
    /// it.
    /// </summary>
    /// <param name="file">The whole file.</param>
    /// <returns>1 to 8; 1 if the file says nothing.</returns>
    public static int ReadOrientation(ReadOnlySpan<byte> file)
    {
        Tiff tiff = Find(file);
        if (tiff.TryFind(tiff.FirstDirectory, OrientationTag, out Entry entry))
        {
            return tiff.Number(entry) is >= 1 and <= 8 and uint orientation ? (int)orientation : 1;
        }

        return XmpOrientation(FindXmp(file));
    }

    /// <summary>The bytes of the EXIF field UserComment: eight bytes that name the encoding, then the text.</summary>
    /// <param name="file">The whole file.</param>
    /// <returns>A part of the file, empty if there is no comment.</returns>
    public static ReadOnlySpan<byte> ReadUserComment(ReadOnlySpan<byte> file) => ReadUserComment(file, out _);

    /// <summary>The bytes of the EXIF field UserComment: eight bytes that name the encoding, then the text.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="bigEndian">Whether the EXIF block is big-endian, which is what UTF-16 without a mark should be in then.</param>
    /// <returns>A part of the file, empty if there is no comment.</returns>
    public static ReadOnlySpan<byte> ReadUserComment(ReadOnlySpan<byte> file, out bool bigEndian)
    {
        Tiff tiff = Find(file);
        bigEndian = tiff.BigEndian;
        return tiff.ExifBytes(UserCommentTag);
    }

    /// <summary>The record that DiffusionClip wrote into the EXIF field MakerNote: JSON in UTF-8.</summary>
    /// <param name="file">The whole file.</param>
    /// <returns>A part of the file, empty if there is none or a camera wrote the field.</returns>
    internal static ReadOnlySpan<byte> ReadRecord(ReadOnlySpan<byte> file)
    {
        ReadOnlySpan<byte> note = Find(file).ExifBytes(MakerNoteTag);
        return note.StartsWith(ExifWriter.MakerNotePrefix) ? note[ExifWriter.MakerNotePrefix.Length..] : default;
    }

    private static Tiff Find(ReadOnlySpan<byte> file) => new(ImageHeader.FormatOf(file) switch
    {
        ImageFileFormat.Jpeg => JpegSegment(file, JpegPrefix),
        ImageFileFormat.WebP => WithoutPrefix(WebPChunk(file, "EXIF"u8)),
        ImageFileFormat.Png => WithoutPrefix(PngContent(file, PngChunk.Exif, default)),
        _ => default,
    });

    private static ReadOnlySpan<byte> FindXmp(ReadOnlySpan<byte> file) => ImageHeader.FormatOf(file) switch
    {
        ImageFileFormat.Jpeg => JpegSegment(file, JpegXmpPrefix),
        ImageFileFormat.WebP => WebPChunk(file, "XMP "u8),

        // An uncompressed iTXt: keyword, zero, no compression, method.
        ImageFileFormat.Png => PngContent(file, PngChunk.InternationalText, "XML:com.adobe.xmp\0\0\0"u8),
        _ => default,
    };

    private static int XmpOrientation(ReadOnlySpan<byte> xmp)
    {
        ReadOnlySpan<byte> name = "tiff:Orientation"u8;
        while (xmp.IndexOf(name) is >= 0 and int at)
        {
            xmp = xmp[(at + name.Length)..];
            int digit = xmp.StartsWith(">"u8) ? 1 : xmp.StartsWith("=\""u8) ? 2 : xmp.Length;
            if (digit < xmp.Length && xmp[digit] is >= (byte)'0' and <= (byte)'9')
            {
                return xmp[digit] is >= (byte)'1' and <= (byte)'8' ? xmp[digit] - '0' : 1;
            }
        }

        return 1;
    }

    private static ReadOnlySpan<byte> WithoutPrefix(ReadOnlySpan<byte> block) =>
        block.StartsWith(JpegPrefix) ? block[JpegPrefix.Length..] : block;

    private static ReadOnlySpan<byte> JpegSegment(ReadOnlySpan<byte> file, ReadOnlySpan<byte> prefix)
    {
        JpegSegments segments = new(file);
        while (segments.MoveNext() && segments.Marker != JpegSegments.StartOfScan)
        {
            if (segments.Marker == JpegSegments.App1 && segments.Content.StartsWith(prefix))
            {
                return segments.Content[prefix.Length..];
            }
        }

        return default;
    }

    private static ReadOnlySpan<byte> WebPChunk(ReadOnlySpan<byte> file, ReadOnlySpan<byte> type)
    {
        long at = 12;
        while (at + 8 <= file.Length)
        {
            ReadOnlySpan<byte> chunk = file[(int)at..];
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(chunk[4..]);
            if (length > chunk.Length - 8)
            {
                break;
            }

            if (chunk.StartsWith(type))
            {
                return chunk.Slice(8, (int)length);
            }

            at += 8L + length + (length & 1);
        }

        return default;
    }

    private static ReadOnlySpan<byte> PngContent(ReadOnlySpan<byte> file, uint type, ReadOnlySpan<byte> prefix)
    {
        PngChunks<PngMemory> chunks = new(new PngMemory(file));
        while (chunks.MoveNext())
        {
            if (chunks.Type == type && chunks.TryTakeWhole(out ReadOnlySpan<byte> content, out _) && content.StartsWith(prefix))
            {
                return content[prefix.Length..];
            }
        }

        return default;
    }

    /// <summary>One field of a directory.</summary>
    /// <param name="Type">TIFF's number of the element type.</param>
    /// <param name="Count">Elements.</param>
    /// <param name="Value">Where in the block the four bytes lie that hold the value or its offset.</param>
    private readonly record struct Entry(ushort Type, uint Count, int Value);

    /// <summary>A TIFF structure; every offset in it comes from the file and is checked.</summary>
    private readonly ref struct Tiff
    {
        private readonly ReadOnlySpan<byte> _block;

        public Tiff(ReadOnlySpan<byte> block)
        {
            BigEndian = block.StartsWith("MM\0*"u8);
            _block = block.Length >= 8 && (BigEndian || block.StartsWith("II*\0"u8)) ? block : default;
        }

        public bool BigEndian { get; }

        public uint FirstDirectory => _block.IsEmpty ? 0 : UInt32(4);

        public bool TryFind(uint directory, ushort tag, out Entry entry)
        {
            entry = default;
            if (directory < 8 || directory > _block.Length - 2L)
            {
                return false;
            }

            int count = UInt16((int)directory);
            int at = (int)directory + 2;
            for (int i = 0; i < count && at + 12 <= _block.Length; i++, at += 12)
            {
                if (UInt16(at) == tag)
                {
                    entry = new Entry(UInt16(at + 2), UInt32(at + 4), at + 8);
                    return true;
                }
            }

            return false;
        }

        /// <summary>The bytes of a field of the Exif directory; empty if there is none.</summary>
        public ReadOnlySpan<byte> ExifBytes(ushort tag) =>
            TryFind(FirstDirectory, ExifPointerTag, out Entry pointer) && TryFind(Number(pointer) ?? 0, tag, out Entry entry)
                ? Bytes(entry)
                : default;

        public uint? Number(Entry entry) => (entry.Type, entry.Count) switch
        {
            (_, 0) => null,
            (1 or 7, _) => _block[entry.Value],
            (3, _) => UInt16(entry.Value),
            (4, _) => UInt32(entry.Value),
            _ => null,
        };

        public ReadOnlySpan<byte> Bytes(Entry entry)
        {
            if (entry.Type is not (1 or 2 or 7))
            {
                return default;
            }

            long start = entry.Count <= 4 ? entry.Value : UInt32(entry.Value);
            return start + entry.Count <= _block.Length ? _block.Slice((int)start, (int)entry.Count) : default;
        }

        private ushort UInt16(int at) => BigEndian
            ? BinaryPrimitives.ReadUInt16BigEndian(_block[at..])
            : BinaryPrimitives.ReadUInt16LittleEndian(_block[at..]);

        private uint UInt32(int at) => BigEndian
            ? BinaryPrimitives.ReadUInt32BigEndian(_block[at..])
            : BinaryPrimitives.ReadUInt32LittleEndian(_block[at..]);
    }
}

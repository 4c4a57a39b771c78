using System.Buffers.Binary;
using System.Text;
using CsCheck;
using DiffusionClip.Imaging.Jpeg;
using DiffusionClip.Imaging.WebP;

namespace DiffusionClip.Imaging;

public sealed class ExifWriterTests
{
    // JFIF's segment, a frame of 6x5 and nothing to see.
    private static readonly byte[] Jpeg =
    [
        0xFF, 0xD8, 0xFF, 0xE0, 0, 16, .. "JFIF\0"u8, 1, 1, 0, 0, 1, 0, 1, 0, 0,
        0xFF, 0xC0, 0, 11, 8, 0, 5, 0, 6, 1, 1, 0x11, 0, 0xFF, 0xD9,
    ];

    private static readonly Gen<string> Texts = Gen.String[Gen.Char, 0, 40];

    [Fact]
    public void The_comment_is_as_piexif_writes_it()
    {
        // b"UNICODE\0" + "Ä🍎".encode("utf_16_be"), in a block that begins with MM.
        byte[] exif = ExifWriter.Compose("Ä🍎", null);
        Assert.Equal("MM\0*"u8.ToArray(), exif[..4]);
        byte[] file = JpegExifWriter.Insert(Jpeg, exif);
        Assert.Equal([.. "UNICODE\0"u8, 0x00, 0xC4, 0xD8, 0x3C, 0xDF, 0x4E], Exif.ReadUserComment(file, out bool bigEndian).ToArray());
        Assert.True(bigEndian);
    }

    [Fact]
    public void Entries_are_sorted_values_lie_even_and_inside()
    {
        byte[] exif = ExifWriter.Compose("odd", "{}");
        int directory = (int)BinaryPrimitives.ReadUInt32BigEndian(exif.AsSpan(18));
        int[] entries = [.. Enumerable.Range(0, 3).Select(i => directory + 2 + (12 * i))];
        ushort[] tags = [.. entries.Select(at => BinaryPrimitives.ReadUInt16BigEndian(exif.AsSpan(at)))];
        Assert.Equal([0x9000, 0x927C, 0x9286], tags);
        Assert.Equal("0232"u8.ToArray(), exif.AsSpan(directory + 2 + 8, 4).ToArray());
        foreach (int i in (int[])[1, 2])
        {
            Span<byte> entry = exif.AsSpan(directory + 2 + (12 * i));
            uint length = BinaryPrimitives.ReadUInt32BigEndian(entry[4..]), at = BinaryPrimitives.ReadUInt32BigEndian(entry[8..]);
            Assert.True(at % 2 == 0 && at + length <= exif.Length, $"{length} bytes at {at} of {exif.Length}");
        }
    }

    [Fact]
    public void Whatever_the_texts_they_are_read_back() => Gen.Select(Texts, Texts).Sample((comment, record) =>
    {
        comment = Valid(comment);
        record = "{" + Valid(record);
        byte[] exif = ExifWriter.Compose(comment, record);
        foreach (byte[] file in (byte[][])[JpegExifWriter.Insert(Jpeg, exif), WebPExifWriter.Insert(Lossy(6, 5), exif)])
        {
            Assert.Equal(comment, Encoding.BigEndianUnicode.GetString(Exif.ReadUserComment(file)[8..]));
            Assert.Equal(record, Encoding.UTF8.GetString(Exif.ReadRecord(file)));
            Assert.Equal((6, 5), Size(file));
        }
    });

    [Fact]
    public void A_cameras_note_is_no_record()
    {
        byte[] exif = Replaced(ExifWriter.Compose(null, "{}"), "DiffusionClip"u8, "NikonNikonNik"u8);
        Assert.True(Exif.ReadRecord(JpegExifWriter.Insert(Jpeg, exif)).IsEmpty);
    }

    [Fact]
    public void A_segment_stands_after_JFIF_and_the_rest_stays()
    {
        byte[] exif = ExifWriter.Compose("x", null), file = JpegExifWriter.Insert(Jpeg, exif);
        Assert.Equal(Jpeg[..20], file[..20]);
        Assert.Equal([0xFF, 0xE1], file[20..22]);
        Assert.Equal(8 + exif.Length, BinaryPrimitives.ReadUInt16BigEndian(file.AsSpan(22)));
        Assert.Equal(Jpeg[20..], file[(30 + exif.Length)..]);

        byte[] bare = [0xFF, 0xD8, .. Jpeg[20..]];
        Assert.Equal([0xFF, 0xD8, 0xFF, 0xE1], JpegExifWriter.Insert(bare, exif)[..4]);
    }

    [Fact]
    public void The_largest_block_fits_and_one_byte_more_does_not()
    {
        byte[] file = JpegExifWriter.Insert(Jpeg, new byte[JpegExifWriter.MaxBlock]);
        Assert.Equal(ushort.MaxValue, BinaryPrimitives.ReadUInt16BigEndian(file.AsSpan(22)));
        Assert.Equal((6, 5), Size(file));
        Assert.Throws<ArgumentOutOfRangeException>(() => JpegExifWriter.Insert(Jpeg, new byte[JpegExifWriter.MaxBlock + 1]));
    }

    [Theory]
    [InlineData(false, 0x08)]
    [InlineData(true, 0x18)]
    public void A_lossless_WebP_says_whether_it_has_alpha(bool alpha, byte flags)
    {
        byte[] file = WebPExifWriter.Insert(Lossless(300, 16383, alpha), ExifWriter.Compose("x", "{}"));
        Assert.Equal(flags, file[20]);
        Assert.Equal((300, 16383), Size(file));
        Assert.Equal("VP8X"u8.ToArray(), file[12..16]);
        Assert.Equal("VP8L"u8.ToArray(), file[30..34]);
        Assert.Equal(file.Length - 8u, BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(4)));
    }

    [Fact]
    public void A_lossy_WebP_with_an_alpha_chunk_has_alpha()
    {
        byte[] webp = Riff([.. Extended(0, 6, 5)[12..], .. Chunk("ALPH"u8, [0, 1, 2]), .. Lossy(6, 5)[12..]]);
        Assert.Equal(0x18, WebPExifWriter.Insert(webp, [1])[20]);
    }

    [Fact]
    public void What_an_extended_WebP_holds_stays_in_order_and_an_older_block_goes()
    {
        byte[] picture = Lossy(6, 5)[12..];
        byte[] exif = ExifWriter.Compose("new", null);
        byte[] file = WebPExifWriter.Insert(With(ExifWriter.Compose("old", "{}")), exif);
        Assert.Equal(With(exif), file);

        byte[] With(byte[] block) => Riff(
            [.. Extended(0x2C, 6, 5)[12..], .. Chunk("ICCP"u8, [7]), .. picture, .. Chunk("EXIF"u8, block), .. Chunk("XMP "u8, [8, 9])]);
        Assert.True(Exif.ReadRecord(file).IsEmpty);
    }

    private static (int Width, int Height) Size(byte[] file)
    {
        ImageHeader header = ImageHeader.Read(file, ImageLimits.Default);
        return (header.Width, header.Height);
    }

    private static string Valid(string text) => string.Concat(text.EnumerateRunes());

    private static byte[] Replaced(byte[] bytes, ReadOnlySpan<byte> what, ReadOnlySpan<byte> by)
    {
        by.CopyTo(bytes.AsSpan(bytes.AsSpan().IndexOf(what)));
        return bytes;
    }

    private static byte[] Lossy(byte width, byte height) => Riff(Chunk("VP8 "u8, [0, 0, 0, 0x9D, 0x01, 0x2A, width, 0, height, 0, 0]));

    private static byte[] Lossless(int width, int height, bool alpha)
    {
        byte[] content = [0x2F, .. new byte[11]];
        uint bits = (uint)(width - 1) | ((uint)(height - 1) << 14) | (alpha ? 1u << 28 : 0);
        BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(1), bits);
        return Riff(Chunk("VP8L"u8, content));
    }

    private static byte[] Extended(byte flags, int width, int height) =>
        Riff(Chunk("VP8X"u8, [flags, 0, 0, 0, (byte)(width - 1), 0, 0, (byte)(height - 1), 0, 0]));

    private static byte[] Chunk(ReadOnlySpan<byte> name, byte[] content)
    {
        byte[] length = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(length, (uint)content.Length);
        return [.. name, .. length, .. content, .. content.Length % 2 == 1 ? new byte[1] : []];
    }

    private static byte[] Riff(byte[] chunks)
    {
        byte[] length = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(length, (uint)chunks.Length + 4);
        return [.. "RIFF"u8, .. length, .. "WEBP"u8, .. chunks];
    }
}

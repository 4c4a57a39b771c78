using System.Buffers.Binary;
using System.Text;
using CsCheck;
using DiffusionClip.Imaging.Png;

namespace DiffusionClip.Imaging;

public sealed class ExifTests
{
    private static readonly byte[] Comment = Encoding.ASCII.GetBytes("ASCII\0\0\0Steps: 20, Sampler: Euler");

    public static TheoryData<bool, int> Orders()
    {
        TheoryData<bool, int> data = [];
        for (int orientation = 1; orientation <= 8; orientation++)
        {
            data.Add(false, orientation);
            data.Add(true, orientation);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public void Orientation_and_comment_are_read_from_every_container_in_both_byte_orders(bool bigEndian, int orientation)
    {
        byte[] tiff = Tiff(bigEndian, orientation, Comment);
        foreach (byte[] file in (byte[][])[Jpeg(tiff), WebP(tiff), WebP([.. "Exif\0\0"u8, .. tiff]), Png(tiff)])
        {
            Assert.Equal(orientation, Exif.ReadOrientation(file));
            Assert.Equal(Comment, Exif.ReadUserComment(file, out bool order).ToArray());
            Assert.Equal(bigEndian, order);
        }
    }

    [Fact]
    public void Files_without_exif_are_upright_and_have_no_comment()
    {
        foreach (byte[] file in (byte[][])[[], [1, 2, 3], [0xFF, 0xD8, 0xFF], Jpeg([]), PngEncoder.Encode(Pictures.Noise(3, 3)), WebP([])])
        {
            Assert.Equal(1, Exif.ReadOrientation(file));
            Assert.True(Exif.ReadUserComment(file).IsEmpty);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(9)]
    [InlineData(65535)]
    public void An_orientation_that_does_not_exist_means_upright(int orientation) =>
        Assert.Equal(1, Exif.ReadOrientation(Jpeg(Tiff(true, orientation, Comment))));

    [Fact]
    public void Xmp_is_asked_where_exif_is_silent()
    {
        byte[] xmp = [.. "http://ns.adobe.com/xap/1.0/\0"u8, .. "<rdf tiff:Orientation=\"6\"/>"u8];
        byte[] file = [0xFF, 0xD8, 0xFF, 0xE1, 0, (byte)(xmp.Length + 2), .. xmp, 0xFF, 0xD9];
        Assert.Equal(6, Exif.ReadOrientation(file));
    }

    [Fact]
    public void Whatever_the_bytes_nothing_is_thrown() => Gen.Select(Gen.Bool, Gen.Int[0, 3], Gen.Int[0, 1 << 30]).Sample(
        (bigEndian, container, seed) =>
        {
            Random random = new(seed);
            byte[] tiff = Tiff(bigEndian, 6, Comment);
            for (int i = random.Next(1, 6); i > 0; i--)
            {
                tiff[random.Next(tiff.Length)] = (byte)random.Next(256);
            }

            byte[] file = container switch { 0 => Jpeg(tiff), 1 => WebP(tiff), 2 => Png(tiff), _ => tiff };
            for (int i = random.Next(0, 3); i > 0; i--)
            {
                file[random.Next(file.Length)] = (byte)random.Next(256);
            }

            ReadOnlySpan<byte> part = file.AsSpan(0, random.Next(file.Length + 1));
            Assert.InRange(Exif.ReadOrientation(part), 1, 8);
            Assert.True(Exif.ReadUserComment(part).Length <= file.Length);
        },
        iter: 20_000);

    internal static byte[] Tiff(bool bigEndian, int orientation, byte[] comment)
    {
        byte[] tiff = new byte[64 + comment.Length];
        (bigEndian ? "MM\0*"u8 : "II*\0"u8).CopyTo(tiff);
        Four(4, 8);
        Two(8, 2);
        Entry(10, 0x0112, 3, 1);
        Two(18, orientation);
        Entry(22, 0x8769, 4, 1);
        Four(30, 40);
        Two(40, 1);
        Entry(42, 0x9286, 7, comment.Length);
        Four(50, 64);
        comment.CopyTo(tiff, 64);
        return tiff;

        void Entry(int at, int tag, int type, int count)
        {
            Two(at, tag);
            Two(at + 2, type);
            Four(at + 4, count);
        }

        void Two(int at, int value)
        {
            if (bigEndian)
            {
                BinaryPrimitives.WriteUInt16BigEndian(tiff.AsSpan(at), (ushort)value);
            }
            else
            {
                BinaryPrimitives.WriteUInt16LittleEndian(tiff.AsSpan(at), (ushort)value);
            }
        }

        void Four(int at, int value)
        {
            if (bigEndian)
            {
                BinaryPrimitives.WriteInt32BigEndian(tiff.AsSpan(at), value);
            }
            else
            {
                BinaryPrimitives.WriteInt32LittleEndian(tiff.AsSpan(at), value);
            }
        }
    }

    internal static byte[] Jpeg(byte[] tiff)
    {
        int length = 8 + tiff.Length;
        return [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xE1, (byte)(length >> 8), (byte)length, .. "Exif\0\0"u8, .. tiff, 0xFF, 0xD9];
    }

    private static byte[] WebP(byte[] tiff)
    {
        byte[] chunk = [.. "VP8X"u8, 3, 0, 0, 0, 1, 2, 3, 0, .. "EXIF"u8, (byte)tiff.Length, 0, 0, 0, .. tiff];
        return [.. "RIFF"u8, (byte)(4 + chunk.Length), 0, 0, 0, .. "WEBP"u8, .. chunk];
    }

    private static byte[] Png(byte[] tiff) => PngFile.Of(PngFile.Header(1, 1, 8, 2), PngFile.Chunk("eXIf", tiff), PngFile.End);
}

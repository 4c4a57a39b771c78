using System.Buffers.Binary;
using System.IO.Compression;
using DiffusionClip.Imaging;
using DiffusionClip.Skia;

namespace DiffusionClip.Cli;

/// <summary>Picture files for tests.</summary>
internal static class Pictures
{
    /// <summary>A picture painted by the embedded model, with known scores.</summary>
    public static string Expected(string name) => Path.Combine(Golden.Repository, "models", "emoji-sd", "expected", name);

    /// <summary>Pixels of a file.</summary>
    public static RgbImage Decode(string path) => new SkiaImageCodec().Decode(File.ReadAllBytes(path), ImageLimits.Default);

    public static byte[] Jpeg(string path) => new SkiaImageCodec().EncodeJpeg(Decode(path), 90);

    /// <summary>A sound PNG of 30,000 × 30,000 black pixels, of about 100 KB: one bit a pixel, all alike.</summary>
    public static byte[] Huge()
    {
        const int Side = 30_000;
        using var compressed = new MemoryStream();
        using (var zlib = new ZLibStream(compressed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            byte[] rows = new byte[((Side / 8) + 1) * 100];
            for (int i = 0; i < Side / 100; i++)
            {
                zlib.Write(rows);
            }
        }

        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, Side);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), Side);
        header[8] = 1;
        using var png = new MemoryStream();
        png.Write([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]);
        Chunk(png, "IHDR"u8, header);
        Chunk(png, "IDAT"u8, compressed.ToArray());
        Chunk(png, "IEND"u8, []);
        return png.ToArray();
    }

    private static void Chunk(MemoryStream png, ReadOnlySpan<byte> type, ReadOnlySpan<byte> content)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, content.Length);
        png.Write(number);
        png.Write(type);
        png.Write(content);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc([.. type, .. content]));
        png.Write(number);
    }

    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = 0xFFFFFFFF;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
            }
        }

        return ~crc;
    }
}

using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace DiffusionClip.Imaging.Png;

/// <summary>Puts PNG files together from their parts, right or wrong.</summary>
internal static class PngFile
{
    public static byte[] Of(params byte[][] chunks) =>
        [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, .. chunks.SelectMany(chunk => chunk)];

    public static byte[] Header(int width, int height, int depth, int colourType, bool interlaced = false)
    {
        byte[] data = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(data, width);
        BinaryPrimitives.WriteInt32BigEndian(data.AsSpan(4), height);
        (data[8], data[9], data[12]) = ((byte)depth, (byte)colourType, interlaced ? (byte)1 : (byte)0);
        return Chunk("IHDR", data);
    }

    public static byte[] Chunk(string type, params byte[] data)
    {
        byte[] chunk = new byte[12 + data.Length];
        BinaryPrimitives.WriteInt32BigEndian(chunk, data.Length);
        Encoding.ASCII.GetBytes(type, chunk.AsSpan(4));
        data.CopyTo(chunk, 8);
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + data.Length), Crc32.HashToUInt32(chunk.AsSpan(4, 4 + data.Length)));
        return chunk;
    }

    /// <summary>Rows without filters: a zero before each.</summary>
    public static byte[] Data(IEnumerable<byte[]> rows) => Raw([.. rows.SelectMany(row => (byte[])[0, .. row])]);

    public static byte[] Raw(byte[] scanlines)
    {
        using MemoryStream packed = new();
        using (ZLibStream stream = new(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            stream.Write(scanlines);
        }

        return Chunk("IDAT", packed.ToArray());
    }

    public static byte[] End { get; } = Chunk("IEND");
}

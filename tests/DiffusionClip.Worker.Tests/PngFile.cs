using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace DiffusionClip.Worker.Tests;

/// <summary>PNG files of the kinds that nothing here encodes.</summary>
internal static class PngFile
{
    /// <summary>A file.</summary>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    /// <param name="depth">Bits of a channel.</param>
    /// <param name="color">0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.</param>
    /// <param name="row">The bytes of a row, without its filter.</param>
    /// <param name="before">Chunks between the header and the pixels.</param>
    public static byte[] Of(
        int width,
        int height,
        byte depth,
        byte color,
        Func<int, byte[]> row,
        params (string Name, byte[] Content)[] before)
    {
        using var pixels = new MemoryStream();
        using (var zlib = new ZLibStream(pixels, CompressionLevel.Fastest, leaveOpen: true))
        {
            for (int y = 0; y < height; y++)
            {
                zlib.WriteByte(0);
                zlib.Write(row(y));
            }
        }

        return Of(width, height, depth, color, [.. before, ("IDAT", pixels.ToArray())]);
    }

    /// <summary>A header, chunks as they are, and the end.</summary>
    public static byte[] Of(int width, int height, byte depth, byte color, IEnumerable<(string Name, byte[] Content)> chunks)
    {
        byte[] header = [0, 0, 0, 0, 0, 0, 0, 0, depth, color, 0, 0, 0];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        using var file = new MemoryStream();
        file.Write([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]);
        Span<byte> number = stackalloc byte[4];
        foreach ((string name, byte[] content) in chunks.Prepend(("IHDR", header)).Append(("IEND", [])))
        {
            BinaryPrimitives.WriteInt32BigEndian(number, content.Length);
            file.Write(number);
            byte[] letters = System.Text.Encoding.ASCII.GetBytes(name);
            file.Write(letters);
            file.Write(content);
            BinaryPrimitives.WriteUInt32BigEndian(number, Crc32.HashToUInt32([.. letters, .. content]));
            file.Write(number);
        }

        return file.ToArray();
    }
}

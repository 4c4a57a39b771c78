using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;

namespace DiffusionClip.Imaging.Png;

/// <summary>Writes 8-bit RGB as PNG: IHDR, one IDAT, IEND and nothing else. Each row takes the filter with the smallest residuals.</summary>
internal static class PngEncoder
{
    private static ReadOnlySpan<byte> Signature => [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>Encodes a picture.</summary>
    public static byte[] Encode(RgbImage image)
    {
        using MemoryStream file = new(256 + (3 * image.Width * image.Height / 2));
        file.Write(Signature);
        Span<byte> header = stackalloc byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, image.Width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], image.Height);
        header[8] = 8;
        header[9] = 2;
        header[10..].Clear();
        WriteChunk(file, "IHDR"u8, header);

        int start = (int)file.Position;
        file.Write([0, 0, 0, 0]);
        file.Write("IDAT"u8);

        // Filtered photographs hardly repeat: searching for matches takes several times longer and compresses worse than runs and Huffman codes alone.
        ZLibCompressionOptions options = new() { CompressionLevel = 1, CompressionStrategy = ZLibCompressionStrategy.RunLengthEncoding };
        using (ZLibStream stream = new(file, options, leaveOpen: true))
        {
            WriteRows(stream, image);
        }

        Span<byte> chunk = file.GetBuffer().AsSpan(start, (int)file.Position - start);
        BinaryPrimitives.WriteInt32BigEndian(chunk, chunk.Length - 8);
        Span<byte> checksum = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(checksum, PngChecksum.Of(chunk[4..]));
        file.Write(checksum);
        WriteChunk(file, "IEND"u8, []);
        return file.ToArray();
    }

    private static void WriteRows(ZLibStream stream, RgbImage image)
    {
        int rowBytes = 3 * image.Width;
        byte[] rented = ArrayPool<byte>.Shared.Rent((PngFilter.Count * (rowBytes + 1)) + rowBytes);
        try
        {
            Span<byte> zeros = rented.AsSpan(PngFilter.Count * (rowBytes + 1), rowBytes);
            zeros.Clear();
            ReadOnlySpan<byte> above = zeros;
            for (int y = 0; y < image.Height; y++)
            {
                ReadOnlySpan<byte> row = image.Pixels.Span.Slice(y * rowBytes, rowBytes);
                int best = 0;
                long smallest = long.MaxValue;
                for (int type = 0; type < PngFilter.Count && smallest > 0; type++)
                {
                    Span<byte> filtered = rented.AsSpan(type * (rowBytes + 1), rowBytes + 1);
                    filtered[0] = (byte)type;
                    long magnitude = PngFilter.Apply(type, row, above, 3, filtered[1..]);
                    if (magnitude < smallest)
                    {
                        (best, smallest) = (type, magnitude);
                    }
                }

                stream.Write(rented, best * (rowBytes + 1), rowBytes + 1);
                above = row;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private static void WriteChunk(MemoryStream file, ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
    {
        Span<byte> word = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(word, data.Length);
        file.Write(word);
        file.Write(type);
        file.Write(data);
        BinaryPrimitives.WriteUInt32BigEndian(word, PngChecksum.Of(data, PngChecksum.Of(type)));
        file.Write(word);
    }
}

using System.Buffers.Binary;
using System.IO.Compression;

namespace DiffusionClip.Imaging.Png;

/// <summary>
/// Writes 8-bit RGB as PNG: IHDR, one IDAT, IEND and nothing else. Each row takes the filter with the smallest residuals.
/// </summary>
public static class PngEncoder
{
    /// <summary>Encodes a picture.</summary>
    public static byte[] Encode(RgbImage image)
    {
        using MemoryStream file = new(256 + (image.Pixels.Length / 2));
        file.Write(PngChunk.Signature);
        Span<byte> header = stackalloc byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, image.Width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], image.Height);
        header[8] = 8;
        header[9] = 2;
        header[10..].Clear();
        PngChunk.Write(file, PngChunk.Header, header);

        // The length is known when the rows are written.
        int start = (int)file.Position;
        PngChunk.WriteHead(file, PngChunk.Data, 0);

        // Filtered photographs hardly repeat: searching for matches takes several times longer and compresses worse than runs and
        // Huffman codes alone.
        ZLibCompressionOptions options = new() { CompressionLevel = 1, CompressionStrategy = ZLibCompressionStrategy.RunLengthEncoding };
        using (ZLibStream stream = new(file, options, leaveOpen: true))
        {
            WriteRows(stream, image);
        }

        Span<byte> chunk = file.GetBuffer().AsSpan(start, (int)file.Position - start);
        BinaryPrimitives.WriteInt32BigEndian(chunk, chunk.Length - PngChunk.HeadLength);
        PngChunk.WriteChecksum(file, PngChunk.Data, chunk[PngChunk.HeadLength..]);
        PngChunk.Write(file, PngChunk.End, []);
        return file.ToArray();
    }

    private static void WriteRows(ZLibStream stream, RgbImage image)
    {
        int rowBytes = checked(3 * image.Width);
        using PixelBuffer<byte> rows = new(checked((PngFilter.Count * (rowBytes + 1)) + rowBytes));
        Span<byte> zeros = rows.Span.Slice(PngFilter.Count * (rowBytes + 1), rowBytes);
        zeros.Clear();
        ReadOnlySpan<byte> above = zeros;
        for (int y = 0; y < image.Height; y++)
        {
            ReadOnlySpan<byte> row = image.Pixels.Span.Slice(y * rowBytes, rowBytes);
            int best = 0;
            long smallest = long.MaxValue;
            for (int type = 0; type < PngFilter.Count && smallest > 0; type++)
            {
                Span<byte> filtered = rows.Span.Slice(type * (rowBytes + 1), rowBytes + 1);
                filtered[0] = (byte)type;
                long magnitude = PngFilter.Apply(type, row, above, 3, filtered[1..]);
                if (magnitude < smallest)
                {
                    (best, smallest) = (type, magnitude);
                }
            }

            stream.Write(rows.Span.Slice(best * (rowBytes + 1), rowBytes + 1));
            above = row;
        }
    }
}

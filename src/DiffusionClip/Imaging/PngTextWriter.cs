using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DiffusionClip.Imaging;

/// <summary>
/// Puts text chunks into PNG files that are already encoded. They stand right after IHDR, where other programs' stand;
/// every other chunk, and whatever follows the last, stays byte for byte, so pixels are untouched.
/// </summary>
public static class PngTextWriter
{
    /// <summary>Sets the texts of a file; chunks that had one of these keywords before are gone, damaged ones too.</summary>
    /// <param name="png">The whole file.</param>
    /// <param name="texts">Keywords (1 to 79 Latin-1 characters) and texts (no NUL), in the order in which they are written.</param>
    /// <returns>The new file.</returns>
    /// <exception cref="ImageFormatException">No PNG file, or cut off inside a chunk.</exception>
    /// <exception cref="ArgumentException">A keyword or text cannot be stored.</exception>
    public static byte[] SetTexts(ReadOnlyMemory<byte> png, IEnumerable<KeyValuePair<string, string>> texts)
    {
        using MemoryStream source = MemoryMarshal.TryGetArray(png, out ArraySegment<byte> array)
            ? new(array.Array!, array.Offset, array.Count, writable: false)
            : new(png.ToArray(), writable: false);
        using var destination = new MemoryStream(png.Length + 1024);
        SetTexts(source, destination, texts);
        return destination.ToArray();
    }

    /// <summary>Copies a file and sets its texts on the way; holds one text chunk's keyword and a block, not the file.</summary>
    /// <param name="source">The file; read forward only, left open.</param>
    /// <param name="destination">Where the new file goes; written forward only, left open. After an error it holds a part of it.</param>
    /// <param name="texts">Keywords and texts, in the order in which they are written.</param>
    /// <exception cref="ImageFormatException">No PNG file, or cut off inside a chunk.</exception>
    /// <exception cref="ArgumentException">A keyword or text cannot be stored.</exception>
    public static void SetTexts(Stream source, Stream destination, IEnumerable<KeyValuePair<string, string>> texts)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(texts);
        List<byte[]> chunks = [];
        HashSet<string> keywords = [];
        foreach ((string keyword, string text) in texts)
        {
            chunks.Add(PngTextChunk.Compose(keyword, text));
            keywords.Add(keyword);
        }

        byte[] block = ArrayPool<byte>.Shared.Rent(64 << 10);
        try
        {
            if (source.ReadAtLeast(block.AsSpan(0, 8), 8, throwOnEndOfStream: false) < 8 || !block.AsSpan(0, 8).SequenceEqual(PngTextChunk.Signature))
            {
                throw new ImageFormatException("This is no PNG file: texts can be written into PNG only.");
            }

            destination.Write(block, 0, 8);
            for (bool first = true; ; first = false)
            {
                Fill(source, block.AsSpan(0, 8));
                long rest = BinaryPrimitives.ReadUInt32BigEndian(block) + 4L;
                uint type = BinaryPrimitives.ReadUInt32BigEndian(block.AsSpan(4));
                if (first != (type == PngTextChunk.Header))
                {
                    throw new ImageFormatException("The PNG file is damaged: it does not begin with one IHDR chunk.");
                }

                // A keyword has at most 79 bytes and a NUL.
                int peeked = PngTextChunk.IsText(type) ? (int)Math.Min(rest - 4, 80) : 0;
                Fill(source, block.AsSpan(8, peeked));
                bool replaced = peeked > 0 && PngTextChunk.KeywordOf(block.AsSpan(8, peeked)) is { } keyword && keywords.Contains(keyword);
                if (!replaced)
                {
                    destination.Write(block, 0, 8 + peeked);
                }

                Copy(source, replaced ? Stream.Null : destination, rest - peeked, block);
                if (first)
                {
                    foreach (byte[] chunk in chunks)
                    {
                        destination.Write(chunk);
                    }
                }

                if (type == PngTextChunk.End)
                {
                    source.CopyTo(destination);
                    return;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }

    private static void Copy(Stream source, Stream destination, long count, byte[] block)
    {
        while (count > 0)
        {
            int part = (int)Math.Min(count, block.Length);
            Fill(source, block.AsSpan(0, part));
            destination.Write(block, 0, part);
            count -= part;
        }
    }

    private static void Fill(Stream source, Span<byte> bytes)
    {
        if (source.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
        {
            throw new ImageFormatException("The PNG file is damaged: it ends inside a chunk or without IEND.");
        }
    }
}

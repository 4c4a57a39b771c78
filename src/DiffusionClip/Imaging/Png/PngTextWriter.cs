using System.Runtime.InteropServices;

namespace DiffusionClip.Imaging.Png;

/// <summary>
/// Puts text chunks into PNG files that are already encoded. They stand right after IHDR, where other programs' stand;
/// every other chunk, and whatever follows the last, stays byte for byte, so pixels are untouched.
/// </summary>
public static class PngTextWriter
{
    private const int BlockLength = 64 << 10;

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

        PngChunks<PngStream> file = new(new PngStream(source));
        if (!file.IsPng)
        {
            throw new ImageFormatException("This is no PNG file: texts can be written into PNG only.");
        }

        destination.Write(PngChunk.Signature);
        for (bool first = true; file.MoveNext(); first = false)
        {
            if (first != (file.Type == PngChunk.Header))
            {
                throw new ImageFormatException("The PNG file is damaged: it does not begin with one IHDR chunk.");
            }

            Copy(ref file, destination, keywords);
            if (first)
            {
                foreach (byte[] chunk in chunks)
                {
                    destination.Write(chunk);
                }
            }
        }

        if (file.End != PngEnd.Whole)
        {
            throw Damaged();
        }

        source.CopyTo(destination);
    }

    /// <summary>Copies a chunk as it is, unless it holds a text that is replaced.</summary>
    private static void Copy(scoped ref PngChunks<PngStream> file, Stream destination, HashSet<string> replaced)
    {
        ReadOnlySpan<byte> part = default;
        if (PngChunk.IsText(file.Type))
        {
            Take(ref file, Math.Min(file.Length, PngTextChunk.MaxKeyword + 1), out part);
            if (PngTextChunk.KeywordOf(part) is { } keyword && replaced.Contains(keyword))
            {
                return;
            }
        }

        PngChunk.WriteHead(destination, file.Type, file.Length);
        destination.Write(part);
        while (file.Unread > 0)
        {
            Take(ref file, Math.Min(file.Unread, BlockLength), out part);
            destination.Write(part);
        }
    }

    private static void Take(scoped ref PngChunks<PngStream> file, long count, out ReadOnlySpan<byte> part)
    {
        if (!file.TryTake((int)count, out part))
        {
            throw Damaged();
        }
    }

    private static ImageFormatException Damaged() => new("The PNG file is damaged: it ends inside a chunk or without IEND.");
}

using System.Buffers.Binary;

namespace DiffusionClip.Imaging.Png;

/// <summary>
/// Reads the text chunks of PNG files; pixels are skipped, not decoded. Damage is named, never thrown, and what a
/// hostile file can make it hold is bounded by <see cref="PngTextLimits"/>.
/// </summary>
public static class PngTextReader
{
    /// <summary>Reads the text chunks of a whole file in memory.</summary>
    /// <param name="file">The file.</param>
    /// <param name="limits">Bounds; null: the default ones.</param>
    public static PngTextContent Read(ReadOnlyMemory<byte> file, PngTextLimits? limits = null) =>
        Read(new PngMemory(file.Span), limits ?? PngTextLimits.Default);

    /// <summary>Reads the text chunks from the stream's position on; holds no more than one text chunk beside the texts.</summary>
    /// <param name="stream">The file; read forward only, left open.</param>
    /// <param name="limits">Bounds; null: the default ones.</param>
    public static PngTextContent Read(Stream stream, PngTextLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return Read(new PngStream(stream), limits ?? PngTextLimits.Default);
    }

    private static PngTextContent Read<TSource>(TSource source, PngTextLimits limits)
        where TSource : IPngSource, allows ref struct
    {
        List<PngText> texts = [];
        List<PngTextProblem> problems = [];
        (int? width, int? height) = (null, null);
        PngChunks<TSource> chunks = new(source);
        if (!chunks.IsPng)
        {
            problems.Add(new(PngTextProblemKind.NotPng, null, 0));
            return new(false, null, null, texts, problems);
        }

        // Texts that come to nothing have a budget of their own: they must not crowd out those that are sound.
        int budget = limits.MaxTotalBytes;
        long wasted = 0;
        for (bool first = true; chunks.MoveNext(); first = false)
        {
            bool isHeader = first && chunks.Type == PngChunk.Header;
            if (!isHeader && !PngChunk.IsText(chunks.Type))
            {
                continue;
            }

            string name = PngChunk.Name(chunks.Type);
            if (chunks.Length > limits.MaxTextBytes)
            {
                if (chunks.TrySkip())
                {
                    problems.Add(new(PngTextProblemKind.TooLarge, name, chunks.Offset));
                }

                continue;
            }

            if (!chunks.TryTakeWhole(out ReadOnlySpan<byte> content, out uint checksum))
            {
                break;
            }

            if (isHeader)
            {
                (width, height) = Size(content);
            }
            else if (texts.Count + problems.Count >= limits.MaxTexts)
            {
                problems.Add(new(PngTextProblemKind.TooLarge, name, chunks.Offset));
                return new(true, width, height, texts, problems);
            }
            else if (PngChunk.Checksum(chunks.Type, content) != checksum)
            {
                problems.Add(new(PngTextProblemKind.Crc, name, chunks.Offset));
            }
            else
            {
                int most = Math.Min(limits.MaxTextBytes, budget);
                bool mayInflate = wasted < limits.MaxTotalBytes;
                if (PngTextChunk.Parse(chunks.Type, content, most, mayInflate, out int bytes, out PngTextProblemKind kind) is { } text)
                {
                    budget -= bytes;
                    texts.Add(text);
                }
                else
                {
                    wasted += bytes;
                    problems.Add(new(kind, name, chunks.Offset));
                }
            }
        }

        if (chunks.End != PngEnd.Whole)
        {
            string? chunk = chunks.End == PngEnd.InsideChunk ? PngChunk.Name(chunks.Type) : null;
            problems.Add(new(PngTextProblemKind.Truncated, chunk, chunks.Offset));
        }

        return new(true, width, height, texts, problems);
    }

    private static (int? Width, int? Height) Size(ReadOnlySpan<byte> header)
    {
        if (header.Length < 8)
        {
            return (null, null);
        }

        uint width = BinaryPrimitives.ReadUInt32BigEndian(header);
        uint height = BinaryPrimitives.ReadUInt32BigEndian(header[4..]);
        return width is 0 or > int.MaxValue || height is 0 or > int.MaxValue ? (null, null) : ((int)width, (int)height);
    }
}

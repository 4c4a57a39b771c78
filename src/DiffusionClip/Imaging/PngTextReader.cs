using System.Buffers.Binary;

namespace DiffusionClip.Imaging;

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
        Read(new MemorySource(file), limits ?? PngTextLimits.Default);

    /// <summary>Reads the text chunks from the stream's position on; holds no more than one text chunk beside the texts.</summary>
    /// <param name="stream">The file; read forward only, left open.</param>
    /// <param name="limits">Bounds; null: the default ones.</param>
    public static PngTextContent Read(Stream stream, PngTextLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return Read(new StreamSource(stream), limits ?? PngTextLimits.Default);
    }

    private static PngTextContent Read(ISource source, PngTextLimits limits)
    {
        List<PngText> texts = [];
        List<PngTextProblem> problems = [];
        (int? width, int? height) = (null, null);
        if (!source.TryTake(8, out ReadOnlyMemory<byte> signature) || !signature.Span.SequenceEqual(PngTextChunk.Signature))
        {
            problems.Add(new(PngTextProblemKind.NotPng, null, 0));
            return new(false, null, null, texts, problems);
        }

        int budget = limits.MaxTotalBytes;
        long offset = 8;
        for (bool first = true; ; first = false)
        {
            if (!source.TryTake(8, out ReadOnlyMemory<byte> head))
            {
                problems.Add(new(PngTextProblemKind.Truncated, null, offset));
                break;
            }

            uint length = BinaryPrimitives.ReadUInt32BigEndian(head.Span);
            uint type = BinaryPrimitives.ReadUInt32BigEndian(head.Span[4..]);
            void Report(PngTextProblemKind kind) => problems.Add(new(kind, PngTextChunk.Name(type), offset));

            bool wanted = PngTextChunk.IsText(type) || (first && type == PngTextChunk.Header);
            if (!wanted || length > limits.MaxTextBytes)
            {
                if (!source.TrySkip((long)length + 4))
                {
                    Report(PngTextProblemKind.Truncated);
                    break;
                }

                if (wanted)
                {
                    Report(PngTextProblemKind.TooLarge);
                }

                if (type == PngTextChunk.End)
                {
                    break;
                }
            }
            else if (!source.TryTake((int)length + 4, out ReadOnlyMemory<byte> chunk))
            {
                Report(PngTextProblemKind.Truncated);
                break;
            }
            else if (type == PngTextChunk.Header)
            {
                (width, height) = Size(chunk.Span[..^4]);
            }
            else if (texts.Count + problems.Count >= limits.MaxTexts)
            {
                Report(PngTextProblemKind.TooLarge);
                break;
            }
            else
            {
                ReadOnlyMemory<byte> content = chunk[..^4];
                if (PngTextChunk.Crc(type, content.Span) != BinaryPrimitives.ReadUInt32BigEndian(chunk.Span[^4..]))
                {
                    Report(PngTextProblemKind.Crc);
                }
                else if (PngTextChunk.Parse(type, content, Math.Min(limits.MaxTextBytes, budget), out int bytes, out PngTextProblemKind problem) is { } text)
                {
                    budget -= bytes;
                    texts.Add(text);
                }
                else
                {
                    Report(problem);
                }
            }

            offset += 12L + length;
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

    /// <summary>Bytes that come one after the other; what was taken is valid until the next call.</summary>
    private interface ISource
    {
        bool TryTake(int count, out ReadOnlyMemory<byte> bytes);

        bool TrySkip(long count);
    }

    private sealed class MemorySource(ReadOnlyMemory<byte> rest) : ISource
    {
        public bool TryTake(int count, out ReadOnlyMemory<byte> bytes)
        {
            bool enough = count <= rest.Length;
            bytes = enough ? rest[..count] : default;
            rest = enough ? rest[count..] : default;
            return enough;
        }

        public bool TrySkip(long count)
        {
            bool enough = count <= rest.Length;
            rest = enough ? rest[(int)count..] : default;
            return enough;
        }
    }

    private sealed class StreamSource(Stream stream) : ISource
    {
        // Grown as bytes arrive: a length that the file does not hold up to allocates nothing.
        private byte[] buffer = new byte[16 << 10];

        public bool TryTake(int count, out ReadOnlyMemory<byte> bytes)
        {
            int filled = 0;
            while (filled < count)
            {
                if (filled == buffer.Length)
                {
                    Array.Resize(ref buffer, (int)Math.Min((long)buffer.Length * 2, count));
                }

                int read = stream.Read(buffer, filled, Math.Min(count, buffer.Length) - filled);
                if (read == 0)
                {
                    bytes = default;
                    return false;
                }

                filled += read;
            }

            bytes = buffer.AsMemory(0, count);
            return true;
        }

        public bool TrySkip(long count)
        {
            if (stream.CanSeek)
            {
                long target = stream.Position + count;
                bool enough = target <= stream.Length;
                stream.Position = enough ? target : stream.Length;
                return enough;
            }

            while (count > 0)
            {
                int read = stream.Read(buffer, 0, (int)Math.Min(count, buffer.Length));
                if (read == 0)
                {
                    return false;
                }

                count -= read;
            }

            return true;
        }
    }
}

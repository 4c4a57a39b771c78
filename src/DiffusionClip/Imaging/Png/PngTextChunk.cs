using System.Buffers;
using System.IO.Compression;
using System.Text;
using System.Text.Unicode;

namespace DiffusionClip.Imaging.Png;

/// <summary>What the three text types hold (PNG 3rd edition, section 11.3.3), read and composed.</summary>
internal static class PngTextChunk
{
    /// <summary>Longest keyword, in bytes.</summary>
    public const int MaxKeyword = 79;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly SearchValues<char> KeywordCharacters = SearchValues.Create(
        [.. Enumerable.Range(0x20, 0x5F).Concat(Enumerable.Range(0xA1, 0x5F)).Select(code => (char)code)]);

    /// <summary>Reads a text chunk's content.</summary>
    /// <param name="type">One of the three text types.</param>
    /// <param name="content">The content, its checksum already compared.</param>
    /// <param name="maxBytes">Largest text once inflated, in bytes.</param>
    /// <param name="mayInflate">Whether a compressed text is inflated; if not, it counts as too large.</param>
    /// <param name="bytes">Bytes of the text once inflated; where the result is null, those that were looked through for nothing.</param>
    /// <param name="problem">What is wrong if the result is null.</param>
    public static PngText? Parse(
        uint type, ReadOnlySpan<byte> content, int maxBytes, bool mayInflate, out int bytes, out PngTextProblemKind problem)
    {
        bytes = 0;
        problem = PngTextProblemKind.Malformed;
        if (KeywordOf(content) is not { } keyword)
        {
            return null;
        }

        ReadOnlySpan<byte> rest = content[(keyword.Length + 1)..];
        bool compressed = type == PngChunk.CompressedText;
        if (compressed)
        {
            if (rest.IsEmpty || rest[0] != 0)
            {
                return null;
            }

            rest = rest[1..];
        }
        else if (type == PngChunk.InternationalText)
        {
            if (rest.Length < 2 || rest[0] > 1 || (rest[0] == 1 && rest[1] != 0))
            {
                return null;
            }

            compressed = rest[0] == 1;
            rest = rest[2..];
            for (int skipped = 0; skipped < 2; skipped++) // language tag, translated keyword
            {
                int end = rest.IndexOf((byte)0);
                if (end < 0)
                {
                    return null;
                }

                rest = rest[(end + 1)..];
            }
        }

        if (compressed && !mayInflate)
        {
            problem = PngTextProblemKind.TooLarge;
            return null;
        }

        ReadOnlySpan<byte> text = rest;
        if (compressed && !TryInflate(rest, maxBytes, out text, out bytes, out problem))
        {
            return null;
        }

        if (text.Length > maxBytes)
        {
            problem = PngTextProblemKind.TooLarge;
            return null;
        }

        bytes = text.Length;
        if (type == PngChunk.InternationalText)
        {
            return Utf8.IsValid(text) ? new PngText(keyword, StrictUtf8.GetString(text)) : null;
        }

        bool utf8 = !Ascii.IsValid(text) && Utf8.IsValid(text);
        return new PngText(keyword, Encoding.Latin1.GetString(text), utf8 ? StrictUtf8.GetString(text) : null);
    }

    /// <summary>The keyword of a text chunk, however damaged the rest; null if there is none.</summary>
    public static string? KeywordOf(ReadOnlySpan<byte> content)
    {
        int separator = content[..Math.Min(content.Length, MaxKeyword + 1)].IndexOf((byte)0);
        return separator < 1 ? null : Encoding.Latin1.GetString(content[..separator]);
    }

    /// <summary>Composes a whole chunk: tEXt where that says the same to every reader, else iTXt.</summary>
    /// <exception cref="ArgumentException">The keyword or text cannot be stored.</exception>
    public static byte[] Compose(string keyword, string text)
    {
        ArgumentNullException.ThrowIfNull(keyword);
        ArgumentNullException.ThrowIfNull(text);
        if (keyword.Length is < 1 or > MaxKeyword || keyword.AsSpan().ContainsAnyExcept(KeywordCharacters)
            || keyword[0] == ' ' || keyword[^1] == ' ' || keyword.Contains("  ", StringComparison.Ordinal))
        {
            throw new ArgumentException(
                "A PNG keyword has 1 to 79 printable Latin-1 characters and no spaces at its ends or in a row.", nameof(keyword));
        }

        if (text.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("A PNG text cannot hold NUL.", nameof(text));
        }

        byte[] name = Encoding.Latin1.GetBytes(keyword);
        byte[]? latin1 = text.AsSpan().ContainsAnyExceptInRange('\0', '\u00FF') ? null : Encoding.Latin1.GetBytes(text);
        // Latin-1 that happens to be UTF-8 would be taken for that by readers that guess, ours among them.
        bool plain = latin1 is not null && (Ascii.IsValid(latin1) || !Utf8.IsValid(latin1));
        return plain
            ? Compose(PngChunk.Text, [.. name, 0, .. latin1!])
            : Compose(PngChunk.InternationalText, [.. name, 0, 0, 0, 0, 0, .. Encoding.UTF8.GetBytes(text)]);
    }

    private static byte[] Compose(uint type, byte[] content)
    {
        using MemoryStream chunk = new(PngChunk.HeadLength + content.Length + PngChunk.ChecksumLength);
        PngChunk.Write(chunk, type, content);
        return chunk.ToArray();
    }

    private static unsafe bool TryInflate(
        ReadOnlySpan<byte> deflated, int maxBytes, out ReadOnlySpan<byte> text, out int bytes, out PngTextProblemKind problem)
    {
        fixed (byte* start = deflated)
        {
            using ExhaustibleStream source = new(start, deflated.Length);
            return TryInflate(source, maxBytes, out text, out bytes, out problem);
        }
    }

    private static bool TryInflate(
        ExhaustibleStream source, int maxBytes, out ReadOnlySpan<byte> text, out int bytes, out PngTextProblemKind problem)
    {
        text = default;
        bytes = 0;
        problem = PngTextProblemKind.Malformed;
        using var inflater = new ZLibStream(source, CompressionMode.Decompress);
        using var inflated = new MemoryStream();
        byte[] block = new byte[Math.Min(64 << 10, maxBytes) + 1];
        try
        {
            for (int read; (read = inflater.Read(block)) > 0;)
            {
                bytes += read;
                if (bytes > maxBytes)
                {
                    problem = PngTextProblemKind.TooLarge;
                    return false;
                }

                inflated.Write(block, 0, read);
            }
        }
        catch (InvalidDataException)
        {
            return false;
        }

        // ZLibStream ends without a word when its input does; only a finished stream never asks for more.
        if (source.WasExhausted)
        {
            return false;
        }

        text = inflated.GetBuffer().AsSpan(0, (int)inflated.Length);
        return true;
    }

    /// <summary>Bytes that stay where they are, and whether more was asked for than there is.</summary>
    private sealed unsafe class ExhaustibleStream(byte* start, int length) : ForwardStream
    {
        private int _position;

        public bool WasExhausted { get; private set; }

        public override int Read(Span<byte> buffer)
        {
            int count = Math.Min(buffer.Length, length - _position);
            new ReadOnlySpan<byte>(start + _position, count).CopyTo(buffer);
            _position += count;
            WasExhausted |= count == 0 && buffer.Length > 0;
            return count;
        }
    }
}

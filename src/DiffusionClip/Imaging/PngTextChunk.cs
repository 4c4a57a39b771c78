using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using System.Text.Unicode;

namespace DiffusionClip.Imaging;

/// <summary>Grammar of a single chunk: type, checksum, and what the three text types hold.</summary>
internal static class PngTextChunk
{
    public const uint Header = 0x49484452; // IHDR
    public const uint End = 0x49454E44; // IEND
    public const uint Text = 0x74455874; // tEXt
    public const uint CompressedText = 0x7A545874; // zTXt
    public const uint InternationalText = 0x69545874; // iTXt

    /// <summary>Longest chunk that the specification allows, in bytes.</summary>
    public const uint MaxLength = int.MaxValue;

    private const int MaxKeyword = 79;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly uint[] CrcTable = CreateCrcTable();

    public static ReadOnlySpan<byte> Signature => [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A];

    public static bool IsText(uint type) => type is Text or CompressedText or InternationalText;

    /// <summary>The type in letters; bytes that are none are shown as '?'.</summary>
    public static string Name(uint type) => string.Create(4, type, static (name, value) =>
    {
        for (int i = 0; i < 4; i++)
        {
            char letter = (char)((value >> (24 - (8 * i))) & 0xFF);
            name[i] = char.IsAsciiLetter(letter) ? letter : '?';
        }
    });

    /// <summary>CRC-32 of ISO 3309 over type and content.</summary>
    public static uint Crc(uint type, ReadOnlySpan<byte> content)
    {
        Span<byte> name = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(name, type);
        return ~Crc(content, Crc(name, uint.MaxValue));
    }

    /// <summary>Reads a text chunk's content.</summary>
    /// <param name="type">One of the three text types.</param>
    /// <param name="content">The content, its checksum already compared.</param>
    /// <param name="maxBytes">Largest text once inflated, in bytes.</param>
    /// <param name="bytes">Bytes of the text once inflated.</param>
    /// <param name="problem">What is wrong if the result is null.</param>
    public static PngText? Parse(uint type, ReadOnlyMemory<byte> content, int maxBytes, out int bytes, out PngTextProblemKind problem)
    {
        bytes = 0;
        problem = PngTextProblemKind.Malformed;
        int separator = content.Span[..Math.Min(content.Length, MaxKeyword + 1)].IndexOf((byte)0);
        if (separator < 1)
        {
            return null;
        }

        string keyword = Encoding.Latin1.GetString(content.Span[..separator]);
        ReadOnlyMemory<byte> rest = content[(separator + 1)..];
        bool compressed = type == CompressedText;
        if (compressed)
        {
            if (rest.IsEmpty || rest.Span[0] != 0)
            {
                return null;
            }

            rest = rest[1..];
        }
        else if (type == InternationalText)
        {
            if (rest.Length < 2 || rest.Span[0] > 1 || (rest.Span[0] == 1 && rest.Span[1] != 0))
            {
                return null;
            }

            compressed = rest.Span[0] == 1;
            rest = rest[2..];
            for (int skipped = 0; skipped < 2; skipped++) // language tag, translated keyword
            {
                int end = rest.Span.IndexOf((byte)0);
                if (end < 0)
                {
                    return null;
                }

                rest = rest[(end + 1)..];
            }
        }

        ReadOnlyMemory<byte> text = rest;
        if (compressed && !TryInflate(rest, maxBytes, out text, out problem))
        {
            return null;
        }

        if (text.Length > maxBytes)
        {
            problem = PngTextProblemKind.TooLarge;
            return null;
        }

        bytes = text.Length;
        if (type == InternationalText)
        {
            return Utf8.IsValid(text.Span) ? new PngText(keyword, StrictUtf8.GetString(text.Span)) : null;
        }

        bool utf8 = !Ascii.IsValid(text.Span) && Utf8.IsValid(text.Span);
        return new PngText(keyword, Encoding.Latin1.GetString(text.Span), utf8 ? StrictUtf8.GetString(text.Span) : null);
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
            throw new ArgumentException("A PNG keyword has 1 to 79 printable Latin-1 characters and no spaces at its ends or in a row.", nameof(keyword));
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
            ? Compose(Text, [.. name, 0, .. latin1!])
            : Compose(InternationalText, [.. name, 0, 0, 0, 0, 0, .. Encoding.UTF8.GetBytes(text)]);
    }

    private static byte[] Compose(uint type, byte[] content)
    {
        byte[] chunk = new byte[content.Length + 12];
        BinaryPrimitives.WriteUInt32BigEndian(chunk, (uint)content.Length);
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(4), type);
        content.CopyTo(chunk, 8);
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + content.Length), Crc(type, content));
        return chunk;
    }

    private static bool TryInflate(ReadOnlyMemory<byte> deflated, int maxBytes, out ReadOnlyMemory<byte> text, out PngTextProblemKind problem)
    {
        text = default;
        problem = PngTextProblemKind.Malformed;
        using var source = new ExhaustibleStream(deflated);
        using var inflater = new ZLibStream(source, CompressionMode.Decompress);
        using var inflated = new MemoryStream();
        byte[] block = new byte[Math.Min(64 << 10, maxBytes + 1)];
        try
        {
            for (int read; (read = inflater.Read(block)) > 0;)
            {
                if (inflated.Length + read > maxBytes)
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

        text = inflated.GetBuffer().AsMemory(0, (int)inflated.Length);
        return true;
    }

    private static uint Crc(ReadOnlySpan<byte> bytes, uint crc)
    {
        foreach (byte value in bytes)
        {
            crc = CrcTable[(crc ^ value) & 0xFF] ^ (crc >> 8);
        }

        return crc;
    }

    private static uint[] CreateCrcTable()
    {
        uint[] table = new uint[256];
        for (uint i = 0; i < table.Length; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++)
            {
                value = (value & 1) != 0 ? 0xEDB88320 ^ (value >> 1) : value >> 1;
            }

            table[i] = value;
        }

        return table;
    }

    private static readonly System.Buffers.SearchValues<char> KeywordCharacters = System.Buffers.SearchValues.Create(
        Enumerable.Range(0x20, 0x5F).Concat(Enumerable.Range(0xA1, 0x5F)).Select(code => (char)code).ToArray());

    /// <summary>Bytes in memory that remember whether more was asked for than there is.</summary>
    private sealed class ExhaustibleStream(ReadOnlyMemory<byte> bytes) : ForwardStream
    {
        private int position;

        public bool WasExhausted { get; private set; }

        public override int Read(Span<byte> buffer)
        {
            int count = Math.Min(buffer.Length, bytes.Length - position);
            bytes.Span.Slice(position, count).CopyTo(buffer);
            position += count;
            WasExhausted |= count == 0 && buffer.Length > 0;
            return count;
        }
    }
}

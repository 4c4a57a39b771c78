using System.Globalization;

namespace DiffusionClip.Tokenization.Repair;

/// <summary>
/// An encoding of one byte per character through which UTF-8 may have been misread. A sloppy one reads the bytes that its
/// standard leaves open as the control characters of the same number, as browsers do, and byte 1A as U+FFFD: the mark of a
/// character that was lost.
/// </summary>
internal sealed class SingleByteEncoding
{
    /// <summary>The byte that stands for a lost character in a sloppy encoding.</summary>
    public const byte Lost = 0x1A;

    private readonly char[] _characters = new char[256];
    // 0 where there is no byte. The few characters beyond (U+F8FF, ligatures, U+FFFD) have a dictionary.
    private readonly byte[] _bytes = new byte[0x2600];
    private readonly Dictionary<char, byte> _bytesBeyond = [];

    private SingleByteEncoding(string name, string upperHalf, bool sloppy)
    {
        Name = name;
        IsSloppy = sloppy;
        for (int b = 0; b < 256; b++)
        {
            _characters[b] = (char)b;
        }

        for (int b = 0; b < 0x80; b++)
        {
            if (ushort.TryParse(upperHalf.AsSpan(b * 4, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ushort character))
            {
                _characters[0x80 + b] = (char)character;
            }
        }

        if (sloppy)
        {
            _characters[Lost] = '\uFFFD';
        }

        for (int b = 1; b < 256; b++)
        {
            if (_characters[b] < _bytes.Length)
            {
                _bytes[_characters[b]] = (byte)b;
            }
            else
            {
                _bytesBeyond[_characters[b]] = (byte)b;
            }
        }
    }

    /// <summary>The encodings in the order in which they are tried.</summary>
    public static IReadOnlyList<SingleByteEncoding> All { get; } = ReadAll();

    /// <summary>Latin-1: each byte is the character of its number.</summary>
    public static SingleByteEncoding Latin1 { get; } = Find("latin-1");

    /// <summary>Windows-1252.</summary>
    public static SingleByteEncoding Windows1252 { get; } = Find("windows-1252");

    /// <summary>MacRoman.</summary>
    public static SingleByteEncoding MacRoman { get; } = Find("macroman");

    public string Name { get; }

    public bool IsSloppy { get; }

    public char Decode(byte value) => _characters[value];

    /// <summary>The bytes that this encoding would read as the text; null if there are none.</summary>
    public byte[]? TryEncode(string text)
    {
        byte[]? bytes = null;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            byte value = c < _bytes.Length ? _bytes[c] : _bytesBeyond.GetValueOrDefault(c);
            if (value == 0 && c != 0)
            {
                return null;
            }

            (bytes ??= new byte[text.Length])[i] = value;
        }

        return bytes ?? [];
    }

    private static SingleByteEncoding Find(string name) => All.Single(encoding => encoding.Name == name);

    private static SingleByteEncoding[] ReadAll()
    {
        // Data/single-byte-encodings.txt: a name and what bytes 80 to FF mean, four hexadecimal digits each, ---- where nothing.
        IEnumerable<SingleByteEncoding> tables = Resource.Lines("single-byte-encodings.txt")
            .Select(line => line.Split(' '))
            .Select(parts => new SingleByteEncoding(parts[0], parts[1], parts[0].StartsWith("windows", StringComparison.Ordinal)));
        return [new("latin-1", new('-', 4 * 0x80), sloppy: false), .. tables];
    }
}

using System.Globalization;
using System.Text;

namespace DiffusionClip.Tokenization;

/// <summary>Character references of HTML 5, read as Python's <c>html.unescape</c> and as ftfy read them.</summary>
internal static class HtmlEntities
{
    private const int LongestName = 32;
    private const int LongestRepairedName = 24;

    // Data/html-entities.txt: a name, with its semicolon where it needs one, and hexadecimal code points; names after ^ are the
    // all-capitals spellings that ftfy adds, which HTML does not know.
    private static readonly Dictionary<string, string> Names = Read(capitals: false);
    private static readonly Dictionary<string, string> Capitals = Read(capitals: true);
    private static readonly Dictionary<string, string>.AlternateLookup<ReadOnlySpan<char>> NamesBySpan = Names.GetAlternateLookup<
        ReadOnlySpan<char>
    >();

    /// <summary>What numbers 0x80 to 0x9F mean: Windows-1252, as browsers read them.</summary>
    private const string Windows1252 =
        "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008DŽ\u008F\u0090‘’“”•–—˜™š›œ\u009DžŸ";

    /// <summary>
    /// As Python's <c>html.unescape</c>: numbers with or without semicolon, and names of which the longest known beginning counts
    /// (<c>&amp;notit;</c> is ¬it;).
    /// </summary>
    public static string Unescape(string text)
    {
        int ampersand = text.IndexOf('&', StringComparison.Ordinal);
        if (ampersand < 0)
        {
            return text;
        }

        StringBuilder result = new(text.Length);
        int position = 0;
        for (; ampersand >= 0; ampersand = text.IndexOf('&', position))
        {
            result.Append(text, position, ampersand - position);
            position = ampersand + 1;
            if (position < text.Length && text[position] == '#')
            {
                int end = EndOfNumber(text, position, out int number);
                result.Append(end > position ? Character(number) : "&");
                position = Math.Max(position, end < text.Length && end > position && text[end] == ';' ? end + 1 : end);
            }
            else
            {
                int end = EndOfName(text, position);
                ReadOnlySpan<char> name = text.AsSpan(position, end - position);
                int known = name.Length;
                string? characters = null;
                while (known > 1 && !NamesBySpan.TryGetValue(name[..known], out characters))
                {
                    known--;
                }

                if (characters is null)
                {
                    result.Append('&');
                }
                else
                {
                    result.Append(characters);
                    position += known;
                }
            }
        }

        return result.Append(text, position, text.Length - position).ToString();
    }

    /// <summary>
    /// As ftfy's <c>unescape_html</c>: only references that end in a semicolon, and names in capitals where that is unambiguous.
    /// </summary>
    public static string UnescapeUnambiguous(string text)
    {
        int ampersand = text.IndexOf('&', StringComparison.Ordinal);
        if (ampersand < 0)
        {
            return text;
        }

        StringBuilder result = new(text.Length);
        int position = 0;
        for (; ampersand >= 0; ampersand = text.IndexOf('&', ampersand + 1))
        {
            bool numeric = ampersand + 1 < text.Length && text[ampersand + 1] == '#';
            int start = ampersand + (numeric ? 2 : 1);
            int end = start;
            while (end < text.Length && end - start < LongestRepairedName && char.IsAsciiLetterOrDigit(text[end]))
            {
                end++;
            }

            if (end == start || end == text.Length || text[end] != ';')
            {
                continue;
            }

            string? characters;
            if (numeric)
            {
                // The semicolon itself, as a number, is left alone: ftfy takes it for a sign that not all was consumed.
                characters = EndOfNumber(text, ampersand + 1, out int number) == end && number != ';' ? Character(number) : null;
            }
            else
            {
                string name = text[start..(end + 1)];
                characters = Names.GetValueOrDefault(name) ?? Capitals.GetValueOrDefault(name);
            }

            if (characters is not null)
            {
                result.Append(text, position, ampersand - position).Append(characters);
                position = end + 1;
            }
        }

        return position == 0 ? text : result.Append(text, position, text.Length - position).ToString();
    }

    /// <summary>Where the number after # ends, before its semicolon; at the # if there is none. Beyond Unicode it saturates.</summary>
    private static int EndOfNumber(string text, int hash, out int number)
    {
        bool hexadecimal = hash + 1 < text.Length && text[hash + 1] is 'x' or 'X';
        int start = hash + (hexadecimal ? 2 : 1);
        int end = start;
        number = 0;
        for (; end < text.Length && (hexadecimal ? char.IsAsciiHexDigit(text[end]) : char.IsAsciiDigit(text[end])); end++)
        {
            int digit = char.IsAsciiDigit(text[end]) ? text[end] - '0' : (text[end] | 0x20) - 'a' + 10;
            number = Math.Min(number * (hexadecimal ? 16 : 10) + digit, 0x110000);
        }

        return end == start ? hash : end;
    }

    private static int EndOfName(string text, int start)
    {
        int end = start;
        for (
            int n = 0;
            n < LongestName && end < text.Length && text[end] is not ('\t' or '\n' or '\f' or ' ' or '<' or '&' or '#' or ';');
            n++)
        {
            end += char.IsSurrogatePair(text, end) ? 2 : 1;
        }

        return end > start && end < text.Length && text[end] == ';' ? end + 1 : end;
    }

    private static string Character(int number) => number switch
    {
        0 or (>= 0xD800 and <= 0xDFFF) or > 0x10FFFF => "\uFFFD",
        >= 0x80 and <= 0x9F => Windows1252[number - 0x80].ToString(),
        // Not allowed in HTML, dropped by Python.
        (>= 1 and <= 8) or 0xB or (>= 0xE and <= 0x1F) or 0x7F or (>= 0xFDD0 and <= 0xFDEF) => "",
        _ when (number & 0xFFFE) == 0xFFFE => "",
        _ => char.ConvertFromUtf32(number),
    };

    private static Dictionary<string, string> Read(bool capitals)
    {
        Dictionary<string, string> names = new(StringComparer.Ordinal);
        foreach (string line in Resource.Lines("html-entities.txt"))
        {
            if (line.StartsWith('^') == capitals)
            {
                string[] parts = line.TrimStart('^').Split(' ');
                names.Add(
                    parts[0],
                    string.Concat(
                        parts[1..].Select(p => char.ConvertFromUtf32(int.Parse(p, NumberStyles.HexNumber, CultureInfo.InvariantCulture)))));
            }
        }

        return names;
    }
}

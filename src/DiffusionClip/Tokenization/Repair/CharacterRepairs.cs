using System.Globalization;
using System.Text;

namespace DiffusionClip.Tokenization.Repair;

/// <summary>ftfy's repairs that look at one character at a time.</summary>
internal static class CharacterRepairs
{
    /// <summary>C1 controls are meant as Windows-1252; the five that it leaves open stay.</summary>
    public static CharacterMap C1Controls { get; } = new(
        Enumerable.Range(0x80, 0x20)
            .Select(b => ((char)b, SingleByteEncoding.Windows1252.Decode((byte)b).ToString()))
            .Where(pair => pair.Item1 != pair.Item2[0]));

    /// <summary>Latin ligatures, and digraphs that exist for old encodings' sake; æ and œ are letters and stay.</summary>
    public static CharacterMap Ligatures { get; } = new(
    [
        ('Ĳ', "IJ"), ('ĳ', "ij"), ('ŉ', "ʼn"),
        ('Ǳ', "DZ"), ('ǲ', "Dz"), ('ǳ', "dz"), ('Ǆ', "DŽ"), ('ǅ', "Dž"), ('ǆ', "dž"),
        ('Ǉ', "LJ"), ('ǈ', "Lj"), ('ǉ', "lj"), ('Ǌ', "NJ"), ('ǋ', "Nj"), ('ǌ', "nj"),
        ('ﬀ', "ff"), ('ﬁ', "fi"), ('ﬂ', "fl"), ('ﬃ', "ffi"), ('ﬄ', "ffl"), ('ﬅ', "ſt"), ('ﬆ', "st"),
    ]);

    /// <summary>Fullwidth and halfwidth forms, as NFKC maps them, and the ideographic space.</summary>
    public static CharacterMap Width { get; } = new(
        Enumerable.Range(0xFF01, 0xFFF0 - 0xFF01)
            .Select(c => ((char)c, ((char)c).ToString().Normalize(NormalizationForm.FormKC)))
            .Where(pair => pair.Item2 != pair.Item1.ToString())
            .Prepend(('\u3000', " ")));

    /// <summary>Curly quotation marks and the apostrophe that is a letter.</summary>
    public static CharacterMap Quotes { get; } = new(
    [
        ('\u02BC', "'"), ('\u2018', "'"), ('\u2019', "'"), ('\u201A', "'"), ('\u201B', "'"),
        ('\u201C', "\""), ('\u201D', "\""), ('\u201E', "\""), ('\u201F', "\""),
    ]);

    /// <summary>
    /// Controls that show nothing: ASCII but tab, line feed, form feed and return; old Arabic and annotation controls; the byte order mark.
    /// </summary>
    public static CharacterMap Controls { get; } = new(
        Span(0, 8).Concat(Span(0xB, 0xB)).Concat(Span(0xE, 0x1F)).Concat(Span(0x7F, 0x7F))
            .Concat(Span(0x206A, 0x206F)).Concat(Span(0xFEFF, 0xFEFF)).Concat(Span(0xFFF9, 0xFFFC))
            .Select(c => ((char)c, "")));

    /// <summary>All line breaks to line feed.</summary>
    public static string LineBreaks(string text) =>
        text.AsSpan().IndexOfAny("\r\u0085\u2028\u2029") < 0
            ? text
            : text.Replace("\r\n", "\n", StringComparison.Ordinal)
                .Replace('\r', '\n')
                .Replace('\u2028', '\n')
                .Replace('\u2029', '\n')
                .Replace('\u0085', '\n');

    /// <summary>Removes escape, bracket, digits and semicolons, letter: the colours of terminals.</summary>
    public static string RemoveTerminalEscapes(string text)
    {
        int escape = text.IndexOf("\u001B[", StringComparison.Ordinal);
        if (escape < 0)
        {
            return text;
        }

        StringBuilder result = new(text.Length);
        int position = 0;
        for (; escape >= 0; escape = text.IndexOf("\u001B[", Math.Max(position, escape + 2), StringComparison.Ordinal))
        {
            int end = escape + 2;
            while (
                end < text.Length
                && Rune.TryGetRuneAt(text, end, out Rune rune)
                && (rune.Value == ';' || Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber))
            {
                end += rune.Utf16SequenceLength;
            }

            if (end < text.Length && char.IsAsciiLetter(text[end]))
            {
                result.Append(text, position, escape - position);
                position = end + 1;
            }
        }

        return result.Append(text, position, text.Length - position).ToString();
    }

    private static IEnumerable<int> Span(int first, int last) => Enumerable.Range(first, last - first + 1);
}

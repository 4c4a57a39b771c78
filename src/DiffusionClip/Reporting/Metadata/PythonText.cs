using System.Globalization;
using System.Text;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>Characters as Python's <c>str</c> and <c>re</c> see them: what other programs wrote was parsed by those rules.</summary>
internal static class PythonText
{
    /// <summary><c>str.isspace</c>, which <c>str.strip</c> and <c>\s</c> go by.</summary>
    public static bool IsSpace(char c) => c is >= '\x1C' and <= '\x1F' || char.IsWhiteSpace(c);

    /// <summary><c>str.strip()</c>.</summary>
    public static string Strip(string text)
    {
        int start = 0;
        int end = text.Length;
        while (start < end && IsSpace(text[start]))
        {
            start++;
        }

        while (end > start && IsSpace(text[end - 1]))
        {
            end--;
        }

        return text[start..end];
    }

    /// <summary><c>\w</c>: letters, everything that has a numeric value, and the underscore; marks are no word characters.</summary>
    /// <param name="text">The text.</param>
    /// <param name="index">Where the character begins.</param>
    /// <param name="length">Its length: 2 for a surrogate pair.</param>
    public static bool IsWord(string text, int index, out int length)
    {
        length = 1;
        char c = text[index];
        if (char.IsAscii(c))
        {
            return char.IsAsciiLetterOrDigit(c) || c == '_';
        }

        if (Rune.TryGetRuneAt(text, index, out Rune rune))
        {
            length = rune.Utf16SequenceLength;
            return Rune.GetUnicodeCategory(rune) is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter
                or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter
                or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;
        }

        return false;
    }
}

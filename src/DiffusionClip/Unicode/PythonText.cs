using System.Globalization;
using System.Text;

namespace DiffusionClip.Unicode;

/// <summary>
/// White space and words as Python's <c>str</c> and <c>re</c> see them: prompts and metadata were made and parsed by those rules.
/// </summary>
internal static class PythonText
{
    /// <summary>
    /// <c>str.isspace</c>, which <c>str.strip</c> and <c>\s</c> go by: .NET's white space and the four information separators.
    /// </summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001C' and <= '\u001F';

    /// <summary><c>str.strip()</c>.</summary>
    public static string Strip(string text)
    {
        ReadOnlySpan<char> stripped = Strip(text.AsSpan());
        return stripped.Length == text.Length ? text : stripped.ToString();
    }

    /// <summary><c>str.strip()</c>.</summary>
    public static ReadOnlySpan<char> Strip(ReadOnlySpan<char> text) => StripStart(StripEnd(text));

    /// <summary><c>str.lstrip()</c>.</summary>
    public static ReadOnlySpan<char> StripStart(ReadOnlySpan<char> text)
    {
        int start = 0;
        while (start < text.Length && IsSpace(text[start]))
        {
            start++;
        }

        return text[start..];
    }

    /// <summary><c>str.rstrip()</c>.</summary>
    public static ReadOnlySpan<char> StripEnd(ReadOnlySpan<char> text)
    {
        int end = text.Length;
        while (end > 0 && IsSpace(text[end - 1]))
        {
            end--;
        }

        return text[..end];
    }

    /// <summary><c>" ".join(text.split())</c>.</summary>
    public static string Collapse(string text)
    {
        StringBuilder collapsed = new(text.Length);
        foreach (char c in text)
        {
            if (!IsSpace(c))
            {
                collapsed.Append(c);
            }
            else if (collapsed.Length > 0 && collapsed[^1] != ' ')
            {
                collapsed.Append(' ');
            }
        }

        if (collapsed.Length > 0 && collapsed[^1] == ' ')
        {
            collapsed.Length--;
        }

        return collapsed.ToString();
    }

    /// <summary><c>\w</c>: letters, everything that has a numeric value, and the underscore; marks are no word characters.</summary>
    public static bool IsWord(Rune rune) => rune.Value == '_' || Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
        or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;

    /// <summary>Whether a word character begins at a place; half a surrogate pair is none.</summary>
    /// <param name="text">The text.</param>
    /// <param name="index">Where the character begins.</param>
    /// <param name="length">Its length: 2 for a surrogate pair.</param>
    public static bool IsWord(string text, int index, out int length)
    {
        bool whole = Rune.TryGetRuneAt(text, index, out Rune rune);
        length = whole ? rune.Utf16SequenceLength : 1;
        return whole && IsWord(rune);
    }
}

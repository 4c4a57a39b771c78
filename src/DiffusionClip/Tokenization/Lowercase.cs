using System.Globalization;
using System.Text;

namespace DiffusionClip.Tokenization;

/// <summary>
/// Lower case as other languages make it. Beyond the one-to-one mappings there are two special cases in Unicode's
/// SpecialCasing.txt that do not depend on a locale: İ becomes two characters, and Σ at the end of a word becomes ς.
/// </summary>
internal static class Lowercase
{
    /// <summary>As Rust's <c>char::to_lowercase</c> on each character: Σ is always σ.</summary>
    public static string PerCharacter(string text) => DottedI(text).ToLowerInvariant();

    /// <summary>As Python's <c>str.lower</c>.</summary>
    public static string InContext(string text)
    {
        if (!text.Contains('Σ', StringComparison.Ordinal))
        {
            return PerCharacter(text);
        }

        StringBuilder sigmas = new(text);
        for (int i = text.IndexOf('Σ', StringComparison.Ordinal); i >= 0; i = text.IndexOf('Σ', i + 1))
        {
            sigmas[i] = IsFinal(text, i) ? 'ς' : 'σ';
        }

        return PerCharacter(sigmas.ToString());
    }

    private static string DottedI(string text) => text.Replace("İ", "i\u0307", StringComparison.Ordinal);

    /// <summary>Unicode's Final_Sigma: a cased letter before and none after, whatever case-ignorable lies between.</summary>
    private static bool IsFinal(string text, int sigma)
    {
        int before = sigma;
        Rune rune = default;
        do
        {
            if (before == 0)
            {
                return false;
            }

            rune = Before(text, before);
            before -= rune.Utf16SequenceLength;
        }
        while (IsCaseIgnorable(rune));

        if (!IsCased(rune))
        {
            return false;
        }

        int after = sigma + 1;
        do
        {
            if (after == text.Length)
            {
                return true;
            }

            rune = At(text, after);
            after += rune.Utf16SequenceLength;
        }
        while (IsCaseIgnorable(rune));

        return !IsCased(rune);
    }

    private static Rune At(string text, int index) => Rune.TryGetRuneAt(text, index, out Rune rune) ? rune : Rune.ReplacementChar;

    private static Rune Before(string text, int index) =>
        index >= 2 && Rune.TryGetRuneAt(text, index - 2, out Rune pair) && pair.Utf16SequenceLength == 2 ? pair : At(text, index - 1);

    private static bool IsCased(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter => true,
        // Other_Lowercase and Other_Uppercase of PropList.txt; the modifier letters among them are case-ignorable as well.
        _ => rune.Value is 0xAA or 0xBA or (>= 0x2160 and <= 0x217F) or (>= 0x24B6 and <= 0x24E9)
            or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189),
    };

    private static bool IsCaseIgnorable(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format
            or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol => true,
        // Word_Break is MidLetter, MidNumLet or Single_Quote.
        _ => rune.Value is '\'' or '.' or ':' or 0xB7 or 0x387 or 0x55F or 0x5F4 or 0x2018 or 0x2019 or 0x2024 or 0x2027
            or 0xFE13 or 0xFE52 or 0xFE55 or 0xFF07 or 0xFF0E or 0xFF1A,
    };
}

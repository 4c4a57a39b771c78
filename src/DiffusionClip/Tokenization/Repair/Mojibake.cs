using System.Buffers;
using System.Text;
using DiffusionClip.Unicode;

namespace DiffusionClip.Tokenization.Repair;

/// <summary>
/// What misread UTF-8 looks like: neighbours that hardly occur in any language. The categories and rules are those of ftfy 6.3
/// (badness.py, chardata.py); they were tuned there on a large corpus, so they are facts here, not a matter of taste.
/// </summary>
internal static class Mojibake
{
    [Flags]
    private enum Clue : ushort
    {
        None = 0,
        Common = 1 << 0,
        C1 = 1 << 1,
        Bad = 1 << 2,
        Law = 1 << 3,
        Currency = 1 << 4,
        Opening = 1 << 5,
        Closing = 1 << 6,
        Numeric = 1 << 7,
        Kaomoji = 1 << 8,
        UpperAccented = 1 << 9,
        LowerAccented = 1 << 10,
        UpperCommon = 1 << 11,
        LowerCommon = 1 << 12,
        Box = 1 << 13,
        Accented = UpperAccented | LowerAccented,
        Punctuation = Opening | Closing,
    }

    /// <summary>Characters of each category; a-b is a range.</summary>
    private static readonly (Clue Clue, string Characters)[] Categories =
    [
        (Clue.Common, "\u00A0\u00AD´·–-―’…"),
        (Clue.C1, "\u0080-\u009F"),
        (Clue.Bad, "¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\uFFFD"),
        (Clue.Law, "§¶"),
        (Clue.Currency, "¢£¥₧€"),
        (Clue.Opening, "¡©«¿΄΅‘‚“„•‹\uF8FF"),
        (Clue.Closing, "®»˝”›™"),
        (Clue.Numeric, "±-³µ¹¼-¾×÷⁄№∂∆∏∑√∞∩∫≈≠≡≤≥"),
        (Clue.Kaomoji, "°Ò-ÖÙ-Üò-öø-üŌŐŪŲ"),
        (Clue.UpperAccented, "À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ"),
        (Clue.LowerAccented, "ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґﬁﬂ"),
        (Clue.UpperCommon, "ÞΆΈ-ΊΌΎΏΑ-ΫЁ-Я"),
        (Clue.LowerCommon, "ά-ωа-џ"),
        (Clue.Box, "│┌┐┘├┤┬┼═-╬▀▄█▌▐-▓"),
    ];

    private const Clue BesideBad = Clue.Accented | Clue.Box | Clue.Punctuation | Clue.Currency | Clue.Numeric | Clue.Law;

    /// <summary>Two neighbours that are suspect.</summary>
    private static readonly (Clue First, Clue Second)[] Pairs =
    [
        (Clue.Bad | BesideBad, Clue.Bad),
        (Clue.Bad, BesideBad),
        (Clue.LowerAccented | Clue.LowerCommon | Clue.Box | Clue.Closing | Clue.Currency | Clue.Numeric, Clue.UpperAccented),
        (Clue.Box | Clue.Closing | Clue.Currency | Clue.Numeric, Clue.LowerAccented),
        (Clue.LowerAccented | Clue.Box | Clue.Closing, Clue.Currency),
        (Clue.UpperAccented | Clue.Box, Clue.Numeric | Clue.Law),
        (Clue.Currency | Clue.Numeric | Clue.Box, Clue.Opening),
        (Clue.Box, Clue.Kaomoji | Clue.Closing),
        (Clue.Accented | Clue.Currency | Clue.Numeric | Clue.Punctuation | Clue.Law, Clue.Box),
    ];

    /// <summary>Three neighbours that are suspect.</summary>
    private static readonly (Clue First, Clue Second, Clue Third)[] Triples =
    [
        (Clue.Accented | Clue.Box | Clue.Currency | Clue.Closing, Clue.Opening, Clue.Numeric),
        (Clue.Accented | Clue.Currency | Clue.Numeric | Clue.Box | Clue.Law, Clue.Closing, Clue.Opening),
    ];

    /// <summary>Clues of all characters below; the few beyond are in <see cref="ClueOf"/>.</summary>
    private static readonly Clue[] Table = BuildTable();

    // Bytes of UTF-8 as the encodings of Latin-1's kind read them. A space counts as continuation, since A0 may have become one.
    private static readonly SearchValues<char> FirstOfTwo = ReadAs(0xC2, 0xDF);
    private static readonly SearchValues<char> FirstOfThree = ReadAs(0xE0, 0xEF);
    private static readonly SearchValues<char> FirstOfFour = SearchValues.Create([
        .. CharactersOf(0xF0, 0xF0),
        .. CharactersOf(0xF3, 0xF3),
    ]);
    private static readonly SearchValues<char> FirstOfAny = SearchValues.Create([
        .. CharactersOf(0xC2, 0xF0),
        .. CharactersOf(0xF3, 0xF3),
    ]);
    private static readonly SearchValues<char> Continuation = SearchValues.Create([.. CharactersOf(0x80, 0xBF), ' ']);
    private static readonly SearchValues<char> StrictContinuation = SearchValues.Create([
        .. CharactersOf(0x80, 0xBF).Except("–—―‘’‚“”„•…"),
    ]);

    /// <summary>Whether the text contains neighbours that indicate misread UTF-8.</summary>
    public static bool IsSuspected(string text)
    {
        ReadOnlySpan<char> span = text;
        for (int i = 0; i < span.Length; i++)
        {
            int skip = span[i..].IndexOfAnyExceptInRange('\0', '\u007F');
            if (skip < 0)
            {
                return false;
            }

            i += skip;
            Clue clue = ClueOf(span[i]);
            if (clue != Clue.None && (IsSuspect(span, i, clue) || IsSuspectAfterLetter(span, i, clue) || IsKnownSequence(span, i)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Where the next character stands that may begin a sequence of UTF-8, from an index on; -1 if none does.</summary>
    public static int NextFirst(string text, int index)
    {
        int skip = text.AsSpan(index).IndexOfAny(FirstOfAny);
        return skip < 0 ? -1 : index + skip;
    }

    /// <summary>
    /// Where a run of sequences that look like UTF-8 ends which begins here; the index itself if none does. After a character that
    /// looks like a continuation byte none begins: a piece of a larger garble is better left alone.
    /// </summary>
    public static int EndOfUtf8(string text, int index)
    {
        if (index > 0 && StrictContinuation.Contains(text[index - 1]))
        {
            return index;
        }

        int end = index;
        while (end < text.Length)
        {
            char first = text[end];
            int length = FirstOfTwo.Contains(first) ? 2 : FirstOfThree.Contains(first) ? 3 : FirstOfFour.Contains(first) ? 4 : 0;
            if (length == 0 || end + length > text.Length || text.AsSpan(end + 1, length - 1).ContainsAnyExcept(Continuation))
            {
                break;
            }

            end += length;
        }

        return end;
    }

    /// <summary>Rules of categories, of which the first character is this one.</summary>
    private static bool IsSuspect(ReadOnlySpan<char> text, int i, Clue clue)
    {
        if (clue.HasFlag(Clue.C1))
        {
            return true;
        }

        if (i + 1 == text.Length)
        {
            return false;
        }

        Clue second = ClueOf(text[i + 1]);
        foreach ((Clue first, Clue next) in Pairs)
        {
            if ((clue & first) != 0 && (second & next) != 0)
            {
                return true;
            }
        }

        if ((clue & Clue.UpperAccented) != 0 && text[i + 1] == '°')
        {
            return true;
        }

        if (i + 2 == text.Length)
        {
            return false;
        }

        Clue third = ClueOf(text[i + 2]);
        foreach ((Clue first, Clue next, Clue last) in Triples)
        {
            if ((clue & first) != 0 && (second & next) != 0 && (third & last) != 0)
            {
                return true;
            }
        }

        return (clue & Clue.Accented) != 0 && (second & Clue.Punctuation) != 0 && IsWordCharacter(text[(i + 2)..]);
    }

    /// <summary>Rules that look at what stands before this character: an ASCII letter, a stop, white space, the beginning.</summary>
    private static bool IsSuspectAfterLetter(ReadOnlySpan<char> text, int i, Clue clue)
    {
        char previous = i > 0 ? text[i - 1] : '\0';
        char next = i + 1 < text.Length ? text[i + 1] : '\0';
        Clue nextClue = ClueOf(next);
        bool isLower = char.IsAsciiLetterLower(previous);
        if (char.IsAsciiLetter(previous) && (clue & (Clue.LowerCommon | Clue.UpperCommon)) != 0 && (nextClue & Clue.Bad) != 0)
        {
            return true;
        }

        if ((clue & Clue.UpperAccented) != 0
            && ((i > 0 && PythonText.IsSpace(previous) && (nextClue & Clue.Currency) != 0)
                || (isLower && (nextClue & (Clue.Opening | Clue.Currency)) != 0)))
        {
            return true;
        }

        if (text[i] is 'Ã' or 'Â' && next == ' '
            && (i == 0 || isLower || (i > 1 && PythonText.IsSpace(previous) && char.IsAsciiLetterLower(text[i - 2]))))
        {
            return true;
        }

        // Â before a character that is encoded as Â and itself.
        return text[i] == 'Â' && (isLower || previous is '.' or ',' or '?' or '!' || (ClueOf(previous) & Clue.Closing) != 0)
            && (next == ' ' || (nextClue & Clue.Punctuation) != 0);
    }

    /// <summary>Sequences of certain characters that the categories do not cover.</summary>
    private static bool IsKnownSequence(ReadOnlySpan<char> text, int i)
    {
        if (i + 1 == text.Length)
        {
            return false;
        }

        char next = text[i + 1];
        char third = i + 2 < text.Length ? text[i + 2] : '\0';
        Clue nextClue = ClueOf(next);
        const Clue lone = Clue.C1 | Clue.Bad | Clue.Punctuation | Clue.Currency;
        switch (text[i])
        {
            case 'Œ' or 'œ':
                return !char.IsAsciiLetter(next);
            case 'Â' or 'Ã' or 'Î' or 'Ð':
                return (nextClue & Clue.Punctuation) != 0
                    || "€œŠš¢£Ÿž\u00A0\u00AD®©°·»–—´".Contains(next)
                    || (text[i] == 'Ã' && next == '¡');
            case '×':
                return next is '²' or '³';
            case 'Ø' or 'Ù':
                // Arabic read as Windows-1252; common characters take part, so twice is asked for.
                return IsArabicSecond(next, nextClue)
                    && third is 'Ø' or 'Ù'
                    && i + 3 < text.Length
                    && IsArabicSecond(text[i + 3], ClueOf(text[i + 3]));
            case 'à':
                return "²µ¹¼½¾".Contains(next);
            case '√':
                return "±∂†≠®™´≤≥¥µø".Contains(next);
            case '≈':
                return next is '°' or '¢';
            case '‚':
                return (next == 'Ä' && "ìîïòôúùû†°¢π".Contains(third)) || (next is 'â' or 'ó' && "àä°ê".Contains(third));
            case 'в':
                return next == 'Ђ';
            case 'В' or 'Г' or 'Р' or 'С':
                return ((nextClue & lone) != 0 || next is '°' or 'µ') && third is 'В' or 'Г' or 'Р' or 'С'
                    || IsTwiceMisread(text[i..]);
            case 'β':
                return next == '€' && "™\u00A0Ά\u00AD®°".Contains(third);
            case 'Β' or 'Γ' or 'Ξ' or 'Ο':
                return ((nextClue & lone) != 0 || next == '°') && third is 'Β' or 'Γ' or 'Ξ' or 'Ο';
            case 'ā':
                return next == '€';
            default:
                return false;
        }

        static bool IsArabicSecond(char c, Clue clue) =>
            (clue & (Clue.Common | Clue.Currency | Clue.Bad | Clue.Numeric | Clue.Opening)) != 0 || "ŸŠ®°µ»".Contains(c);
    }

    /// <summary>Windows-1252 read as Latin-1 read as Windows-1251, before a Latin letter.</summary>
    private static bool IsTwiceMisread(ReadOnlySpan<char> text)
    {
        if (
            !text.StartsWith("ГўВЂВ")
            || Rune.DecodeFromUtf16(text[5..], out _, out int length) == OperationStatus.NeedMoreData && length == 0)
        {
            return false;
        }

        int after = 5 + length;
        return text[5] != '\n' && after < text.Length && (char.IsAsciiLetter(text[after]) || text[after] == ' ');
    }

    /// <summary>Python's <c>\w</c>.</summary>
    private static bool IsWordCharacter(ReadOnlySpan<char> text)
    {
        Rune.DecodeFromUtf16(text, out Rune rune, out _);
        return PythonText.IsWord(rune);
    }

    private static Clue ClueOf(char c) => c < Table.Length ? Table[c] : c switch
    {
        '\uF8FF' => Clue.Opening,
        '\uFFFD' => Clue.Bad,
        'ﬁ' or 'ﬂ' => Clue.LowerAccented,
        _ => Clue.None,
    };

    private static Clue[] BuildTable()
    {
        Clue[] table = new Clue[0x2600];
        foreach ((Clue clue, string characters) in Categories)
        {
            for (int i = 0; i < characters.Length; i++)
            {
                char first = characters[i];
                if (i + 2 < characters.Length && characters[i + 1] == '-')
                {
                    i += 2;
                }

                for (int c = first; c <= characters[i] && c < table.Length; c++)
                {
                    table[c] |= clue;
                }
            }
        }

        return table;
    }

    private static SearchValues<char> ReadAs(byte first, byte last) => SearchValues.Create([.. CharactersOf(first, last)]);

    private static IEnumerable<char> CharactersOf(byte first, byte last) =>
        SingleByteEncoding.All
            .Where(e => e == SingleByteEncoding.Latin1 || e.IsSloppy)
            .SelectMany(e => Enumerable.Range(first, last - first + 1).Select(b => e.Decode((byte)b)))
            .Distinct();
}

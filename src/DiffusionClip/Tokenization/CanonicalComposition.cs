using System.Globalization;
using System.Text;

namespace DiffusionClip.Tokenization;

/// <summary>Unicode's normalization form C (UAX #15), for any text without lone surrogates and in time that stays linear.</summary>
internal static class CanonicalComposition
{
    private const int LongRun = 200;

    private static readonly bool _isThere = Probe(text => text.Normalize(NormalizationForm.FormC));

    /// <summary>Composes; the text must not hold lone surrogates.</summary>
    /// <exception cref="DiffusionClipException">
    /// The system has no tables of Unicode, without which tokens would silently differ.
    /// </exception>
    public static string Compose(string text)
    {
        // ASCII is its own composition, everywhere.
        if (System.Text.Ascii.IsValid(text))
        {
            return text;
        }

        Require(_isThere);

        // .NET refuses the noncharacter U+FFFE. Nothing composes across it, so the pieces between are the whole truth.
        return text.Contains('\uFFFE', StringComparison.Ordinal)
            ? string.Join('\uFFFE', text.Split('\uFFFE').Select(ComposePiece))
            : ComposePiece(text);
    }

    /// <summary>Whether a system composes: without ICU, .NET gives texts back as they are and says nothing.</summary>
    internal static bool Probe(Func<string, string> compose)
    {
        try
        {
            return compose("e\u0301") == "\u00e9";
        }
        catch (PlatformNotSupportedException)
        {
            return false;
        }
    }

    /// <summary>Fails where the system does not compose.</summary>
    internal static void Require(bool isThere)
    {
        if (!isThere)
        {
            throw new DiffusionClipException(
                "Unicode normalization is missing, so texts beyond ASCII would become other tokens: install ICU (Debian libicu, Alpine icu-libs), "
                + "and unset DOTNET_SYSTEM_GLOBALIZATION_INVARIANT");
        }
    }

    private static string ComposePiece(string text) =>
        (text.Length > LongRun ? OrderLongRuns(text) : text).Normalize(NormalizationForm.FormC);

    /// <summary>
    /// Brings marks that stand in a long row into canonical order, which changes nothing about the result: the library does that
    /// by insertion, in the square of the row's length.
    /// </summary>
    private static string OrderLongRuns(string text)
    {
        StringBuilder? result = null;
        int position = 0;
        for (int start = 0; start < text.Length;)
        {
            int end = start;
            while (end < text.Length && text[end] >= '\u0300' && IsMark(Rune.GetRuneAt(text, end)))
            {
                end += char.IsHighSurrogate(text[end]) ? 2 : 1;
            }

            if (end - start > LongRun)
            {
                (result ??= new(text.Length)).Append(text, position, start - position);
                AppendInOrder(result, text[start..end]);
                position = end;
            }

            start = end > start ? end : start + (char.IsHighSurrogate(text[start]) ? 2 : 1);
        }

        return result?.Append(text, position, text.Length - position).ToString() ?? text;
    }

    private static bool IsMark(Rune rune) =>
        Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.NonSpacingMark
                or UnicodeCategory.SpacingCombiningMark
                or UnicodeCategory.EnclosingMark;

    private static void AppendInOrder(StringBuilder result, string marks)
    {
        Dictionary<Rune, string> decompositions = marks
            .EnumerateRunes()
            .Distinct()
            .ToDictionary(m => m, m => m.ToString().Normalize(NormalizationForm.FormD));
        Dictionary<Rune, int> classes = Classes([.. decompositions.Values.SelectMany(d => d.EnumerateRunes()).Distinct()]);
        StringBuilder[] buckets = [.. Enumerable.Range(0, classes.Values.Max() + 1).Select(_ => new StringBuilder())];
        foreach (Rune mark in marks.EnumerateRunes())
        {
            foreach (Rune part in decompositions[mark].EnumerateRunes())
            {
                // Class 0 is no combining class: nothing moves across.
                if (classes[part] == 0)
                {
                    Flush();
                }

                buckets[classes[part]].Append(part);
            }
        }

        Flush();

        void Flush()
        {
            foreach (StringBuilder bucket in buckets)
            {
                result.Append(bucket);
                bucket.Clear();
            }
        }
    }

    /// <summary>Numbers that order marks as their canonical combining classes do, found by asking which of two is put first.</summary>
    private static Dictionary<Rune, int> Classes(List<Rune> marks)
    {
        // Classes 1 and 240, the lowest and the highest: whatever has a class changes place with one of them.
        Rune lowest = new('\u0334'), highest = new('\u0345');
        Dictionary<Rune, int> classes = marks.Where(m => !Exchange(m, lowest) && !Exchange(highest, m)).ToDictionary(m => m, _ => 0);
        marks.RemoveAll(classes.ContainsKey);
        marks.Sort((a, b) => Exchange(a, b) ? 1 : Exchange(b, a) ? -1 : 0);
        for (int i = 0, rank = 1; i < marks.Count; i++)
        {
            rank += i > 0 && Exchange(marks[i], marks[i - 1]) ? 1 : 0;
            classes.Add(marks[i], rank);
        }

        return classes;

        static bool Exchange(Rune first, Rune second)
        {
            string pair = $"{first}{second}";
            return !pair.IsNormalized(NormalizationForm.FormD);
        }
    }
}

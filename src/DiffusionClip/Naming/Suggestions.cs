namespace DiffusionClip.Naming;

/// <summary>
/// Finds what was meant by a mistyped word: the known one that takes the fewest edits (Levenshtein 1966). Case does not matter.
/// </summary>
public static class Suggestions
{
    // Beyond this many characters every further one counts as an edit: no known word is as long.
    private const int Longest = 100;

    /// <summary>The nearest known word, however far it is.</summary>
    /// <param name="word">The word as given.</param>
    /// <param name="known">The words there are; of two that are equally near the first is taken.</param>
    /// <returns>The word; null if none is known.</returns>
    public static string? Nearest(string word, IEnumerable<string> known)
    {
        ArgumentNullException.ThrowIfNull(word);
        ArgumentNullException.ThrowIfNull(known);
        return known.MinBy(candidate => Distance(word, candidate));
    }

    /// <summary>The known word that was probably meant: at most two edits away, or a third of the word's length.</summary>
    /// <param name="word">The word as given.</param>
    /// <param name="known">The words there are; of two that are equally near the first is taken.</param>
    /// <returns>The word; null if none is near.</returns>
    public static string? Likely(string word, IEnumerable<string> known) =>
        Nearest(word, known) is { } nearest && Distance(word, nearest) <= Math.Max(2, word.Length / 3) ? nearest : null;

    private static int Distance(string a, string b)
    {
        int beyond = Math.Max(0, a.Length - Longest);
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length - beyond; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int substituted = diagonal + (char.ToUpperInvariant(a[i - 1]) == char.ToUpperInvariant(b[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substituted, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1] + beyond;
    }
}

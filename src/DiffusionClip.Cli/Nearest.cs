namespace DiffusionClip.Cli;

/// <summary>Finds what was meant by a mistyped word.</summary>
internal static class Nearest
{
    /// <summary>The known word that takes the fewest edits (Levenshtein 1966); null if none is near.</summary>
    public static string? Of(string word, IEnumerable<string> known)
    {
        (string Name, int Distance)? best = null;
        foreach (string name in known)
        {
            int distance = Distance(word, name);
            if (best is null || distance < best.Value.Distance)
            {
                best = (name, distance);
            }
        }

        return best is { } found && found.Distance <= Math.Max(2, word.Length / 3) ? found.Name : null;
    }

    private static int Distance(string a, string b)
    {
        // Words far longer than any known one are not near.
        if (a.Length > 64)
        {
            return int.MaxValue;
        }

        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int substituted = diagonal + (char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substituted, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}

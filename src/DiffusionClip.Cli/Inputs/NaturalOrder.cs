namespace DiffusionClip.Cli.Inputs;

/// <summary>
/// Orders names as people count: <c>2.png</c> before <c>10.png</c>, whatever the culture; names that differ never compare equal.
/// </summary>
internal sealed class NaturalOrder : IComparer<string>
{
    public static NaturalOrder Instance { get; } = new();

    /// <inheritdoc/>
    public int Compare(string? x, string? y)
    {
        if (x is null || y is null)
        {
            return string.CompareOrdinal(x, y);
        }

        int i = 0, j = 0;
        while (i < x.Length && j < y.Length)
        {
            if (char.IsAsciiDigit(x[i]) && char.IsAsciiDigit(y[j]))
            {
                ReadOnlySpan<char> a = Digits(x, ref i), b = Digits(y, ref j);
                int byNumber = a.Length != b.Length ? a.Length - b.Length : a.SequenceCompareTo(b);
                if (byNumber != 0)
                {
                    return byNumber;
                }

                continue;
            }

            // A folder's files stay together: the separator comes before any other character.
            int byCharacter = Weight(x[i]) - Weight(y[j]);
            if (byCharacter != 0)
            {
                return byCharacter;
            }

            i++;
            j++;
        }

        int byLength = (x.Length - i) - (y.Length - j);
        return byLength != 0 ? byLength : string.CompareOrdinal(x, y);
    }

    private static int Weight(char c) => c is '/' or '\\' ? 0 : c;

    /// <summary>A run of digits without its leading zeros.</summary>
    private static ReadOnlySpan<char> Digits(string text, ref int at)
    {
        int start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at]))
        {
            at++;
        }

        return text.AsSpan(start, at - start).TrimStart('0');
    }
}

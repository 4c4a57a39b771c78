namespace DiffusionClip.Tokenization;

/// <summary>Halves of UTF-16 pairs.</summary>
internal static class Surrogates
{
    /// <summary>Replaces each half that stands alone by U+FFFD.</summary>
    public static string ReplaceLone(string text)
    {
        int first = text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF');
        if (first < 0)
        {
            return text;
        }

        char[]? replaced = null;
        for (int i = first; i < text.Length; i++)
        {
            if (char.IsSurrogatePair(text, i))
            {
                i++;
            }
            else if (char.IsSurrogate(text[i]))
            {
                (replaced ??= text.ToCharArray())[i] = '\uFFFD';
            }
        }

        return replaced is null ? text : new(replaced);
    }
}

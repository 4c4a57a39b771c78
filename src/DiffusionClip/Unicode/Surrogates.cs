namespace DiffusionClip.Unicode;

/// <summary>Halves of UTF-16 pairs that stand alone: no valid Unicode, so no tokenizer, JSON or UTF-8 can hold them.</summary>
internal static class Surrogates
{
    /// <summary>Where the first half that stands alone is; -1 if there is none.</summary>
    public static int IndexOfLone(ReadOnlySpan<char> text)
    {
        for (int at = 0; ; at += 2)
        {
            int next = text[at..].IndexOfAnyInRange('\uD800', '\uDFFF');
            if (next < 0)
            {
                return -1;
            }

            at += next;
            if (at + 1 == text.Length || !char.IsSurrogatePair(text[at], text[at + 1]))
            {
                return at;
            }
        }
    }

    /// <summary>Replaces each half that stands alone by U+FFFD.</summary>
    public static string ReplaceLone(string text)
    {
        int lone = IndexOfLone(text);
        if (lone < 0)
        {
            return text;
        }

        char[] replaced = text.ToCharArray();
        for (int from = 0; lone >= 0; lone = IndexOfLone(replaced.AsSpan(from)))
        {
            from += lone;
            replaced[from++] = '\uFFFD';
        }

        return new(replaced);
    }
}

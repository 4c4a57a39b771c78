using System.Text;

namespace DiffusionClip.Tokenization;

/// <summary>White space as regular expressions and as Python see it.</summary>
internal static class WhiteSpace
{
    /// <summary>Unicode's White_Space property, which is <c>\s</c> of the engines that tokenizers use.</summary>
    public static bool Is(char c) => char.IsWhiteSpace(c);

    /// <summary>Python's <c>str.isspace</c>: the four information separators as well.</summary>
    public static bool IsPython(char c) => char.IsWhiteSpace(c) || c is >= '\u001C' and <= '\u001F';

    /// <summary>Python's <c>str.lstrip</c>.</summary>
    public static string TrimStartPython(string text)
    {
        int start = 0;
        while (start < text.Length && IsPython(text[start]))
        {
            start++;
        }

        return text[start..];
    }

    /// <summary>Python's <c>str.rstrip</c>.</summary>
    public static string TrimEndPython(string text)
    {
        int end = text.Length;
        while (end > 0 && IsPython(text[end - 1]))
        {
            end--;
        }

        return text[..end];
    }

    /// <summary>Python's <c>" ".join(text.split())</c>.</summary>
    public static string CollapsePython(string text)
    {
        StringBuilder collapsed = new(text.Length);
        foreach (char c in text)
        {
            if (!IsPython(c))
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
}

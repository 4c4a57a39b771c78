using System.Globalization;
using System.Text;
using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting;

/// <summary>Prepares text from outside for one line of a picture.</summary>
internal static class TextLine
{
    private const string Ellipsis = "…";

    /// <summary>
    /// White space and control characters become single spaces, lone surrogates U+FFFD; what has no width of its own is left out.
    /// </summary>
    public static string Clean(string text)
    {
        // Letters and their accents are one character where Unicode has one; the marks that remain are left out.
        // Normalize throws on lone surrogates.
        text = text.Length <= 8192 && Surrogates.IndexOfLone(text) < 0 ? text.Normalize(NormalizationForm.FormC) : text;
        StringBuilder line = new(Math.Min(text.Length, 8192));
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (line.Length >= 8192)
            {
                break;
            }

            UnicodeCategory category = Rune.GetUnicodeCategory(rune);
            if (Rune.IsWhiteSpace(rune) || category == UnicodeCategory.Control)
            {
                if (line.Length > 0 && line[^1] != ' ')
                {
                    line.Append(' ');
                }
            }
            else if (category is not (UnicodeCategory.Format or UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark))
            {
                line.Append(rune.ToString());
            }
        }

        return line.ToString().Trim();
    }

    /// <summary>The first characters and an ellipsis; never half a surrogate pair.</summary>
    public static string Cut(string line, int length)
    {
        int end = length > 0 && length < line.Length && char.IsLowSurrogate(line[length]) ? length - 1 : Math.Min(length, line.Length);
        return end >= line.Length ? line : line[..end].TrimEnd() + Ellipsis;
    }
}

using System.Globalization;

namespace DiffusionClip;

/// <summary>Texts of requests.</summary>
internal static class RequestText
{
    /// <summary>Refuses what no tokenizer should see.</summary>
    /// <param name="field">What the text is.</param>
    /// <param name="text">The text.</param>
    /// <param name="longest">The most UTF-16 code units it may have.</param>
    /// <returns>The text.</returns>
    /// <exception cref="InvalidRequestException">It is too long or no valid Unicode.</exception>
    public static string Check(string field, string text, int longest)
    {
        if (text.Length > longest)
        {
            throw new InvalidRequestException(field, text, string.Create(CultureInfo.InvariantCulture, $"it may have up to {longest} characters"));
        }

        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(text[i]))
            {
                throw new InvalidRequestException(field, text, string.Create(CultureInfo.InvariantCulture, $"it is no valid Unicode: half a surrogate pair at character {i}; remove it"));
            }
        }

        return text;
    }
}

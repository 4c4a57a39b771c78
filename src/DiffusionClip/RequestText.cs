using System.Globalization;
using DiffusionClip.Unicode;

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
            throw new InvalidRequestException(
                field, text, string.Create(CultureInfo.InvariantCulture, $"it may have up to {longest} characters"));
        }

        CheckUnicode(field, text);
        return text;
    }

    /// <summary>Refuses half a surrogate pair.</summary>
    /// <param name="field">What the text is.</param>
    /// <param name="text">The text; null passes.</param>
    /// <exception cref="InvalidRequestException">It is no valid Unicode.</exception>
    public static void CheckUnicode(string field, string? text)
    {
        if (Surrogates.IndexOfLone(text) is >= 0 and int lone)
        {
            throw new InvalidRequestException(field, text, string.Create(
                CultureInfo.InvariantCulture, $"it is no valid Unicode: half a surrogate pair at character {lone}; remove it"));
        }
    }
}

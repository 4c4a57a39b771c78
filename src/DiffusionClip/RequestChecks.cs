using System.Globalization;
using System.Text.Json;
using DiffusionClip.Unicode;

namespace DiffusionClip;

/// <summary>What every interface checks of a request's fields, in one place.</summary>
public static class RequestChecks
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

    /// <summary>Refuses a number in place of a name: JSON allows it, and nothing stands for most of them.</summary>
    public static void CheckKnown<T>(string field, T? value)
        where T : struct, Enum
    {
        if (value is { } given && !Enum.IsDefined(given))
        {
            // The names as JSON has them.
            IEnumerable<string> known = Enum.GetValues<T>()
                .Select(name => JsonSerializer.Serialize(name, DiffusionClipJson.Compact).Trim('"'));
            throw new InvalidRequestException(field, given.ToString("D"), $"known are {string.Join(", ", known)}");
        }
    }
}

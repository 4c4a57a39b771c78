namespace DiffusionClip.Worker.Interfaces;

/// <summary>A picture file in a text: base64, with or without <c>data:…;base64,</c> before it.</summary>
internal static class Base64Picture
{
    /// <summary>Whether a text is a URL of something elsewhere: base64 has no colon, and every URL has.</summary>
    public static bool IsUrl(string given) => given.Contains(':', StringComparison.Ordinal) && !IsData(given);

    /// <summary>Whether a text is a data URI.</summary>
    public static bool IsData(ReadOnlySpan<char> given) => given.StartsWith("data:", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads the file, which need not be a picture.</summary>
    /// <param name="field">The request's field, for errors.</param>
    /// <param name="given">The text.</param>
    /// <exception cref="InvalidRequestException">It is no base64.</exception>
    /// <exception cref="UrlInputDisabledException">It is a URL.</exception>
    public static byte[] Read(string field, string given)
    {
        if (IsUrl(given))
        {
            throw new UrlInputDisabledException(field);
        }

        int comma = IsData(given) ? given.IndexOf(',', StringComparison.Ordinal) : -1;
        try
        {
            return Convert.FromBase64String(given[(comma + 1)..]);
        }
        catch (FormatException)
        {
            throw new InvalidRequestException(
                field,
                given.Length > 24 ? given[..24] + "…" : given,
                "give a picture as base64 or a data URI");
        }
    }
}

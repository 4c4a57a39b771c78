namespace DiffusionClip.Worker.Interfaces;

/// <summary>A picture file in a text: base64, with or without <c>data:…;base64,</c> before it.</summary>
internal static class Base64Picture
{
    /// <summary>Reads the file, which need not be a picture.</summary>
    /// <param name="field">The request's field, for errors.</param>
    /// <param name="given">The text.</param>
    /// <exception cref="InvalidRequestException">It is no base64.</exception>
    /// <exception cref="UrlInputDisabledException">It is a URL.</exception>
    public static byte[] Read(string field, string given)
    {
        // Base64 has no colon, and every URL has.
        if (given.Contains(':', StringComparison.Ordinal) && !given.StartsWith("data:", StringComparison.OrdinalIgnoreCase))
        {
            throw new UrlInputDisabledException(field);
        }

        int comma = given.StartsWith("data:", StringComparison.OrdinalIgnoreCase) ? given.IndexOf(',', StringComparison.Ordinal) : -1;
        try
        {
            return Convert.FromBase64String(given[(comma + 1)..]);
        }
        catch (FormatException)
        {
            throw new InvalidRequestException(field, given.Length > 24 ? given[..24] + "…" : given, "give a picture as base64 or a data URI");
        }
    }
}

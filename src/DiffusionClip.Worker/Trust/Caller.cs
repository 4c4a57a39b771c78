namespace DiffusionClip.Worker.Trust;

/// <summary>The caller of a request.</summary>
internal static class Caller
{
    /// <summary>The one caller of a worker without keys.</summary>
    public const string Local = "local";

    /// <summary>The name of the key that a request came with.</summary>
    public static string Of(HttpContext context) => context.User.Identity?.Name ?? Local;
}

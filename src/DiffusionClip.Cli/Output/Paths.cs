namespace DiffusionClip.Cli.Output;

/// <summary>How paths are shown.</summary>
internal static class Paths
{
    /// <summary>Relative to the working folder where it lies below that, else as it is.</summary>
    public static string Shown(string path)
    {
        string relative = Path.GetRelativePath(Environment.CurrentDirectory, path);
        return relative.StartsWith("..", StringComparison.Ordinal) || Path.IsPathRooted(relative) ? path : relative;
    }
}

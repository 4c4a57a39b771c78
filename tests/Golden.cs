using System.Runtime.CompilerServices;

namespace DiffusionClip;

/// <summary>
/// Where the reference tables lie: the folder named by DIFFUSIONCLIP_GOLDEN, else tests/Golden. Both hold
/// golden/, tiny-models/, models/ … as the reference data is laid out.
/// </summary>
internal static partial class Golden
{
    /// <summary>Root of the repository.</summary>
    public static string Repository { get; } = FindRepository();

    /// <summary>Root of the reference data.</summary>
    public static string Root { get; } =
        Environment.GetEnvironmentVariable("DIFFUSIONCLIP_GOLDEN") is { Length: > 0 } folder
            ? folder
            : Path.Combine(Repository, "tests", "Golden");

    /// <summary>The folder of everything, beside the repository; only there on the machines that develop it.</summary>
    public static string Shared { get; } = Path.Combine(Repository, "..", "shared");

    /// <summary>
    /// A path in the reference data: of the overriding folder where it has it, else of tests/Golden, else of the repository (the embedded
    /// models).
    /// </summary>
    public static string PathOf(params string[] parts)
    {
        string[] places =
        [
            Path.Combine([Root, .. parts]),
            Path.Combine([Repository, "tests", "Golden", .. parts]),
            Path.Combine([Repository, .. parts]),
        ];
        return Array.Find(places, Path.Exists) ?? places[1];
    }

    /// <summary>
    /// A path in the reference data, or in the folder of everything where the repository does not hold it; null if neither does.
    /// </summary>
    public static string? PathOrShared(params string[] parts)
    {
        string[] places = [PathOf(parts), Path.Combine([Shared, .. parts])];
        return Array.Find(places, Path.Exists);
    }

    private static string FindRepository([CallerFilePath] string file = "")
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DiffusionClip.sln")))
            {
                return folder.FullName;
            }
        }

        return Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, ".."));
    }
}

using DiffusionClip.Models;

namespace DiffusionClip.Hosting;

/// <summary>Where the program's files lie: what relative model folders are relative to.</summary>
public static class ContentRoot
{
    /// <summary>
    /// The nearest folder with an <c>appsettings.json</c> or a <c>models</c> folder at or above the working folder, else at or
    /// above the program's own; else the working folder.
    /// </summary>
    public static string Find() => Search(Environment.CurrentDirectory) ?? Search(AppContext.BaseDirectory) ?? Environment.CurrentDirectory;

    internal static ModelCatalog Catalog(DiffusionClipOptions options, string? contentRoot, ModelFormats formats)
    {
        string root = contentRoot ?? Find();
        IEnumerable<string> folders = options.ModelFolders.Count > 0 ? options.ModelFolders : ["models"];
        return new ModelCatalog(folders.Select(folder => Path.Combine(root, folder)), formats);
    }

    private static readonly EnumerationOptions _oneDown = new()
    {
        RecurseSubdirectories = true,
        MaxRecursionDepth = 1,
        IgnoreInaccessible = true,
    };

    private static string? Search(string start)
    {
        for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
        {
            if (IsRoot(folder.FullName))
            {
                return folder.FullName;
            }
        }

        return null;
    }

    // Another program's appsettings.json does not count.
    private static bool IsRoot(string folder)
    {
        string settings = Path.Combine(folder, "appsettings.json");
        return File.Exists(settings)
            ? File.ReadAllText(settings).Contains($"\"{DiffusionClipOptions.Section}\"", StringComparison.Ordinal)
            : Directory.Exists(Path.Combine(folder, "models"))
                && Directory.EnumerateFiles(Path.Combine(folder, "models"), "model_index.json", _oneDown).Any();
    }
}

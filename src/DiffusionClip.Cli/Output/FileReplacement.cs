using System.Globalization;

namespace DiffusionClip.Cli.Output;

/// <summary>Writes files aside and renames them, so that nobody ever sees half of one.</summary>
internal static class FileReplacement
{
    /// <summary>Replaces a file's content; its permissions stay, and a link still leads to it.</summary>
    /// <exception cref="IOException">It cannot be written; the file is as it was.</exception>
    public static void Replace(string path, ReadOnlySpan<byte> content)
    {
        string target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);
        string aside = Aside(target);
        try
        {
            Write(aside, content);
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(aside, File.GetUnixFileMode(target));
            }

            File.Move(aside, target, overwrite: true);
        }
        catch
        {
            File.Delete(aside);
            throw;
        }
    }

    /// <summary>Makes a new file; a name that is taken gets a number.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="name">The name wanted.</param>
    /// <param name="content">The content.</param>
    /// <returns>The file's path.</returns>
    public static string Create(string folder, string name, ReadOnlySpan<byte> content)
    {
        string aside = Aside(Path.Combine(folder, name));
        try
        {
            Write(aside, content);
            for (int number = 1; ; number++)
            {
                string path = Path.Combine(folder, number == 1 ? name : string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileNameWithoutExtension(name)}-{number}{Path.GetExtension(name)}"));
                if (Path.Exists(path))
                {
                    continue;
                }

                try
                {
                    File.Move(aside, path, overwrite: false);
                    return path;
                }
                catch (IOException) when (Path.Exists(path))
                {
                    // Somebody else was faster with this name.
                }
            }
        }
        catch
        {
            File.Delete(aside);
            throw;
        }
    }

    private static string Aside(string path) => Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.{Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..8]}.partial");

    private static void Write(string path, ReadOnlySpan<byte> content)
    {
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        file.Write(content);
        file.Flush(flushToDisk: true);
    }
}

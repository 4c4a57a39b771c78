using System.IO.Enumeration;
using DiffusionClip.Cli.Output;
using DiffusionClip.Imaging;

namespace DiffusionClip.Cli.Inputs;

/// <summary>Finds and reads picture files that were named on the command line.</summary>
internal static class PictureFiles
{
    private static readonly string[] Extensions = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"];
    private static readonly EnumerationOptions Everything = new()
    {
        IgnoreInaccessible = true,
        AttributesToSkip = 0,
        MatchType = MatchType.Simple,
    };
    private static readonly bool IgnoreCase = OperatingSystem.IsWindows();

    /// <summary>
    /// The files that arguments stand for: a file itself (also one that is missing, which is found out when it is read), the
    /// pictures directly in a folder, or what matches a pattern with <c>*</c>, <c>?</c> and <c>**</c> that no shell expanded.
    /// In natural order of their paths, each once.
    /// </summary>
    /// <param name="arguments">Files, folders and patterns.</param>
    /// <param name="note">Receives what was left out.</param>
    /// <exception cref="InvalidRequestException">A pattern or folder stands for nothing.</exception>
    public static IReadOnlyList<string> Expand(IEnumerable<string> arguments, Action<string> note)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string argument in arguments)
        {
            IReadOnlyList<string> files = ExpandOne(argument);
            if (files.Count == 0)
            {
                throw new InvalidRequestException("files", argument, Directory.Exists(argument)
                    ? $"the folder holds no pictures ({string.Join(", ", Extensions)}); name one that does"
                    : "no file matches it; name pictures, folders or patterns such as \"pics/*.png\"");
            }

            foreach (string file in files)
            {
                found.TryAdd(Path.GetFullPath(file), file);
            }
        }

        // The overview of a run is not one of its candidates.
        string[] overviews =
        [
            .. found.Keys.Where(path =>
                IsOverview(path) && found.Keys.Any(other => other != path && Path.GetDirectoryName(other) == Path.GetDirectoryName(path))),
        ];
        foreach (string overview in overviews)
        {
            note($"{found[overview]} is the overview of a run and was left out");
            found.Remove(overview);
        }

        return [.. found.Values.Order(NaturalOrder.Instance)];
    }

    /// <summary>Reads a whole picture file, up to the limit.</summary>
    /// <exception cref="DiffusionClipException">It cannot be read; the message does not name the file.</exception>
    public static async Task<byte[]> ReadAsync(string path, ImageLimits limits, CancellationToken cancellationToken)
    {
        try
        {
            // Checked first: opening a pipe without a writer would block for ever. Pipes and devices have no length.
            FileSystemInfo target = File.ResolveLinkTarget(path, returnFinalTarget: true) ?? new FileInfo(path);
            if (Directory.Exists(target.FullName))
            {
                throw new DiffusionClipException("it is a folder; name a picture");
            }

            if (new FileInfo(target.FullName).Length == 0)
            {
                throw new DiffusionClipException("it is empty, or no regular file; name a picture");
            }

            await using var file = new FileStream(
                path,
                FileMode.Open,
                FileAccess.Read,
                FileShare.Read,
                bufferSize: 0,
                FileOptions.Asynchronous | FileOptions.SequentialScan);
            long length = file.Length;
            if (length > Math.Min(limits.MaxFileBytes, Array.MaxLength))
            {
                throw new DiffusionClipException(
                    FormattableString.Invariant($"it has {length} bytes; up to {limits.MaxFileBytes} are read"));
            }

            byte[] bytes = new byte[length];
            await file.ReadExactlyAsync(bytes, cancellationToken).ConfigureAwait(false);
            return bytes;
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DiffusionClipException("there is no such file; check the name", exception);
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new DiffusionClipException($"it cannot be read ({exception.Message})", exception);
        }
    }

    private static IReadOnlyList<string> ExpandOne(string argument)
    {
        if (Directory.Exists(argument))
        {
            return
            [
                .. Directory
                    .EnumerateFiles(argument)
                    .Where(file => Extensions.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase) && !IsHidden(file)),
            ];
        }

        if (File.Exists(argument) || argument.AsSpan().IndexOfAny('*', '?') < 0)
        {
            return [argument];
        }

        string pattern = IgnoreCase ? argument.Replace('\\', '/') : argument;
        int wildcard = pattern.AsSpan().IndexOfAny('*', '?');
        int slash = pattern.LastIndexOf('/', wildcard);
        string start = slash < 0 ? "" : pattern[..(slash + 1)];
        string[] segments = pattern[(slash + 1)..].Split('/', StringSplitOptions.RemoveEmptyEntries);
        var files = new List<string>();
        Match(start, segments, files);
        return [.. files.Distinct(StringComparer.Ordinal)];
    }

    private static void Match(string folder, ArraySegment<string> segments, List<string> files)
    {
        string at = folder.Length == 0 ? "." : folder;
        if (!Directory.Exists(at))
        {
            return;
        }

        string segment = segments[0];
        if (segment == "**")
        {
            // Any number of folders, also none; links are not followed, they may lead back.
            if (segments.Count == 1)
            {
                segments = new string[] { "**", "*" };
            }

            Match(folder, segments[1..], files);
            foreach (string child in Names(at, folders: true).Where(name => name[0] != '.' && !IsLink(Path.Combine(at, name))))
            {
                Match(Path.Combine(folder, child), segments, files);
            }

            return;
        }

        bool last = segments.Count == 1;
        foreach (string name in Names(at, folders: !last))
        {
            if (FileSystemName.MatchesSimpleExpression(segment, name, IgnoreCase) && (name[0] != '.' || segment[0] == '.'))
            {
                if (last)
                {
                    files.Add(Path.Combine(folder, name));
                }
                else
                {
                    Match(Path.Combine(folder, name), segments[1..], files);
                }
            }
        }
    }

    private static IEnumerable<string> Names(string folder, bool folders) =>
        (folders ? Directory.EnumerateDirectories(folder, "*", Everything) : Directory.EnumerateFiles(folder, "*", Everything)).Select(
            path => Path.GetFileName(path));

    private static bool IsHidden(string path) => Path.GetFileName(path).StartsWith('.');

    private static bool IsLink(string path) => (File.GetAttributes(path) & FileAttributes.ReparsePoint) != 0;

    private static bool IsOverview(string path) =>
        Path.GetFileName(path) == RunFolder.ContactSheetName
        && File.Exists(Path.Combine(Path.GetDirectoryName(path)!, RunFolder.ReportName));
}

using System.Globalization;
using DiffusionClip.Files;

namespace DiffusionClip.Cli.Verbs;

/// <summary>Copies the best pictures to a folder, their rank first in their names.</summary>
/// <param name="Count">How many.</param>
/// <param name="Folder">Where to.</param>
internal sealed record CopyTop(int Count, string Folder)
{
    /// <summary>Reads the flag's two values.</summary>
    /// <exception cref="InvalidRequestException">The first is no number above 0.</exception>
    public static CopyTop? Read(string[]? values) => values is not [string count, string folder]
        ? null
        : int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0
            ? new CopyTop(number, folder)
            : throw new InvalidRequestException("--copy-top", count, "give how many and the folder they go to, e.g. --copy-top 3 best");

    /// <summary>Checks the folder before anything is scored. It is created when there is something to copy.</summary>
    /// <exception cref="InvalidRequestException">A file is in its way.</exception>
    public void Check()
    {
        for (string? path = Path.GetFullPath(Folder); path is not null && !Directory.Exists(path); path = Path.GetDirectoryName(path))
        {
            if (File.Exists(path))
            {
                throw new InvalidRequestException("--copy-top", Folder, $"it has to be a folder that can be written; {path} is a file");
            }
        }
    }

    /// <summary>Copies the first pictures of a ranking.</summary>
    /// <param name="ranked">Their paths, best first.</param>
    /// <param name="failures">Receives those that could not be copied.</param>
    /// <returns>The paths of the copies, best first.</returns>
    public IReadOnlyList<string> Copy(IEnumerable<string> ranked, List<(string File, string Message)> failures)
    {
        var copies = new List<string>();
        string[] best = [.. ranked.Take(Count)];
        int digits = Math.Max(2, best.Length.ToString(CultureInfo.InvariantCulture).Length);
        for (int i = 0; i < best.Length; i++)
        {
            string rank = (i + 1).ToString(CultureInfo.InvariantCulture).PadLeft(digits, '0');
            try
            {
                Directory.CreateDirectory(Folder);
                copies.Add(AtomicFile.Create(Folder, $"{rank}_{Path.GetFileName(best[i])}", File.ReadAllBytes(best[i])));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                failures.Add((best[i], $"it cannot be copied to {Folder} ({exception.Message})"));
            }
        }

        return copies;
    }
}

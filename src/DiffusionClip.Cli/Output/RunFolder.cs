using System.Globalization;
using System.Text;
using System.Text.Json;
using DiffusionClip.Files;
using DiffusionClip.Reporting;

namespace DiffusionClip.Cli.Output;

/// <summary>
/// A new folder for one run's results. It is reserved before the run under a hidden name, so that an output that cannot be
/// written is known at once, and gets its final name when everything is in it: a folder with that name is whole.
/// </summary>
internal sealed class RunFolder : IDisposable
{
    /// <summary>Name of the report in a run's folder.</summary>
    public const string ReportName = "report.json";

    /// <summary>Name of the overview in a run's folder.</summary>
    public const string ContactSheetName = "contact-sheet.png";

    private readonly string _parent;
    private readonly string? _firstCreated;
    private readonly string _name;
    private string? _partial;

    private RunFolder(string parent, string? firstCreated, string name, string partial)
    {
        _parent = parent;
        _firstCreated = firstCreated;
        _name = name;
        _partial = partial;
    }

    /// <summary>Reserves a folder.</summary>
    /// <param name="parent">Where runs are written; created if missing.</param>
    /// <param name="name">The name wanted; one that is taken gets a number.</param>
    /// <exception cref="InvalidRequestException">The parent cannot be written.</exception>
    public static RunFolder Create(string parent, string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        try
        {
            string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(parent));
            string? firstCreated = FirstMissing(full);
            string partial = Path.Combine(full, $".{name}.{Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..8]}.partial");
            Directory.CreateDirectory(partial);
            string probe = Path.Combine(partial, ReportName);
            File.WriteAllBytes(probe, []);
            File.Delete(probe);
            return new RunFolder(full, firstCreated, name, partial);
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InvalidRequestException("output", parent, $"it has to be a folder that can be written ({exception.Message})");
        }
    }

    /// <summary>Writes pictures, contact sheet and report, and gives the folder its name.</summary>
    /// <param name="ranked">What to write.</param>
    /// <param name="encoder">Makes the files.</param>
    /// <param name="contactSheet">The overview.</param>
    /// <returns>The folder's path, and the report with the names of the files.</returns>
    public (string Path, RunReport Report) Commit(RankedImages ranked, PictureEncoder encoder, RgbImage contactSheet)
    {
        ArgumentNullException.ThrowIfNull(ranked);
        ArgumentNullException.ThrowIfNull(encoder);
        ObjectDisposedException.ThrowIf(_partial is null, this);
        var files = new Dictionary<int, string>();
        foreach (RankedImage image in ranked.Images.Where(image => image.Candidate.Kept))
        {
            files.Add(image.Candidate.Index, FileName(image, files.Count + 1, ranked.Report.Request.Output.Format));
        }

        RunReport report = ranked.Report with
        {
            Candidates =
            [
                .. ranked.Report.Candidates.Select(candidate => candidate with { File = files.GetValueOrDefault(candidate.Index) }),
            ],
        };
        List<string> warnings = [.. report.Warnings];
        foreach (RankedImage image in ranked.Images)
        {
            if (files.TryGetValue(image.Candidate.Index, out string? file))
            {
                PictureFile picture = encoder.Encode(image with { Candidate = image.Candidate with { File = file } }, report);
                Write(file, picture.Content.Span);
                if (picture.Warning is { } warning && !warnings.Contains(warning))
                {
                    warnings.Add(warning);
                }
            }
        }

        report = report with { Warnings = warnings };

        Write(ContactSheetName, encoder.EncodePlain(contactSheet));
        Write(ReportName, JsonSerializer.SerializeToUtf8Bytes(report, DiffusionClipJson.Indented));
        string path = FreeName.Take(_parent, _name, path => Directory.Move(_partial, path));
        _partial = null;
        return (path, report);
    }

    /// <summary>Removes what was not committed, also parents made for it that are empty.</summary>
    public void Dispose()
    {
        if (_partial is null)
        {
            return;
        }

        try
        {
            Directory.Delete(_partial, recursive: true);
            for (
                string? made = _firstCreated is null ? null : _parent;
                made is not null;
                made = made == _firstCreated ? null : Path.GetDirectoryName(made))
            {
                Directory.Delete(made);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The run's own error matters more than a hidden folder left behind.
        }

        _partial = null;
    }

    /// <summary>
    /// A folder name made of words: lower-case letters and digits joined by hyphens, at most 48 characters, whole words where one fits.
    /// </summary>
    public static string Slug(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        const int Longest = 48;
        var slug = new StringBuilder();

        // By way of runes: half a surrogate pair cannot be normalized.
        string valid = string.Concat(text.EnumerateRunes().Take(4 * Longest));
        foreach (Rune rune in valid.Normalize(NormalizationForm.FormKC).EnumerateRunes())
        {
            if (Rune.IsLetterOrDigit(rune))
            {
                slug.Append(Rune.ToLowerInvariant(rune));
            }
            else if (slug.Length > 0 && slug[^1] != '-')
            {
                slug.Append('-');
            }

            if (slug.Length > Longest)
            {
                break;
            }
        }

        string name = slug.ToString();
        if (name.Length > Longest)
        {
            // The last word was cut, unless a hyphen says that it ended just there.
            int hyphen = name.LastIndexOf('-');
            int cut = hyphen > 0 ? hyphen : char.IsHighSurrogate(name[Longest - 1]) ? Longest - 1 : Longest;
            name = name[..cut];
        }

        name = name.Trim('-');
        return name.Length > 0 ? name : "untitled";
    }

    private static string? FirstMissing(string path)
    {
        string? missing = null;
        for (string? folder = path; folder is not null && !Path.Exists(folder); folder = Path.GetDirectoryName(folder))
        {
            missing = folder;
        }

        return missing;
    }

    private static string FileName(RankedImage image, int position, OutputFormat format)
    {
        string score = image.Score is { } value ? string.Create(CultureInfo.InvariantCulture, $"_score-{value:0.0000}") : "";
        string fork =
            image.Candidate.Lineage.Count > 0 ? string.Create(CultureInfo.InvariantCulture, $"_candidate-{image.Candidate.Index}") : "";
        string extension = PictureFile.ExtensionOf(format);
        return string.Create(CultureInfo.InvariantCulture, $"{position:00}_seed-{image.Seed}{fork}{score}{extension}");
    }

    private void Write(string name, ReadOnlySpan<byte> content) => AtomicFile.Write(Path.Combine(_partial!, name), content);
}

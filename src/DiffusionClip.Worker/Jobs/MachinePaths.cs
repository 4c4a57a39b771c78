using System.Text.RegularExpressions;
using DiffusionClip.Models;

namespace DiffusionClip.Worker.Jobs;

/// <summary>
/// Takes the folders of this machine out of what callers read: a message about <c>/srv/models/toy/unet/model.onnx</c> becomes one
/// about <c>…/toy/unet/model.onnx</c>. Logs keep the whole path.
/// </summary>
internal sealed class MachinePaths
{
    private readonly Regex? _folders;

    /// <summary>Knows the folders of models and data.</summary>
    public MachinePaths(ModelCatalog catalog, PipelineOptions pipeline, WorkerOptions worker)
    {
        string[] folders =
        [
            .. catalog
                .Roots.Append(catalog.Hub.Root)
                .Append(worker.DataFolder)
                .Append(ParentOf(pipeline.DefaultModel))
                .Append(ParentOf(pipeline.DefaultScorer))
                .OfType<string>()
                .Select(folder => Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)))
                .Where(folder => Path.GetPathRoot(folder) != folder)
                .Distinct(StringComparer.Ordinal)
                .OrderByDescending(folder => folder.Length),
        ];

        // A folder's name that goes on is another folder's.
        _folders =
            folders.Length == 0
                ? null
                : new Regex($@"(?:{string.Join('|', folders.Select(Regex.Escape))})(?![\w-])", RegexOptions.CultureInvariant);
    }

    /// <summary>The text without them.</summary>
    public string Hide(string text) => _folders?.Replace(text, "…") ?? text;

    /// <summary>What came of a run, without them in its warnings and reasons.</summary>
    public RankedImages Hide(RankedImages ranked) => new()
    {
        Images = [.. ranked.Images.Select(image => image with { Candidate = Hide(image.Candidate) })],
        Report = ranked.Report with
        {
            Warnings = [.. ranked.Report.Warnings.Select(Hide)],
            Candidates = [.. ranked.Report.Candidates.Select(Hide)],
        },
    };

    /// <summary>What a scorer says of a picture, without them in its reason.</summary>
    public ImageOutcome Hide(ImageOutcome outcome) => outcome.Failure is { } failure ? outcome with { Failure = Hide(failure) } : outcome;

    private CandidateReport Hide(CandidateReport candidate) => candidate with
    {
        Failure = HideIn(candidate.Failure),
        ScoringFailure = HideIn(candidate.ScoringFailure),
        Scores = Hide(candidate.Scores),
        Checkpoints = candidate.Checkpoints.All(checkpoint => checkpoint.Scores.Count == 0)
            ? candidate.Checkpoints
            : [.. candidate.Checkpoints.Select(checkpoint => checkpoint with { Scores = Hide(checkpoint.Scores) })],
    };

    private IReadOnlyList<ScorerScore> Hide(IReadOnlyList<ScorerScore> scores) =>
        scores.All(score => score.Failure is null) ? scores : [.. scores.Select(score => score with { Failure = HideIn(score.Failure) })];

    private string? HideIn(string? text) => text is null ? null : Hide(text);

    private static string? ParentOf(string? model) => model is not null && Path.IsPathRooted(model) ? Path.GetDirectoryName(model) : null;
}

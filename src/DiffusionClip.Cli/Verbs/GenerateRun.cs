using System.Globalization;
using System.Text.Json;
using DiffusionClip.Cli.Output;
using DiffusionClip.Reporting;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Cli.Verbs;

/// <summary>A run that was written.</summary>
/// <param name="Folder">Its folder.</param>
/// <param name="Report">Its report, with the names of the files.</param>
/// <param name="Ranked">Its pictures.</param>
internal sealed record GeneratedRun(string Folder, RunReport Report, RankedImages Ranked)
{
    /// <summary>The report with paths in place of names.</summary>
    public RunReport WithPaths() =>
        Report with
        {
            Candidates =
            [
                .. Report.Candidates.Select(candidate =>
                    candidate.File is null ? candidate : candidate with { File = Path.Combine(Folder, candidate.File) }),
            ],
        };
}

/// <summary>One request from the command line to a folder of pictures.</summary>
internal sealed class GenerateRun(
    CliContext context,
    IServiceProvider services,
    ProgressView view,
    RunStyle style,
    IReadOnlyDictionary<string, RgbImage> images)
{
    private readonly ImagePipeline _pipeline = services.GetRequiredService<ImagePipeline>();

    /// <summary>The pictures that requests name.</summary>
    public IReadOnlyDictionary<string, RgbImage> Images => images;

    /// <summary>Runs a request and writes its folder.</summary>
    /// <param name="asked">What is asked for.</param>
    /// <param name="plan">A plan to follow; null: the configured one.</param>
    /// <param name="output">Where the folder is made.</param>
    /// <param name="name">The folder's name; one that is taken gets a number.</param>
    /// <param name="title">What the progress is headed by.</param>
    /// <exception cref="DiffusionClipException">It could not be done; nothing was written.</exception>
    public async Task<GeneratedRun> RunAsync(ImageRequest asked, ExecutionPlan? plan, string output, string name, string title)
    {
        PreparedRun prepared = _pipeline.Prepare(asked, images);
        Interruption interruption = context.Interruption;
        using RunFolder folder = RunFolder.Create(output, name);
        var progress = new RunProgress();
        var control = new RunControl
        {
            Abort = interruption.Abort,
            Finish = interruption.Finish,
            Observer = progress,
            Plan = plan,
        };
        RankedImages ranked = await view.WatchAsync(
                Title(title),
                Details(prepared.Request),
                progress,
                prepared.Budget.Candidates,
                () => _pipeline.GenerateAsync(prepared, control))
            .ConfigureAwait(false);
        if (ranked.Best is null)
        {
            CandidateReport? failed = ranked.Report.Candidates.FirstOrDefault(candidate => candidate.Failure is not null);
            throw new DiffusionClipException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"candidates: none of {ranked.Report.Candidates.Count} gave a picture; seed {failed?.Seed}: {failed?.Failure ?? "stopped"}; try another seed, guidance or model"
                ));
        }

        interruption.Abort.ThrowIfCancellationRequested();
        RgbImage overview = ContactSheet.Compose(ranked, services.GetRequiredService<ITextRasterizer>());
        (string path, RunReport report) = folder.Commit(ranked, services.GetRequiredService<PictureEncoder>(), overview);
        foreach (string warning in Warnings(report))
        {
            context.Terminal.Warn(warning);
        }

        return new GeneratedRun(path, report, ranked);
    }

    /// <summary>Prints a run: its report as JSON, or a table of its pictures.</summary>
    public void Show(GeneratedRun run)
    {
        Terminal terminal = context.Terminal;
        if (style.Json)
        {
            terminal.Out.WriteLine(JsonSerializer.Serialize(run.WithPaths(), DiffusionClipJson.Indented));
            return;
        }

        if (style.Quiet)
        {
            return;
        }

        terminal.Say(Timing(run.Report));
        string folder = Paths.Shown(run.Folder);

        // One scorer's score is the score; several have a column each beside their total.
        string[] scorers = run.Report.Scorers.Count > 1 ? [.. run.Report.Scorers.Select(scorer => scorer.Id)] : [];
        var table = new ResultTable([
            ">rank",
            ">seed",
            scorers.Length > 0 ? ">total" : ">score",
            ">margin",
            .. scorers.Select(scorer => $">{scorer}"),
            "file",
        ]);
        foreach (
            CandidateReport candidate in run.Report.Candidates.Where(candidate => candidate.Failure is null && candidate.Stopped is null))
        {
            string file =
                candidate.File is null ? "(not kept)"
                : terminal.OutIsRich ? candidate.File
                : Path.Combine(folder, candidate.File);
            table.Add([
                Text(candidate.Rank),
                Text(candidate.Seed),
                Score(candidate.Score),
                Score(candidate.Margin),
                .. scorers.Select((_, i) => Score(candidate.Scores.ElementAtOrDefault(i)?.Score)),
                candidate.ScoringFailure is { } failure ? $"{file} (no score: {failure})" : file,
            ]);
        }

        table.Write(terminal, highlight: run.Report.Candidates.Any(candidate => candidate.Rank is not null));
        foreach (CandidateReport candidate in run.Report.Candidates)
        {
            if ((candidate.Failure ?? candidate.Stopped) is { } reason)
            {
                terminal.Out.WriteLine(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"seed {candidate.Seed} {(candidate.Failure is null ? "stopped" : "failed")}: {Terminal.OneLine(reason)}"));
            }
        }

        terminal.Out.WriteLine($"{folder}{Path.DirectorySeparatorChar}  (with {RunFolder.ContactSheetName} and {RunFolder.ReportName})");
    }

    /// <summary>What the user should know about a run.</summary>
    public static IEnumerable<string> Warnings(RunReport report)
    {
        foreach (string warning in report.Warnings)
        {
            yield return warning;
        }

        foreach (TextReport text in report.Texts.Where(text => text.TokensDropped > 0))
        {
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"{text.Role}: the last {text.TokensDropped} of {text.Tokens + text.TokensDropped} tokens are beyond the {text.Windows} windows that a prompt may have and were not read"
            );
        }

        foreach (ScorerReport scorer in report.Scorers.Where(scorer => scorer.Record is { TokensDropped: > 0 }))
        {
            string whose = report.Scorers.Count > 1 ? $"the limit of {scorer.Id}" : "the scorer's limit";
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"score_text: the last {scorer.Record!.TokensDropped} tokens are beyond {whose} and were not read");
        }
    }

    private static string Title(string title) => title.Length switch { 0 => "(no prompt)", > 80 => $"{title[..79]}…", _ => title };

    private static string Details(ImageRequest request)
    {
        SamplingRequest sampling = request.Sampling;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{request.Model.Id}, {sampling.NumInferenceSteps} steps, guidance {sampling.GuidanceScale}, {sampling.Width}x{sampling.Height}, seed {sampling.Seed}, {request.Search.Candidates} candidates"
        );
    }

    private static string Timing(RunReport report)
    {
        IEnumerable<string> stages = report.Stages
            .GroupBy(stage => stage.Stage)
            .Select(stage => (Stage: stage.Key, Seconds: stage.Sum(part => part.Seconds)))
            .Where(stage => stage.Seconds >= Math.Max(0.005, report.Seconds / 50))
            .Select(stage =>
                string.Create(CultureInfo.InvariantCulture, $"{stage.Stage.ToString().ToLowerInvariant()} {stage.Seconds:0.00} s"));
        string fallback = report.ProviderReason is { } reason ? $" ({reason})" : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{report.Seconds:0.00} s on {report.Plan.Provider}{fallback}: {string.Join(", ", stages)}");
    }

    private static string Score(double? score) => score is { } value ? value.ToString("0.0000", CultureInfo.InvariantCulture) : "";

    private static string Text(IFormattable? value) => value?.ToString(null, CultureInfo.InvariantCulture) ?? "";
}

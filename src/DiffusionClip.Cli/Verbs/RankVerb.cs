using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using DiffusionClip.Cli.Inputs;
using DiffusionClip.Cli.Output;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Files;
using DiffusionClip.Imaging;
using DiffusionClip.Reporting.Metadata;
using DiffusionClip.Scoring;
using DiffusionClip.Selection;
using Microsoft.Extensions.Hosting;

namespace DiffusionClip.Cli.Verbs;

/// <summary><c>dclip rank</c>: puts pictures that exist in the order in which they match a prompt.</summary>
internal sealed class RankVerb
{
    private readonly Argument<string> _prompt = new("PROMPT") { Description = "What the pictures are compared with." };
    private readonly Argument<string[]> _files = new("FILES")
    {
        Description = "Pictures, folders (the pictures directly in them) and patterns such as \"pics/*.png\" or \"pics/**/*.jpg\".",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string?> _scoreText = new("--score-text") { HelpName = "TEXT", Description = "Text to score against in place of the prompt without its syntax." };
    private readonly Option<string[]?> _copyTop = new("--copy-top")
    {
        HelpName = "K FOLDER",
        Description = "Copies the K best to a folder, their rank first in their names. Nothing there is overwritten.",
        Arity = new ArgumentArity(2, 2),
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<bool> _writeScore = new("--write-score") { Description = "Adds each score to the metadata of its PNG file; pixels stay as they are." };
    private readonly Option<bool> _json = new("--json") { Description = "Print JSON." };
    private readonly Option<bool> _quiet = new("--quiet", "-q") { Description = "Print only errors and warnings." };
    private readonly ScoringFlags _scoring = new();

    private RankVerb()
    {
    }

    /// <summary>Describes the verb.</summary>
    public static Command Create(Func<ParseResult, CliContext> context)
    {
        var verb = new RankVerb();
        Command command = new("rank", "Ranks pictures that exist by how well CLIP says they match a prompt.") { verb._prompt, verb._files, verb._scoreText, verb._copyTop, verb._writeScore };
        command.Aliases.Add("rerank");
        verb._scoring.AddTo(command);
        command.Add(verb._json);
        command.Add(verb._quiet);
        command.SetAction((parse, _) => verb.RunAsync(context(parse), parse));
        HelpText.AddExamples(
            command,
            "dclip rank \"two cats\" output/20261124-135501-two-cats",
            "dclip rank \"a red apple\" \"pics/**/*.png\" --copy-top 3 best",
            "dclip rank \"a red apple\" pics/*.png --write-score --json");
        return command;
    }

    private async Task<int> RunAsync(CliContext context, ParseResult parse)
    {
        Terminal terminal = context.Terminal;
        string prompt = parse.GetValue(_prompt)!;
        string text = parse.GetValue(_scoreText) ?? PlainText.Of(prompt);
        CopyTop? copy = CopyTop.Read(parse.GetValue(_copyTop));
        bool quiet = parse.GetValue(_quiet);
        IReadOnlyList<string> files = PictureFiles.Expand(parse.GetValue(_files)!, terminal.Warn);
        copy?.Check();
        using IHost host = context.BuildHost();
        ScoredText.Check("prompt", prompt, host.Services);
        ScoredText.Check("score_text", text, host.Services);
        using PictureScoring scoring = await _scoring.OpenAsync(host.Services, parse, context.Interruption.Abort).ConfigureAwait(false);

        var scored = new List<ScoredItem>(files.Count);
        await foreach (ScoredItem item in scoring.Stream.ScoreAsync(ScoringStream.Feed(files.Select(file => scoring.Item(file, _ => [text]))), context.Interruption.Abort).ConfigureAwait(false))
        {
            scored.Add(item);
        }

        // One scorer made them all; should that ever change, the numbers must not stand in one order.
        var comparison = new ScoreComparison();
        foreach (ScoredItem item in scored.Where(item => item.Outcome.Failure is null))
        {
            if (comparison.Refuse(item.Texts[0].Record) is { } reason)
            {
                throw new InvalidRequestException("files", item.Name, reason);
            }
        }

        int[] order = Ranking.Order([.. scored.Select(item => item.Outcome.Failure is null ? (double?)item.Outcome.ScoresPerText.Span[0] : null)], scoring.Scorer.Descriptor.HigherIsBetter);
        ScoredItem[] ranked = [.. order.Select(index => scored[index])];
        List<(string File, string Message)> failures = [.. scored.Where(item => item.Outcome.Failure is not null).Select(item => (item.Name, item.Outcome.Failure!))];
        ScoreRecord? record = ranked.Length > 0 ? ranked[0].Texts[0].Record : null;
        if (record is { TokensDropped: > 0 })
        {
            terminal.Warn(string.Create(CultureInfo.InvariantCulture, $"prompt: its last {record.TokensDropped} tokens are beyond the scorer's limit and were not read"));
        }

        IReadOnlyList<string> copies = copy?.Copy(ranked.Select(item => item.Name), failures) ?? [];
        if (parse.GetValue(_writeScore))
        {
            WriteScores(ranked, failures, terminal);
        }

        if (parse.GetValue(_json))
        {
            Print(terminal, text, record, ranked, copies, failures);
        }
        else if (!quiet && ranked.Length > 0)
        {
            terminal.Say($"scored on {scoring.Provider}");
            Print(terminal, ranked);
        }

        foreach ((string file, string message) in failures)
        {
            terminal.Fail(PictureScoring.Bad(file, message));
        }

        return failures.Count > 0 ? ExitCodes.Failure : ExitCodes.Success;
    }

    private static double Score(ScoredItem item) => item.Outcome.ScoresPerText.Span[0];

    private static double? Margin(ScoredItem[] ranked, int at) => at + 1 < ranked.Length ? Math.Abs(Score(ranked[at]) - Score(ranked[at + 1])) : null;

    private static void Print(Terminal terminal, ScoredItem[] ranked)
    {
        var table = new ResultTable(">rank", ">score", ">margin", "file");
        for (int i = 0; i < ranked.Length; i++)
        {
            table.Add(
                (i + 1).ToString(CultureInfo.InvariantCulture),
                Score(ranked[i]).ToString("0.0000", CultureInfo.InvariantCulture),
                Margin(ranked, i)?.ToString("0.0000", CultureInfo.InvariantCulture) ?? "",
                ranked[i].Name);
        }

        table.Write(terminal, highlight: true);
    }

    private static void Print(Terminal terminal, string text, ScoreRecord? record, ScoredItem[] ranked, IReadOnlyList<string> copies, List<(string File, string Message)> failures) =>
        terminal.Out.WriteLine(JsonSerializer.Serialize(
            new
            {
                text,
                scoring = record,
                images = ranked.Select((item, i) => new { rank = i + 1, file = item.Name, score = Score(item), margin = Margin(ranked, i), content_sha256 = item.ContentHash, copy = i < copies.Count ? copies[i] : null }),
                failures = failures.Select(failure => new { file = failure.File, error = failure.Message }),
            },
            DiffusionClipJson.Indented));

    private static void WriteScores(ScoredItem[] ranked, List<(string File, string Message)> failures, Terminal terminal)
    {
        var others = new List<string>();
        foreach (ScoredItem item in ranked)
        {
            try
            {
                byte[] file = File.ReadAllBytes(item.Name);
                if (ImageHeader.FormatOf(file) != ImageFileFormat.Png)
                {
                    others.Add(item.Name);
                    continue;
                }

                var score = new PictureScore { Software = ImagePipeline.Software, Score = Score(item), Scoring = item.Texts[0].Record };
                AtomicFile.Replace(item.Name, PictureScoreWriter.Write(file, score));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or DiffusionClipException)
            {
                failures.Add((item.Name, $"its score cannot be written ({exception.Message})"));
            }
        }

        if (others.Count > 0)
        {
            terminal.Warn($"scores are written into PNG files only; left as they are: {string.Join(", ", others)}");
        }
    }
}

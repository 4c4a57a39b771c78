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
    private readonly Option<string?> _combine = ScoringFlags.CombineFlag();

    private RankVerb()
    {
    }

    /// <summary>Describes the verb.</summary>
    public static Command Create(Func<ParseResult, CliContext> context)
    {
        var verb = new RankVerb();
        Command command = new("rank", "Ranks pictures that exist by how well CLIP says they match a prompt.")
        {
            verb._prompt, verb._files, verb._scoreText, verb._copyTop, verb._writeScore,
        };
        command.Aliases.Add("rerank");
        verb._scoring.AddTo(command);
        command.Add(verb._combine);
        command.Add(verb._json);
        command.Add(verb._quiet);
        command.SetAction((parse, _) => verb.RunAsync(context(parse), parse));
        HelpText.AddExamples(
            command,
            "dclip rank \"two cats\" output/20261124-135501-two-cats",
            "dclip rank \"a red apple\" \"pics/**/*.png\" --copy-top 3 best",
            "dclip rank \"a red apple\" pics/*.png --write-score --json",
            "dclip rank \"a red apple\" pics/*.png --scorer emoji-clip=1,siglip=0.5 --combine mean-rank");
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
        var search = new SearchRequest { ScoreText = text, Combination = ScoringFlags.ReadCombination(parse.GetValue(_combine)) };
        using PictureScoring scoring = await _scoring.OpenAsync(host.Services, parse, search, context.Interruption.Abort).ConfigureAwait(false);
        ScorerLease[] weighted = [.. scoring.Scorers.Entries.Where(entry => entry.Request.Weight > 0)];
        bool writes = parse.GetValue(_writeScore);
        if (writes && weighted.Length > 1)
        {
            throw new InvalidRequestException("--write-score", "with several scorers", "a picture takes one scorer's score; give the others the weight 0, or leave it out");
        }

        ImageLimits limits = CliContext.Limits(host.Services);
        var items = new List<ScoredItem>(files.Count);
        IEnumerable<ScoringItem> pictures = files.Select(file => ScoredFile.Item(file, limits, texts: null));
        await foreach (ScoredItem item in scoring.ScoreAsync(pictures, context.Interruption.Abort).ConfigureAwait(false))
        {
            items.Add(item);
        }

        var ranked = new RankedFiles(items, new PictureRanking(items, scoring.Scorers), scoring.Scorers.Report(), scoring.Scorers.Combination);
        List<(string File, string Message)> failures =
        [
            .. ranked.Ranking.Failures.Select((failure, i) => (File: items[i].Name, Message: failure)).Where(row => row.Message is not null).Select(row => (row.File, row.Message!)),
        ];
        foreach (ScorerReport scorer in ranked.Scorers.Where(scorer => scorer.Record is { TokensDropped: > 0 }))
        {
            string whose = ranked.IsSingle ? "the scorer's limit" : $"the limit of {scorer.Id}";
            terminal.Warn(string.Create(CultureInfo.InvariantCulture, $"prompt: its last {scorer.Record!.TokensDropped} tokens are beyond {whose} and were not read"));
        }

        IReadOnlyList<string> copies = copy?.Copy(ranked.Names, failures) ?? [];
        if (writes)
        {
            WriteScores(ranked, scoring.Scorers.Entries.ToList().IndexOf(weighted[0]), failures, terminal);
        }

        if (parse.GetValue(_json))
        {
            Print(terminal, text, ranked, copies, failures);
        }
        else if (!quiet && ranked.Ranking.Order.Count > 0)
        {
            if (scoring.Provider is { } provider)
            {
                terminal.Say($"scored on {provider}");
            }

            Print(terminal, ranked);
        }

        foreach ((string file, string message) in failures)
        {
            terminal.Fail(ScoredFile.Bad(file, message));
        }

        return failures.Count > 0 ? ExitCodes.Failure : ExitCodes.Success;
    }

    private static void Print(Terminal terminal, RankedFiles ranked)
    {
        string[] scorers = ranked.IsSingle ? [] : [.. ranked.Scorers.Select(scorer => scorer.Id)];
        var table = new ResultTable([">rank", scorers.Length > 0 ? ">total" : ">score", ">margin", .. scorers.Select(scorer => $">{scorer}"), "file"]);
        for (int rank = 0; rank < ranked.Ranking.Order.Count; rank++)
        {
            IReadOnlyList<ScorerScore> scores = ranked.ScoresAt(rank);
            table.Add(
            [
                (rank + 1).ToString(CultureInfo.InvariantCulture),
                Text(ranked.Ranking.Total(rank)),
                Text(ranked.Ranking.Margin(rank)),
                .. scorers.Select((_, i) => Text(scores[i].Score)),
                ranked.At(rank).Name,
            ]);
        }

        table.Write(terminal, highlight: true);

        static string Text(double? number) => number?.ToString("0.0000", CultureInfo.InvariantCulture) ?? "";
    }

    private static void Print(Terminal terminal, string text, RankedFiles ranked, IReadOnlyList<string> copies, List<(string File, string Message)> failures) =>
        terminal.Out.WriteLine(JsonSerializer.Serialize(
            new
            {
                text,
                scoring = ranked.IsSingle ? ranked.Scorers[0].Record : null,
                scorers = ranked.IsSingle ? null : ranked.Scorers,
                combination = ranked.Combination,
                images = ranked.Ranking.Order.Select((_, rank) => new
                {
                    rank = rank + 1,
                    file = ranked.At(rank).Name,
                    score = ranked.Ranking.Total(rank),
                    scores = ranked.IsSingle ? null : ranked.ScoresAt(rank),
                    margin = ranked.Ranking.Margin(rank),
                    content_sha256 = ranked.At(rank).ContentHash,
                    copy = rank < copies.Count ? copies[rank] : null,
                }),
                failures = failures.Select(failure => new { file = failure.File, error = failure.Message }),
            },
            DiffusionClipJson.Indented));

    private static void WriteScores(RankedFiles ranked, int scorer, List<(string File, string Message)> failures, Terminal terminal)
    {
        var others = new List<string>();
        for (int rank = 0; rank < ranked.Ranking.Order.Count; rank++)
        {
            ScoredItem item = ranked.At(rank);
            try
            {
                byte[] file = File.ReadAllBytes(item.Name);
                if (ImageHeader.FormatOf(file) != ImageFileFormat.Png)
                {
                    others.Add(item.Name);
                    continue;
                }

                var score = new PictureScore
                {
                    Software = ImagePipeline.Software,
                    Score = ranked.Ranking.Total(rank),
                    Scoring = item.Scorers[scorer].Records[0],
                };
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

    /// <summary>Files in the order of their totals.</summary>
    private sealed record RankedFiles(IReadOnlyList<ScoredItem> Items, PictureRanking Ranking, IReadOnlyList<ScorerReport> Scorers, ScoreCombination? Combination)
    {
        /// <summary>One scorer: its score is the score.</summary>
        public bool IsSingle => Scorers.Count == 1;

        /// <summary>The files, best first.</summary>
        public IEnumerable<string> Names => Ranking.Order.Select(index => Items[index].Name);

        public ScoredItem At(int rank) => Items[Ranking.Order[rank]];

        public IReadOnlyList<ScorerScore> ScoresAt(int rank) => Ranking.Scores[Ranking.Order[rank]];
    }
}

using System.Text.Json;
using DiffusionClip.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Cli.Verbs;

public sealed class SeveralScorersTests(GeneratedRunFixture run) : IClassFixture<GeneratedRunFixture>, IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task A_registered_scorer_ranks_pictures()
    {
        using JsonDocument json = await JsonAsync("rank", "green", run.Folder, "--scorer", "toy", "--json");
        Assert.Equal("toy", json.RootElement.GetProperty("scoring").GetProperty("scorer").GetString());
        JsonElement[] images = [.. json.RootElement.GetProperty("images").EnumerateArray()];
        Assert.Equal(run.Files.Length, images.Length);
        Assert.Equal(images.Select(Score).OrderDescending(), images.Select(Score));
        Assert.All(images, image => Assert.False(image.TryGetProperty("scores", out _)));

        static double Score(JsonElement image) => image.GetProperty("score").GetDouble();
    }

    [Fact]
    public async Task Several_scorers_have_a_column_each_and_a_total()
    {
        CliResult table = (
            await RunAsync(
                "rank", "green", run.Folder, "--scorer", "emoji-clip=1,toy=0.5", "--combine", "mean-rank", "--no-cache")).AssertSuccess();
        Assert.Equal(
            ["rank", "total", "margin", "emoji-clip", "toy", "file"],
            table.Out.Split('\n')[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));

        using JsonDocument json = await JsonAsync(
            "rank", "green", run.Folder, "--scorer", "emoji-clip=1,toy=0.5", "--combine", "mean-rank", "--json", "--no-cache");
        Assert.Equal("mean-rank", json.RootElement.GetProperty("combination").GetString());
        Assert.False(json.RootElement.TryGetProperty("scoring", out _));
        JsonElement[] images = [.. json.RootElement.GetProperty("images").EnumerateArray()];
        double[][] raw =
        [
            .. images.Select(image =>
                image.GetProperty("scores").EnumerateArray().Select(score => score.GetProperty("score").GetDouble()).ToArray()),
        ];
        for (int i = 0; i < images.Length; i++)
        {
            double expected = -(Rank(0) + (0.5 * Rank(1))) / 1.5;
            Assert.Equal(expected, images[i].GetProperty("score").GetDouble(), 1e-12);

            double Rank(int scorer) => 1 + raw.Count(row => row[scorer] > raw[i][scorer]);
        }
    }

    [Fact]
    public async Task What_does_not_add_up_and_what_is_written_are_refused_before_anything_is_scored()
    {
        (await RunAsync("rank", "green", run.Files[0], "--scorer", "emoji-clip,toy")).AssertRefused(
            ExitCodes.Usage,
            "do not add up",
            "standard-scores or mean-rank");
        (await RunAsync("rank", "green", run.Files[0], "--scorer", "emoji-clip=0")).AssertRefused(ExitCodes.Usage, "every weight is 0");
        (await RunAsync("rank", "green", run.Files[0], "--scorer", "toy", "--combine", "median")).AssertRefused(
            ExitCodes.Usage,
            "weighted-sum, standard-scores, mean-rank");
        (
            await RunAsync("rank", "green", run.Files[0], "--scorer", "emoji-clip,toy", "--combine", "mean-rank", "--write-score")
        ).AssertRefused(ExitCodes.Usage, "--write-score");
        (await RunAsync("rank", "green", run.Files[0], "--scorer", "tov")).AssertRefused(
            ExitCodes.Usage,
            "did you mean toy",
            "emoji-clip");
    }

    [Theory]
    [InlineData("jsonl")]
    [InlineData("csv")]
    public async Task Scores_of_several_scorers_are_a_row_each(string format)
    {
        CliResult result = (
            await RunAsync(
                "score",
                run.Files[0],
                "-p",
                "red",
                "-p",
                "green",
                "--scorer",
                "emoji-clip,toy",
                "--format",
                format,
                "--no-cache")).AssertSuccess();
        string[] lines = result.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] scorers = format == "csv"
            ? [.. lines.Skip(1).Select(line => line.Split(',')[^1])]
            : [.. lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("scorer").GetString()!)];
        Assert.Equal(["emoji-clip", "emoji-clip", "toy", "toy"], scorers);
    }

    [Fact]
    public async Task A_scorer_that_gives_no_number_is_an_error_of_the_file()
    {
        CliResult result = await Cli.RunAsync(
            new(),
            services => services.AddSingleton<IImageScorer, Endless>(),
            "rank",
            "green",
            run.Files[0],
            run.Files[1],
            "--scorer",
            "endless",
            "--json");
        Assert.Equal(ExitCodes.Failure, result.ExitCode);
        using JsonDocument json = JsonDocument.Parse(result.Out);
        Assert.Empty(json.RootElement.GetProperty("images").EnumerateArray());
        Assert.Equal(2, json.RootElement.GetProperty("failures").GetArrayLength());
        Assert.All(result.Complaints, line => Assert.Contains("endless gave a score that is not finite", line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_run_with_several_scorers_shows_each_and_repeats()
    {
        CliResult result = await RunAsync(
            "generate",
            "green",
            "--seed",
            "3",
            "-n",
            "2",
            "--steps",
            "2",
            "--scorer",
            "emoji-clip,toy=0.25",
            "--combine",
            "standard-scores",
            "--output",
            _work["out"]);
        result.AssertSuccess();
        Assert.Contains("emoji-clip", result.Out.Split('\n')[0], StringComparison.Ordinal);
        string folder = _work.OnlyFolder("out");
        RunReport report = JsonSerializer.Deserialize<RunReport>(
            File.ReadAllBytes(Path.Combine(folder, "report.json")), DiffusionClipJson.Compact)!;
        Assert.Equal([("emoji-clip", 1), ("toy", 0.25)], report.Scorers.Select(scorer => (scorer.Id, scorer.Weight)));
        Assert.Null(report.Scoring);

        // The picture says what each scorer gave it.
        string best = Path.Combine(folder, report.Candidates[0].File!);
        CliResult inspected = (await RunAsync("inspect", best, "--json")).AssertSuccess();
        Assert.Contains("standard-scores", inspected.Out, StringComparison.Ordinal);
        Assert.Contains("toy", inspected.Out, StringComparison.Ordinal);
        (await RunAsync("generate", "--from", best, "--output", _work["again"])).AssertSuccess();
    }

    private async Task<JsonDocument> JsonAsync(params string[] args) => JsonDocument.Parse((await RunAsync(args)).AssertSuccess().Out);

    private static Task<CliResult> RunAsync(params string[] args) =>
        Cli.RunAsync(new(), services => services.AddSingleton<IImageScorer, ToyScorer>(), args);

    private sealed class Endless : IImageScorer
    {
        public ScorerDescriptor Descriptor { get; } = new() { Name = "endless", Version = "1", Scale = ScoreScale.Unbounded };

        public ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken) =>
            ValueTask.FromResult(
                new ScoringResult
                {
                    Images =
                    [
                        .. batch.Images.Select(_ => new ImageOutcome
                        {
                            ScoresPerText = batch.Texts.Select(_ => float.PositiveInfinity).ToArray(),
                        }),
                    ],
                    Texts =
                    [
                        .. batch.Texts.Select(text => new ScoreRecord
                        {
                            Scorer = "endless",
                            Version = "1",
                            Scale = ScoreScale.Unbounded,
                            Text = text,
                        }),
                    ],
                });

        public void Dispose()
        {
        }
    }
}

using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using DiffusionClip.Imaging.Png;
using DiffusionClip.Reporting.Metadata;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Cli.Verbs;

public sealed partial class GenerateTests(GeneratedRunFixture run) : IClassFixture<GeneratedRunFixture>, IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public void The_folder_is_named_by_time_and_words() =>
        Assert.Matches(@"^\d{8}-\d{6}-a-fox-and-a-purple-umbrella-on-a-white$", Path.GetFileName(run.Folder));

    [Fact]
    public void The_folder_holds_the_pictures_best_first_the_overview_and_the_report()
    {
        string[] names =
        [
            .. Directory.GetFileSystemEntries(run.Folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal),
        ];
        Assert.Equal(GeneratedRunFixture.Candidates + 2, names.Length);
        Assert.Equal("contact-sheet.png", names[^2]);
        Assert.Equal("report.json", names[^1]);
        double[] scores =
        [
            .. names
                .Take(GeneratedRunFixture.Candidates)
                .Select(name => double.Parse(FileName().Match(name).Groups["score"].Value, CultureInfo.InvariantCulture)),
        ];
        Assert.Equal(scores.OrderDescending(), scores);
        Assert.Equal(
            ["7", "8", "9"],
            names.Take(3).Select(name => FileName().Match(name).Groups["seed"].Value).Order(StringComparer.Ordinal));
        RgbImage overview = Pictures.Decode(Path.Combine(run.Folder, "contact-sheet.png"));
        Assert.True(overview.Width > 3 * 128 && overview.Height > 128, $"{overview.Width}x{overview.Height}");
    }

    [Fact]
    public void The_report_ranks_the_candidates()
    {
        Assert.Equal([1, 2, 3], run.Report.Candidates.Select(candidate => candidate.Rank));
        Assert.Equal(
            run.Report.Candidates.Select(candidate => candidate.Score).OrderDescending(),
            run.Report.Candidates.Select(candidate => candidate.Score));
        Assert.Equal(run.Report.Candidates[0].Score - run.Report.Candidates[1].Score, run.Report.Candidates[0].Margin);
        Assert.Null(run.Report.Candidates[^1].Margin);
        Assert.Equal("emoji-clip", run.Report.Scoring!.Model);
        Assert.Equal(4, run.Report.Request.Sampling.NumInferenceSteps);
        Assert.Equal("cpu", run.Report.Plan.Provider);
    }

    [Fact]
    public void Why_auto_fell_back_is_printed()
    {
        Assert.StartsWith("provider auto fell back to cpu: ", run.Report.ProviderReason, StringComparison.Ordinal);
        Assert.Contains($" s on cpu ({run.Report.ProviderReason}): ", run.Result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Plain_lines_tell_the_progress_and_the_table_the_result()
    {
        Assert.Equal(
            ["models", "conditioning", "denoising", "decoding", "scoring"],
            run.Result.ErrorLines.Intersect(["models", "conditioning", "denoising", "decoding", "scoring"]));
        Assert.Equal(3, run.Result.ErrorLines.Count(line => line.StartsWith("candidate ", StringComparison.Ordinal)));
        string[] lines = run.Result.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["rank", "seed", "score", "margin", "file"], lines[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        for (int i = 0; i < run.Files.Length; i++)
        {
            string[] cells = lines[i + 1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            CandidateReport candidate = run.Report.Candidates[i];
            Assert.Equal((i + 1).ToString(CultureInfo.InvariantCulture), cells[0]);
            Assert.Equal(candidate.Seed.ToString(CultureInfo.InvariantCulture), cells[1]);
            Assert.Equal(candidate.Score!.Value.ToString("0.0000", CultureInfo.InvariantCulture), cells[2]);
            Assert.Equal(run.Files[i], cells[^1]);
        }
    }

    [Fact]
    public void Pictures_carry_our_record_and_a1111_s_text()
    {
        for (int i = 0; i < run.Files.Length; i++)
        {
            PictureInspection inspection = PictureMetadataReader.Read(File.ReadAllBytes(run.Files[i]));
            Assert.Equal(["parameters", "diffusionclip"], inspection.Texts.Select(text => text.Keyword));
            Assert.Equal(run.Report.Candidates[i].Seed, inspection.Record!.Candidate.Seed);
            Assert.Equal(run.Report.Candidates[i].Score, inspection.Record.Candidate.Score);
            Assert.Equal(i + 1, inspection.Record.Candidate.Rank);
            Assert.Equal(run.Report.Request.ComputeSha256(), inspection.Record.Request.ComputeSha256());
            Assert.Equal("a1111", inspection.Foreign!.Format);
            Assert.Equal(GeneratedRunFixture.Prompt, inspection.Foreign.Prompt);
        }
    }

    [Fact]
    public async Task Candidates_do_not_depend_on_how_many_there_are()
    {
        (
            await Cli.RunAsync(
                "generate",
                GeneratedRunFixture.Prompt,
                "--seed",
                "8",
                "-n",
                "1",
                "--steps",
                "4",
                "--output",
                _work["output"],
                "-q")
        ).AssertSuccess();
        string alone = Assert.Single(Directory.GetFiles(_work.OnlyFolder("output"), "01_*.png"));
        string among = Assert.Single(run.Files, file => file.Contains("_seed-8_", StringComparison.Ordinal));
        Assert.Equal(Pictures.Decode(among).Pixels.ToArray(), Pictures.Decode(alone).Pixels.ToArray());
    }

    [Fact]
    public async Task Json_is_the_report_and_nothing_else()
    {
        CliResult result = await Cli.RunAsync(
            "generate",
            "two cats",
            "--seed",
            "18446744073709551615",
            "-n",
            "2",
            "--keep",
            "1",
            "--steps",
            "2",
            "--output",
            _work["output"],
            "--json");
        result.AssertSuccess();
        RunReport report = JsonSerializer.Deserialize<RunReport>(result.Out, DiffusionClipJson.Compact)!;
        Assert.Equal([0UL, ulong.MaxValue], report.Candidates.Select(candidate => candidate.Seed).Order());
        Assert.True(File.Exists(report.Candidates[0].File), report.Candidates[0].File);
        Assert.Null(report.Candidates[1].File);
        Assert.True(report.Candidates[0].Kept);
        Assert.False(report.Candidates[1].Kept);
        Assert.Single(Directory.GetFiles(_work.OnlyFolder("output"), "0*.png"));
        Assert.Empty(result.Complaints);
    }

    [Fact]
    public async Task Quiet_prints_nothing()
    {
        CliResult result = await Cli.RunAsync(
            "generate",
            "two cats",
            "--seed",
            "1",
            "-n",
            "1",
            "--steps",
            "1",
            "--output",
            _work["output"],
            "--quiet");
        Assert.Equal((0, "", ""), (result.ExitCode, result.Out, result.Error));
        Assert.True(File.Exists(Path.Combine(_work.OnlyFolder("output"), "report.json")));
    }

    [Fact]
    public async Task An_old_folder_is_never_overwritten()
    {
        for (int i = 0; i < 2; i++)
        {
            CliResult result = await Cli.RunAsync(
                new Interruption(),
                Fixed,
                "generate",
                "two cats",
                "--seed",
                "1",
                "-n",
                "1",
                "--steps",
                "1",
                "--output",
                _work["output"],
                "-q");
            result.AssertSuccess();
        }

        Assert.Equal(
            ["20261124-135501-two-cats", "20261124-135501-two-cats-2"],
            Directory.GetDirectories(_work["output"]).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Without_a_scorer_there_are_pictures_without_ranks()
    {
        CliResult result = await Cli.RunAsync(
            "generate",
            "two cats",
            "--scorer",
            "none",
            "--seed",
            "3",
            "-n",
            "2",
            "--steps",
            "1",
            "--no-metadata",
            "--output",
            _work["output"]);
        result.AssertSuccess();
        string[] files =
        [
            .. Directory
                .GetFiles(_work.OnlyFolder("output"), "0*.png")
                .Select(path => Path.GetFileName(path))
                .Order(StringComparer.Ordinal),
        ];
        Assert.Equal(["01_seed-3.png", "02_seed-4.png"], files);
        Assert.Empty(PngTextReader.Read(File.ReadAllBytes(Path.Combine(_work.OnlyFolder("output"), files[0]))).Texts);
    }

    [Fact]
    public async Task Flags_reach_the_request()
    {
        CliResult result = await Cli.RunAsync(
            "generate",
            "a (red:1.2) apple",
            "--negative",
            "blue",
            "--steps",
            "2",
            "--cfg-scale",
            "1.5",
            "--cfg-rescale",
            "0.25",
            "--seed",
            "5",
            "--scheduler-option",
            "timestep_spacing=trailing",
            "--scheduler-option",
            "use_karras_sigmas=True",
            "--width",
            "64",
            "--height",
            "128",
            "--candidates",
            "1",
            "--noise",
            "philox",
            "--provider",
            "cpu",
            "--score-text",
            "an apple",
            "--sampler",
            "DPM++ 2M",
            "--prompt-syntax",
            "plain",
            "--long-text",
            "windows-mean",
            "--output",
            _work["output"],
            "--json");
        result.AssertSuccess();
        ImageRequest request = JsonSerializer.Deserialize<RunReport>(result.Out, DiffusionClipJson.Compact)!.Request;
        Assert.Equal(
            new PromptRequest
            {
                Text = "a (red:1.2) apple",
                Negative = "blue",
                Syntax = PromptSyntax.Plain,
            },
            request.Prompt);
        Assert.Equal(
            (2, 1.5f, 0.25f, 5UL, NoiseKind.Philox, 64, 128),
            (
                request.Sampling.NumInferenceSteps,
                request.Sampling.GuidanceScale,
                request.Sampling.GuidanceRescale,
                request.Sampling.Seed,
                request.Sampling.Noise,
                request.Sampling.Width,
                request.Sampling.Height));
        Assert.Equal("trailing", request.Sampling.SchedulerOptions!["timestep_spacing"].GetString());
        Assert.True(request.Sampling.SchedulerOptions["use_karras_sigmas"].GetBoolean());
        Assert.Equal("an apple", request.Search.ScoreText);
        Assert.Equal(LongTextPolicy.WindowsMean, request.Search.LongText);
    }

    [Fact]
    public async Task A_flag_that_takes_one_value_is_given_once() =>
        (await Cli.RunAsync("generate", "a cat", "--sampler", "Euler", "--sampler", "DDIM", "--output", _work["output"])).AssertRefused(
            ExitCodes.Usage,
            "--sampler",
            "--help");

    [Fact]
    public async Task Words_beyond_the_limit_are_told()
    {
        // The prompt is read whole, only the scorer stops.
        CliResult result = await PaintAsync(100);
        Assert.StartsWith("dclip: warning: score_text: the last 25 tokens", Assert.Single(result.Complaints), StringComparison.Ordinal);
        result = await PaintAsync(5000);
        Assert.Contains(
            result.Complaints,
            line =>
                line.StartsWith("dclip: warning: prompt: the last 200 of 5000 tokens are beyond the 64 windows", StringComparison.Ordinal));

        async Task<CliResult> PaintAsync(int words) =>
            (
                await Cli.RunAsync(
                    "generate",
                    string.Join(' ', Enumerable.Repeat("cat", words)),
                    "--seed",
                    "1",
                    "-n",
                    "1",
                    "--steps",
                    "1",
                    "--output",
                    _work["output"],
                    "-q")
            ).AssertSuccess();
    }

    [Fact]
    public async Task A_prompt_may_begin_with_an_at_sign_or_after_two_dashes_with_a_dash()
    {
        (
            await Cli.RunAsync("generate", "@cat", "--seed", "1", "-n", "1", "--steps", "1", "--output", _work["output"], "-q")
        ).AssertSuccess();
        (
            await Cli.RunAsync("generate", "--seed", "1", "-n", "1", "--steps", "1", "--output", _work["output"], "-q", "--", "-cat")
        ).AssertSuccess();
    }

    [Fact]
    public async Task Asked_to_finish_it_writes_the_best_so_far()
    {
        using var interruption = new Interruption();
        CliResult result = await Cli.RunAsync(
            interruption,
            services => services.AddSingleton<ISearchStrategyFactory>(new SearchStrategyFactory(new AskAfterFirst(interruption.Ask))),
            "generate",
            "two cats",
            "--strategy",
            "ask",
            "--seed",
            "1",
            "-n",
            "50",
            "--steps",
            "2",
            "--output",
            _work["output"],
            "--json");
        Assert.Equal(ExitCodes.Interrupted, result.ExitCode);
        RunReport report = JsonSerializer.Deserialize<RunReport>(result.Out, DiffusionClipJson.Compact)!;
        Assert.True(report.FinishedEarly);
        Assert.True(File.Exists(report.Candidates[0].File));
        Assert.True(File.Exists(Path.Combine(_work.OnlyFolder("output"), "contact-sheet.png")));
        Assert.Contains("finishing with the best so far", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Asked_twice_it_leaves_nothing()
    {
        using var interruption = new Interruption();
        void AskTwice()
        {
            interruption.Ask();
            interruption.Ask();
        }

        CliResult result = await Cli.RunAsync(
            interruption,
            services => services.AddSingleton<ISearchStrategyFactory>(new SearchStrategyFactory(new AskAfterFirst(AskTwice))),
            "generate",
            "two cats",
            "--strategy",
            "ask",
            "--seed",
            "1",
            "-n",
            "50",
            "--steps",
            "2",
            "--output",
            _work["output"]);
        Assert.Equal(ExitCodes.Interrupted, result.ExitCode);
        Assert.Equal("dclip: interrupted", Assert.Single(result.Complaints));
        Assert.Equal("", result.Out);
        _work.AssertEmpty();
    }

    private static void Fixed(IServiceCollection services) => services.AddSingleton<TimeProvider>(new FixedTime());

    [GeneratedRegex(@"^(?<rank>\d\d)_seed-(?<seed>\d+)_score-(?<score>-?\d\.\d{4})\.png$")]
    private static partial Regex FileName();

    private sealed class FixedTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => new(2026, 11, 24, 13, 55, 1, TimeSpan.Zero);
    }

    /// <summary>Best-of-N whose first move has somebody press Ctrl-C.</summary>
    private sealed class AskAfterFirst(Action ask) : ISearchStrategy
    {
        public string Name => "ask";

        public SearchMove Next(SearchState state)
        {
            if (state.Rounds.Count == 0)
            {
                ask();
            }

            return new Selection.BestOfN().Next(state);
        }
    }
}

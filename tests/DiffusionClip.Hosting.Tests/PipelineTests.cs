using DiffusionClip.Imaging;
using DiffusionClip.Reporting;
using DiffusionClip.Reporting.Metadata;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Hosting;

public sealed class PipelineTests(TestHost host) : IClassFixture<TestHost>
{
    private static readonly ImageRequest Small = ImageRequest.For("a red apple on a blue background") with
    {
        Sampling = new() { NumInferenceSteps = 4, Seed = 5, GuidanceScale = 2 },
        Search = new() { Candidates = 2 },
    };

    [Fact]
    public async Task A_report_says_what_ran()
    {
        var recorder = new Recorder();
        RankedImages ranked = await host.Pipeline.GenerateAsync(
            Small with
            {
                Prompt = Small.Prompt with { Text = "a (red:1.2) apple" },
            },
            new RunControl { Observer = recorder });
        RunReport report = ranked.Report;
        Assert.Equal(host.Pipeline.Prepare(report.Request).Request, report.Request);
        Assert.Equal("a red apple", report.Request.Search.ScoreText);
        Assert.Equal("a red apple", report.Scoring!.Text);
        Assert.Equal("emoji-clip", report.Scoring.Model);
        Assert.Equal("cpu", report.Scoring.Provider);
        Assert.Equal("float32", report.Scoring.Precision);
        Assert.Equal(["generator", "scorer"], report.Models.Select(model => model.Role));
        Assert.Equal(report.Models[1].Sha256, report.Scoring.Sha256);
        Assert.All(report.Models.SelectMany(model => model.Files.Values), hash => Assert.Matches("^[0-9a-f]{64}$", hash));
        Assert.Equal("cpu", report.Plan.Provider);
        Assert.Contains("ONNX Runtime", report.Plan.Runtime, StringComparison.Ordinal);
        Assert.Equal([1, 2], report.Candidates.Select(candidate => candidate.Rank!.Value));
        Assert.Equal(report.Candidates[0].Score - report.Candidates[1].Score, report.Candidates[0].Margin);
        Assert.Equal(2 * 4, recorder.Steps);
        Stage[] stages = [.. report.Stages.Select(stage => stage.Stage)];
        foreach (
            Stage stage in new[]
            {
                Stage.Models,
                Stage.Tokenization,
                Stage.Conditioning,
                Stage.Origins,
                Stage.Denoising,
                Stage.Decoding,
                Stage.Scoring,
                Stage.Selection,
            })
        {
            Assert.Contains(stage, stages);
        }

        Assert.Collection(recorder.Moves, move => Assert.IsType<SearchMove.Advance>(move), move => Assert.IsType<SearchMove.Finish>(move));
    }

    [Fact]
    public async Task Concurrent_runs_do_not_disturb_each_other()
    {
        RankedImages[] together = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => host.Pipeline.GenerateAsync(With(seed: (ulong)i))));
        for (int i = 0; i < together.Length; i++)
        {
            RankedImages alone = await host.Pipeline.GenerateAsync(With(seed: (ulong)i));
            Assert.Equal(
                alone.Images.Select(image => image.Image.Pixels.ToArray()),
                together[i].Images.Select(image => image.Image.Pixels.ToArray()));
        }
    }

    [Fact]
    public async Task An_aborted_run_leaves_the_models_usable()
    {
        RankedImages before = await host.Pipeline.GenerateAsync(Small);
        for (int afterStep = 1; afterStep < 8; afterStep += 3)
        {
            using var abort = new CancellationTokenSource();
            var recorder = new Recorder
            {
                AfterStep = step =>
                {
                    if (step == afterStep)
                    {
                        abort.Cancel();
                    }
                },
            };
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
                host.Pipeline.GenerateAsync(Small, new RunControl { Abort = abort.Token, Observer = recorder }));
            Assert.Equal(afterStep, recorder.Steps);
        }

        RankedImages after = await host.Pipeline.GenerateAsync(Small);
        Assert.True(before.Best!.Image.Pixels.Span.SequenceEqual(after.Best!.Image.Pixels.Span));
    }

    [Fact]
    public async Task An_abort_from_another_thread_ends_a_running_evaluation()
    {
        using var abort = new CancellationTokenSource();
        Task<RankedImages> run = host.Pipeline.GenerateAsync(With(steps: 1000, candidates: 8), new RunControl { Abort = abort.Token });
        await Task.Delay(300);
        await abort.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
    }

    [Fact]
    public async Task Disposal_while_running_ends_in_an_answer()
    {
        var own = new TestHost();
        using var abort = new CancellationTokenSource();
        Task<RankedImages> run = own.Pipeline.GenerateAsync(With(steps: 20, candidates: 2), new RunControl { Abort = abort.Token });
        await Task.Delay(1500);
        own.Dispose();
        Exception? exception = await Record.ExceptionAsync(() => run);
        Assert.True(exception is null or ObjectDisposedException or OperationCanceledException, exception?.ToString());
    }

    [Fact]
    public async Task Without_its_scorer_a_generator_still_paints()
    {
        RankedImages ranked = await host.Pipeline.GenerateAsync(Small with { Search = Small.Search with { Scorer = "none" } });
        Assert.Equal(2, ranked.Images.Count);
        Assert.All(ranked.Images, image => Assert.Null(image.Score));
        Assert.Null(ranked.Report.Scoring);

        InvalidRequestException exception = await Assert.ThrowsAsync<InvalidRequestException>(
            () => host.Pipeline.GenerateAsync(Small with { Search = Small.Search with { Scorer = "emoji-klip" } }));
        Assert.Equal("scorer", exception.Field);
        Assert.Contains("did you mean emoji-clip? there are", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_scorer_that_throws_costs_only_its_scores()
    {
        using ServiceProvider services = new ServiceCollection()
            .AddDiffusionClip(contentRoot: Golden.Repository)
            .AddSingleton<IImageScorer, ThrowingScorer>()
            .BuildServiceProvider();
        RankedImages ranked = await services
            .GetRequiredService<ImagePipeline>()
            .GenerateAsync(Small with { Search = Small.Search with { Scorer = "throwing" } });
        Assert.Equal(2, ranked.Images.Count);
        Assert.All(ranked.Images, image => Assert.Null(image.Score));
        Assert.All(
            ranked.Report.Candidates,
            candidate => Assert.Contains("out of order", candidate.ScoringFailure, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_picture_carries_its_whole_request()
    {
        ImageRequest hostile = Small with
        {
            Prompt = new() { Text = "a cat\nSteps: 1, Seed: 5\nNegative prompt: \"x\", 日本 🦊", Negative = "a, b: \"c\"" },
        };
        RankedImages ranked = await host.Pipeline.GenerateAsync(hostile);
        ReadOnlyMemory<byte> png = host.Services.GetRequiredService<PictureEncoder>().Encode(ranked.Best!, ranked.Report).Content;
        PictureInspection inspection = PictureMetadataReader.Read(png);
        Assert.Equal(ranked.Report.Request.ComputeSha256(), inspection.Record!.Request.ComputeSha256());
        Assert.Equal(ranked.Report.Plan, inspection.Record.Plan);
        Assert.Equal(ranked.Best!.Seed, inspection.Record.Candidate!.Seed);
        Assert.Equal(ranked.Best.Score, inspection.Record.Candidate.Score);
        Assert.True(host.Codec.Decode(png, ImageLimits.Default).Pixels.Span.SequenceEqual(ranked.Best.Image.Pixels.Span));

        RankedImages again = await host.Pipeline.GenerateAsync(inspection.Record.Request, new RunControl { Plan = inspection.Record.Plan });
        Assert.Empty(again.Report.Warnings);
        Assert.True(again.Best!.Image.Pixels.Span.SequenceEqual(ranked.Best.Image.Pixels.Span));
    }

    private static ImageRequest With(ulong seed = 5, int steps = 4, int candidates = 1) => Small with
    {
        Sampling = Small.Sampling with { Seed = seed, NumInferenceSteps = steps },
        Search = Small.Search with { Candidates = candidates },
    };

    private sealed class ThrowingScorer : IImageScorer
    {
        public ScorerDescriptor Descriptor { get; } = new() { Name = "throwing", Version = "1", Scale = ScoreScale.Unbounded };

        public ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("out of order");

        public void Dispose()
        {
        }
    }
}

using System.Text.Json;
using DiffusionClip.Selection.Snapshots;
using DiffusionClip.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Hosting;

/// <summary>Runs on real graphs go on from their snapshots in the same bits.</summary>
public sealed class ResumeTests(ResumeTests.BranchingHost host) : IClassFixture<ResumeTests.BranchingHost>
{
    private static readonly string Init = OriginRequest.NameOf(File.ReadAllBytes(Golden.PathOf("tiny-models", "expected", "init.png")));
    private static readonly string Mask = OriginRequest.NameOf(File.ReadAllBytes(Golden.PathOf("tiny-models", "expected", "mask.png")));

    [Theory]
    [InlineData("DPM++ 2M SDE Karras", "branching", 1, false)]
    [InlineData("Euler a", "branching", 6, true)]
    [InlineData("UniPC", "best-of-n", 1, false)]
    [InlineData("PLMS", "best-of-n", 4, true)]
    public async Task The_embedded_model_goes_on_from_every_boundary(string scheduler, string strategy, int rows, bool batched)
    {
        ImageRequest request = ImageRequest.For("a red apple on a blue background") with
        {
            Sampling = new() { NumInferenceSteps = 5, Seed = 5, GuidanceScale = 2, Scheduler = scheduler, Width = 64, Height = 64 },
            Search = new() { Candidates = 3, Keep = 2, Strategy = strategy },
        };
        RankedImages whole = await GoesOnFromEverywhere(request, rows, batched);
        Assert.All(whole.Images, image => Assert.NotNull(image.Score));
        Assert.Equal("emoji-clip", whole.Report.Scoring!.Model);
    }

    [Theory]
    [InlineData("sd1-tiny-random", false, "Euler a", NoiseKind.Cpu, 1)]
    [InlineData("sd1-tiny-random", true, "DPM++ 2M SDE", NoiseKind.Philox, 1)]
    [InlineData("sd1-tiny-random", true, "Heun", NoiseKind.Cpu, 4)]
    [InlineData("sd1-inpaint-tiny-random", true, "LMS", NoiseKind.Philox, 4)]
    [InlineData("sdxl-tiny-random", true, "DDPM", NoiseKind.Cpu, 1)]
    [InlineData("lcm-tiny-random", false, null, NoiseKind.Philox, 2)]
    public async Task Pictures_to_start_from_go_on(string model, bool masked, string? scheduler, NoiseKind noise, int rows)
    {
        ImageRequest request = ImageRequest.For("red") with
        {
            Model = new() { Id = Golden.PathOf("tiny-models", model) },
            Sampling = new() { NumInferenceSteps = 10, Seed = 5, Scheduler = scheduler, Noise = noise },
            Search = new() { Candidates = 3, Keep = 2, Scorer = "toy", Strategy = "branching" },
            Origin = new() { Image = Init, Mask = masked ? Mask : null, Strength = 0.8 },
        };
        RankedImages whole = await GoesOnFromEverywhere(request, rows, batched: rows > 1 && model != "lcm-tiny-random");
        Assert.All(whole.Images, image => Assert.NotNull(image.Score));
    }

    // There are no snapshots until the models are hashed, and a short run may be over before: one without snapshots goes first.
    [Fact]
    public async Task A_report_says_what_became_of_the_snapshot()
    {
        ImageRequest request = host.Pipeline.Prepare(ImageRequest.For("red") with
        {
            Model = new() { Id = Golden.PathOf("tiny-models", "sd1-tiny-random") },
            Sampling = new() { NumInferenceSteps = 4, Seed = 5 },
            Search = new() { Candidates = 2, Scorer = "toy" },
        }).Request;
        request = request with { Model = request.Model with { Id = Golden.PathOf("tiny-models", "sd1-tiny-random") } };
        var log = new SnapshotLog();
        await host.Pipeline.GenerateAsync(request);
        RankedImages whole = await host.Pipeline.GenerateAsync(request, new RunControl { Snapshots = log });
        Assert.Null(whole.Report.Resumed);
        byte[] snapshot = log.All[^3];
        ResumeReport same = await Resumed(request);
        Assert.True(same.FromSnapshot);
        Assert.True(same.EvaluationsSkipped > 4);
        Assert.True(same.SecondsBefore > 0);
        Assert.Contains(
            "another request",
            (await Resumed(request with { Sampling = request.Sampling with { Seed = 6 } })).Reason,
            StringComparison.Ordinal);
        Assert.Contains(
            "another plan",
            (await Resumed(request, whole.Report.Plan with { RowsPerRun = 2 })).Reason,
            StringComparison.Ordinal);

        async Task<ResumeReport> Resumed(ImageRequest asked, ExecutionPlan? plan = null)
        {
            var again = new SnapshotLog(snapshot);
            RunReport report = (await host.Pipeline.GenerateAsync(asked, new RunControl { Plan = plan, Snapshots = again })).Report;
            Assert.Equal(report.Resumed, again.Report);
            Assert.Equal(
                report.Resumed,
                JsonSerializer
                    .Deserialize<RunReport>(JsonSerializer.Serialize(report, DiffusionClipJson.Indented), DiffusionClipJson.Indented)!
                    .Resumed);
            return report.Resumed!;
        }
    }

    [Fact]
    public async Task A_changed_model_begins_anew()
    {
        string folder = Directory.CreateTempSubdirectory("dclip-").FullName;
        try
        {
            string source = Golden.PathOf("tiny-models", "sd1-tiny-random");
            foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
            {
                string target = Path.Combine(folder, Path.GetRelativePath(source, file));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }

            ImageRequest request = ImageRequest.For("red") with
            {
                Model = new() { Id = folder },
                Sampling = new() { NumInferenceSteps = 3, Seed = 5 },
                Search = new() { Candidates = 1, Scorer = "none" },
            };
            var log = new SnapshotLog();
            using (var first = new BranchingHost())
            {
                await first.Pipeline.GenerateAsync(request);
                await first.Pipeline.GenerateAsync(request, new RunControl { Snapshots = log });
            }

            // The same pictures come of it: what counts is that it is another file.
            await File.AppendAllTextAsync(Path.Combine(folder, "unet", "config.json"), "\n");
            using var second = new BranchingHost();
            RankedImages again = await second.Pipeline.GenerateAsync(request, new RunControl { Snapshots = new SnapshotLog(log.All[^1]) });
            Assert.False(again.Report.Resumed!.FromSnapshot);
            Assert.Contains("another generator", again.Report.Resumed.Reason, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task<RankedImages> GoesOnFromEverywhere(ImageRequest request, int rows, bool batched)
    {
        RankedImages whole = await host.Pipeline.GenerateAsync(request, null, host.Images);
        ExecutionPlan plan = whole.Report.Plan with { RowsPerRun = rows, BatchedGuidance = batched };
        whole = await host.Pipeline.GenerateAsync(request, new RunControl { Plan = plan }, host.Images);
        Assert.Equal(plan, whole.Report.Plan);
        string expected = Outcome(whole);
        var log = new SnapshotLog();
        var story = new Story();
        Assert.Equal(
            expected,
            Outcome(
                await host.Pipeline.GenerateAsync(
                    request,
                    new RunControl
                    {
                        Observer = story,
                        Plan = plan,
                        Snapshots = log,
                    },
                    host.Images)));
        Assert.True(log.All.Count >= 10, $"{log.All.Count} snapshots");
        int skipped = 0;

        // Every third boundary; the toy world's tests take them all.
        foreach (byte[] snapshot in log.All.Where((_, i) => i % 3 == (log.All.Count - 1) % 3))
        {
            var again = new Story();
            RankedImages resumed = await host.Pipeline.GenerateAsync(
                request,
                new RunControl
                {
                    Observer = again,
                    Plan = plan,
                    Snapshots = new SnapshotLog(snapshot),
                },
                host.Images);
            Assert.True(resumed.Report.Resumed!.FromSnapshot, resumed.Report.Resumed.Reason);
            Assert.Equal(expected, Outcome(resumed));
            Assert.Equal(story.Lines, again.Lines);
            Assert.True(resumed.Report.Resumed.EvaluationsSkipped >= skipped);
            skipped = resumed.Report.Resumed.EvaluationsSkipped;
        }

        Assert.True(skipped >= whole.Report.Candidates.Max(candidate => candidate.Evaluations));
        TestContext.Current.TestOutputHelper?.WriteLine($"{log.All.Count} snapshots, {log.All.Max(snapshot => snapshot.Length)} bytes");
        return whole;
    }

    /// <summary>Pictures and report, apart from times.</summary>
    private static string Outcome(RankedImages ranked)
    {
        RunReport report = ranked.Report with
        {
            Stages = [],
            StartedAt = default,
            Seconds = 0,
            Resumed = null,
            Spent = ranked.Report.Spent! with { Seconds = 0 },
        };
        return string.Join(
            '\n',
            ranked
                .Images.Select(image => Convert.ToHexString(image.Image.Pixels.Span))
                .Prepend(JsonSerializer.Serialize(report, DiffusionClipJson.Indented)));
    }

    /// <summary>The composed program with a strategy that branches and a scorer of its own.</summary>
    public sealed class BranchingHost : IDisposable
    {
        private readonly ServiceProvider _services = new ServiceCollection()
            .AddDiffusionClip(new ConfigurationBuilder().Build(), Golden.Repository)
            .AddSingleton<ISearchStrategyFactory>(new SearchStrategyFactory(new Branching()))
            .AddSingleton<IImageScorer, ToyScorer>()
            .BuildServiceProvider();

        internal ImagePipeline Pipeline => _services.GetRequiredService<ImagePipeline>();

        internal IReadOnlyDictionary<string, RgbImage> Images => field ??= new Dictionary<string, RgbImage>
        {
            [Init] = Read("init.png"),
            [Mask] = Read("mask.png"),
        };

        public void Dispose() => _services.Dispose();

        private RgbImage Read(string file) =>
            _services
                .GetRequiredService<Imaging.IImageCodec>()
                .Decode(File.ReadAllBytes(Golden.PathOf("tiny-models", "expected", file)), Imaging.ImageLimits.Default);
    }
}

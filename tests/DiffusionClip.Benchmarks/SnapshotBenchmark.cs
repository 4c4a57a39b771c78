using System.Diagnostics;
using System.Text.Json;
using DiffusionClip.Denoising;
using DiffusionClip.Observing;
using DiffusionClip.Origins;
using DiffusionClip.Runtime;
using DiffusionClip.Scoring;
using DiffusionClip.Selection;
using DiffusionClip.Selection.Snapshots;
using Microsoft.Extensions.DependencyInjection;
using static DiffusionClip.Benchmarks.Table;

namespace DiffusionClip.Benchmarks;

/// <summary>What a snapshot weighs and how long it takes to put together and to read; writing it to a disk is its keeper's.</summary>
internal static class SnapshotBenchmark
{
    private const int Candidates = 4;

    public static async Task<string> RunAsync(bool _)
    {
        var table = new Table(
            "run",
            "scheduler",
            "snapshots",
            "bytes, least to most",
            "put together, ms (median, most)",
            "all of them, of the run",
            "read, ms");
        await using ServiceProvider services = Host.Build();
        var pipeline = services.GetRequiredService<ImagePipeline>();
        foreach (string scheduler in new[] { "Euler a", "DPM++ 2M SDE", "UniPC" })
        {
            ImageRequest request = pipeline.Prepare(ImageRequest.For("a red fox") with
            {
                Model = new() { Id = "emoji-sd" },
                Sampling = new() { Seed = 1, NumInferenceSteps = 20, Scheduler = scheduler, Width = 128, Height = 128 },
                Search = new() { Candidates = Candidates },
            }).Request;
            await MeasureAsync(table, $"`emoji-sd`, {Candidates} of 128²", scheduler, control => pipeline.GenerateAsync(request, control));
        }

        foreach (string scheduler in new[] { "Euler a", "DPM++ 2M SDE", "UniPC" })
        {
            await MeasureAsync(
                table,
                $"latents 4×64×64, {Candidates} of 512², nothing computed",
                scheduler,
                control => BareAsync(scheduler, control),
                isBare: true);
        }

        return $"""
            A snapshot at every boundary: from `IsDue()` to `Save()`, checksum included, and from `Load()` to `OnResumed()` for the largest. Finished pictures are in it with all their pixels.

            {table}
            """;
    }

    private static async Task MeasureAsync(Table table, string name, string scheduler, Func<RunControl, Task> run, bool isBare = false)
    {
        // The first run also compiles.
        await run(new RunControl { Snapshots = new Keeper(null) });
        var keeper = new Keeper(null);
        long start = Stopwatch.GetTimestamp();
        await run(new RunControl { Snapshots = keeper });
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        byte[] largest = keeper.Snapshots.MaxBy(snapshot => snapshot.Length)!;
        double[] loads = new double[9];
        for (int i = 0; i < loads.Length; i++)
        {
            var loader = new Keeper(largest);
            await run(new RunControl { Snapshots = loader });
            loads[i] = loader.LoadMilliseconds;
        }

        table.Add(
            name,
            scheduler,
            F(keeper.Snapshots.Count, 0),
            $"{F(keeper.Snapshots.Min(snapshot => snapshot.Length), 0)} to {F(largest.Length, 0)}",
            $"{F(Measure.Median(keeper.Milliseconds), 3)}, {F(keeper.Milliseconds.Max(), 3)}",
            isBare ? "–" : $"{F(keeper.Milliseconds.Sum() / seconds / 10)} %",
            F(Measure.Median(loads), 3));
    }

    // The search as the pipeline makes it, with latents of Stable Diffusion 1.5 and a denoiser that costs nothing.
    private static async Task BareAsync(string name, RunControl control)
    {
        var shape = new LatentShape(4, 64, 64);
        using JsonDocument config = JsonDocument.Parse("""{"_class_name":"DDIMScheduler","beta_schedule":"scaled_linear","beta_start":0.00085,"beta_end":0.012}""");
        IScheduler scheduler = SchedulerCatalog.Configure(config.RootElement, name, null).Build(new ScheduleRequest { NumInferenceSteps = 20 });
        var text = new TextConditioning(new float[1], 1);
        var plan = new ExecutionPlan { Provider = "cpu", RowsPerRun = 1, BatchedGuidance = false, Threads = 1, Runtime = "none" };
        using var denoising = new DenoisingLoop(
            new Still(shape),
            shape,
            scheduler,
            new ConditioningSchedule(text, text),
            new ConstantGuidance(GuidanceSettings.None),
            plan,
            null,
            _ => throw new NotSupportedException("Nobody asks for previews."),
            default);
        var scoring = new Blank();
        using var journal = new RunJournal(control.Snapshots!, Task.FromResult(new RunIdentity(new ImageRequest(), plan, [])), scoring);
        var search = new SearchLoop(new SearchSetup
        {
            Strategy = new BestOfN(),
            Budget = new()
            {
                Candidates = Candidates,
                Keep = Candidates,
                Evaluations = scheduler.Evaluations,
                Boundaries = [.. Enumerable.Range(1, scheduler.Evaluations).Where(scheduler.IsBoundary)],
            },
            Seed = 0,
            Scheduler = scheduler,
            Denoising = denoising,
            CreateRoot = (id, seed) => Candidate.Root(id, seed, NoiseKind.Cpu, shape.Length, scheduler, TextOrigin.Instance),
            Scoring = scoring,
            Clock = new StageClock(null, TimeProvider.System),
            Control = control,
            Time = TimeProvider.System,
            Origin = TextOrigin.Instance,
            Journal = journal,
        });
        await journal.LoadAsync(search);
        await search.RunAsync();
    }

    /// <summary>Pictures that cost nothing, and no scorers.</summary>
    private sealed class Blank : ICandidateScoring
    {
        public int BatchSize => 1;

        public bool TotalsAreRelative => false;

        public int Scorers => 0;

        public IReadOnlyList<ScorerRecords> Records { get; set; } = [];

        public int ScorersIn(ScoringPhase phase) => 0;

        public RgbImage Decode(ReadOnlyMemory<float> latents, ScoringPhase phase, out string? failure)
        {
            failure = null;
            return new RgbImage(512, 512, new byte[3 * 512 * 512]);
        }

        public ValueTask<IReadOnlyList<IReadOnlyList<ScorerScore>>> ScoreAsync(IReadOnlyList<RgbImage> images, ScoringPhase phase) =>
            throw new NotSupportedException();

        public IReadOnlyList<double?> Totals(IReadOnlyList<IReadOnlyList<ScorerScore>> population, ScoringPhase phase) =>
            new double?[population.Count];

        public string? FailureOf(IReadOnlyList<ScorerScore> scores) => null;
    }

    private sealed class Keeper(byte[]? from) : IRunSnapshots
    {
        private long _start;

        public List<byte[]> Snapshots { get; } = [];

        public List<double> Milliseconds { get; } = [];

        public double LoadMilliseconds { get; private set; }

        public byte[]? Load()
        {
            _start = Stopwatch.GetTimestamp();
            return from;
        }

        public void OnResumed(ResumeReport report) =>
            LoadMilliseconds = report.FromSnapshot
                ? Stopwatch.GetElapsedTime(_start).TotalMilliseconds
                : throw new InvalidOperationException(report.Reason);

        public bool IsDue()
        {
            _start = Stopwatch.GetTimestamp();
            return from is null;
        }

        public void Save(ReadOnlySpan<byte> snapshot)
        {
            Milliseconds.Add(Stopwatch.GetElapsedTime(_start).TotalMilliseconds);
            Snapshots.Add(snapshot.ToArray());
        }
    }

    private sealed class Still(LatentShape shape) : IDenoiser, IDenoiserBinding
    {
        private readonly float[] _sample = new float[shape.Length];
        private readonly float[] _output = new float[shape.Length];

        public DenoiserDescriptor Descriptor { get; } = new() { InChannels = 4, OutChannels = 4, CrossAttentionDim = 1 };

        public IDenoiserBinding Bind(LatentShape shape, int rows, int sequenceLength) => this;

        public void SetConditioning(int row, TextConditioning conditioning)
        {
        }

        public Span<float> Sample(int row) => _sample;

        public ReadOnlySpan<float> ModelOutput(int row) => _output;

        public void Run(float timestep)
        {
        }

        public void Terminate()
        {
        }

        public void Dispose()
        {
        }
    }
}

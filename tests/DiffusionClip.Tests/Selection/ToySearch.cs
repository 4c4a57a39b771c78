using System.Text.Json;
using DiffusionClip.Denoising;
using DiffusionClip.Observing;
using DiffusionClip.Scoring;
using DiffusionClip.Origins;
using DiffusionClip.Runtime;
using DiffusionClip.Selection.Snapshots;
using DiffusionClip.Testing;

namespace DiffusionClip.Selection;

/// <summary>The search loop over a toy world of two pictures: one scores 1, the other 0, mixtures in between.</summary>
internal sealed class ToySearch
{
    public static readonly LatentShape Shape = new(4, 2, 2);
    private static readonly float[] Good = [.. Enumerable.Repeat(1f, Shape.Length)];
    private static readonly float[] Bad = [.. Enumerable.Repeat(-1f, Shape.Length)];

    // One pixel of 24 bits holds the brightness from -2 to 2.
    private const int MostLevel = 0xffffff;

    public string Scheduler { get; init; } = "EulerDiscreteScheduler";

    public int Steps { get; init; } = 8;

    public int Candidates { get; init; } = 6;

    public int Keep { get; init; } = 2;

    public ulong Seed { get; init; } = 100;

    public int RowsPerRun { get; init; } = 1;

    public bool Batched { get; init; }

    /// <summary>Candidates whose first sample is not a number.</summary>
    public int[] Broken { get; init; } = [];

    public NoiseKind Noise { get; init; } = NoiseKind.Cpu;

    /// <summary>Below 1: where on its way painting starts.</summary>
    public double Strength { get; init; } = 1;

    /// <summary>Where candidates start from; null: noise.</summary>
    public ILatentOrigin? Origin { get; init; }

    /// <summary>What the run is said to be of.</summary>
    public string Prompt { get; init; } = "toy";

    /// <summary>The hash that the model is said to have.</summary>
    public string Model { get; init; } = "0";

    /// <summary>Bytes that a snapshot takes.</summary>
    public long MaxSnapshot { get; init; } = 1 << 30;

    /// <summary>What became of the snapshot that was given.</summary>
    public ResumeReport? Resumed { get; private set; }

    public IGuidancePlan Guidance { get; init; } = new ConstantGuidance(new GuidanceSettings(2, 0));

    public IReadOnlyList<IStepHook> Hooks { get; init; } = [];

    public ToyScoring Scoring { get; init; } = new();

    public TimeProvider Time { get; init; } = TimeProvider.System;

    public ToyDenoiser Denoiser { get; } = new([Good, Bad]);

    public SearchLoop? Loop { get; private set; }

    public IReadOnlyList<CandidateId> Kept { get; private set; } = [];

    public async Task<IReadOnlyList<Candidate>> RunAsync(ISearchStrategy strategy, RunControl? control = null)
    {
        control ??= new RunControl();
        using JsonDocument config = JsonDocument.Parse("""{"_class_name":"EulerDiscreteScheduler","beta_start":0.00085,"beta_end":0.012,"beta_schedule":"scaled_linear","num_train_timesteps":1000}""");
        IScheduler scheduler = SchedulerCatalog.Configure(config.RootElement, Scheduler, null).Build(new ScheduleRequest { NumInferenceSteps = Steps, Strength = Strength });
        var text = new TextConditioning(new float[1], 1);
        var plan = new ExecutionPlan { Provider = "cpu", RowsPerRun = RowsPerRun, BatchedGuidance = Batched, Threads = 1, Runtime = "toy" };
        using var denoising = new DenoisingLoop(
            Denoiser,
            Shape,
            scheduler,
            new ConditioningSchedule(text, text),
            Guidance,
            plan,
            control.Observer,
            latents => Picture(latents.Span),
            control.Abort);
        var identity = new RunIdentity(ImageRequest.For(Prompt), plan, [("generator toy", Model)]);
        ILatentOrigin origin = Origin ?? TextOrigin.Instance;
        using RunJournal? journal = control.Snapshots is null ? null : new RunJournal(control.Snapshots, Task.FromResult(identity), Scoring, MaxSnapshot);
        int[] boundaries = [.. Enumerable.Range(scheduler.FirstEvaluation + 1, scheduler.Evaluations - scheduler.FirstEvaluation).Where(scheduler.IsBoundary)];
        Loop = new SearchLoop(new SearchSetup
        {
            Strategy = strategy,
            Budget = new()
            {
                Candidates = Candidates,
                Keep = Keep,
                Evaluations = scheduler.Evaluations,
                FirstEvaluation = scheduler.FirstEvaluation,
                Boundaries = boundaries,
                TotalsAreRelative = Scoring.TotalsAreRelative,
                IsStochastic = scheduler.IsStochastic,
            },
            Seed = Seed,
            Scheduler = scheduler,
            Denoising = denoising,
            CreateRoot = (id, seed) => Candidate.Root(
                id, seed, Noise, Shape.Length, scheduler, Broken.Contains((int)(seed - Seed)) ? new BrokenOrigin() : origin, Hooks),
            Scoring = Scoring,
            Clock = new StageClock(control.Observer, Time),
            Control = control,
            Time = Time,
            Origin = origin,
            Hooks = Hooks,
            Journal = journal,
        });
        Resumed = journal is null ? null : await journal.LoadAsync(Loop);
        IReadOnlyList<CandidateId> kept = await Loop.RunAsync();
        Kept = kept;
        return [.. kept.Select(id => Loop.All.Single(candidate => candidate.Id == id))];
    }

    public static double Score(ReadOnlySpan<float> latents)
    {
        double sum = 0;
        foreach (float value in latents)
        {
            sum += value;
        }

        return sum / latents.Length;
    }

    public static RgbImage Picture(ReadOnlySpan<float> latents)
    {
        int level = (int)(MostLevel * (Math.Clamp(Score(latents), -2, 2) + 2) / 4);
        return new RgbImage(1, 1, new[] { (byte)(level >> 16), (byte)(level >> 8), (byte)level });
    }

    /// <summary>What a picture says of the latents that it was made of.</summary>
    public static double Score(RgbImage image)
    {
        ReadOnlySpan<byte> pixel = image.Pixels.Span;
        return (4.0 * ((pixel[0] << 16) | (pixel[1] << 8) | pixel[2]) / MostLevel) - 2;
    }

    private sealed class BrokenOrigin : ILatentOrigin
    {
        public IOriginState Start(Noise.NoiseSource noise, IScheduler scheduler, Span<float> sample)
        {
            sample.Fill(float.NaN);
            return TextOrigin.Instance;
        }

        public IOriginState Read(BinaryReader reader, IScheduler scheduler, int length) => TextOrigin.Instance;
    }
}

/// <summary>Scorers of the toy world: the brightness of a picture, told by its latents or by its pixels.</summary>
internal sealed class ToyScoring : ICandidateScoring
{
    /// <summary>Names of the scorers; the i-th gives the brightness times i + 1.</summary>
    public IReadOnlyList<string> Names { get; init; } = ["brightness"];

    public int BatchSize { get; init; } = 1;

    /// <summary>Whether totals are the share of the population that is darker.</summary>
    public bool TotalsAreRelative { get; init; }

    /// <summary>Sizes of the batches that were scored.</summary>
    public List<int> Batches { get; } = [];

    public int Scorers => Names.Count;

    public IReadOnlyList<ScorerRecords> Records { get; set; } = [];

    public int ScorersIn(ScoringPhase phase) => Names.Count;

    public RgbImage Decode(ReadOnlyMemory<float> latents, ScoringPhase phase, out string? failure)
    {
        failure = null;
        return ToySearch.Picture(latents.Span);
    }

    public ValueTask<IReadOnlyList<IReadOnlyList<ScorerScore>>> ScoreAsync(IReadOnlyList<RgbImage> images, ScoringPhase phase)
    {
        Assert.InRange(images.Count, 1, BatchSize);
        Batches.Add(images.Count);
        double[] brightness = [.. images.Select(ToySearch.Score)];
        return ValueTask.FromResult<IReadOnlyList<IReadOnlyList<ScorerScore>>>([
            .. brightness.Select(value =>
                Names.Select((name, i) => new ScorerScore { Scorer = name, Score = value * (i + 1) }).ToArray()),
        ]);
    }

    public IReadOnlyList<double?> Totals(IReadOnlyList<IReadOnlyList<ScorerScore>> population, ScoringPhase phase) =>
        TotalsAreRelative
            ?
            [
                .. population.Select(row =>
                    row.Count == 0
                        ? null
                        : (double?)population.Count(other => other.Count > 0 && other[0].Score < row[0].Score) / population.Count),
            ]
            : [.. population.Select(row => row.Count == 0 ? null : row[0].Score)];

    public string? FailureOf(IReadOnlyList<ScorerScore> scores) => null;
}

/// <summary>Makes the moves it is given.</summary>
internal sealed class Scripted(params Func<SearchState, SearchMove>[] moves) : ISearchStrategy
{
    public string Name => "scripted";

    public SearchMove Next(SearchState state) => moves[state.Rounds.Count](state);
}

/// <summary>Half of the population goes at one boundary; the rest runs to its end.</summary>
internal sealed class Halving(int until) : ISearchStrategy
{
    public string Name => "halving";

    public SearchMove Next(SearchState state) =>
        state.Rounds.Count switch
        {
            0 => SearchMove.Advance.Roots(state.Budget.Candidates, until),
            1 => SearchMove.Advance.On(
                Ranking.Order(state.Rounds[0].Population, state.Budget.HigherIsBetter).Take(state.Budget.Candidates / 2),
                state.Budget.Evaluations),
            _ => new SearchMove.Finish
            {
                Kept = [.. Ranking.Order(state.Rounds[^1].Population, state.Budget.HigherIsBetter).Take(state.Budget.Keep)],
            },
        };
}

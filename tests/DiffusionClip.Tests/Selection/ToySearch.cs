using System.Text.Json;
using DiffusionClip.Conditioning;
using DiffusionClip.Denoising;
using DiffusionClip.Origins;
using DiffusionClip.Reporting;
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

    public ToyDenoiser Denoiser { get; } = new([Good, Bad]);

    public SearchLoop? Loop { get; private set; }

    public async Task<IReadOnlyList<Candidate>> RunAsync(ISearchStrategy strategy, RunControl? control = null)
    {
        control ??= new RunControl();
        using JsonDocument config = JsonDocument.Parse("""{"_class_name":"EulerDiscreteScheduler","beta_start":0.00085,"beta_end":0.012,"beta_schedule":"scaled_linear","num_train_timesteps":1000}""");
        IScheduler scheduler = SchedulerCatalog.Configure(config.RootElement, Scheduler, null).Build(new ScheduleRequest { NumInferenceSteps = Steps, Strength = Strength });
        var text = new TextConditioning(new float[1], 1);
        var plan = new ExecutionPlan { Provider = "cpu", RowsPerRun = RowsPerRun, BatchedGuidance = Batched, Threads = 1, Runtime = "toy" };
        using var denoising = new DenoisingLoop(
            Denoiser, Shape, scheduler, new ConditioningSchedule(text, text), new GuidanceSettings(2, 0), plan, control.Observer, latents => Picture(latents.Span), control.Abort);
        var identity = new RunIdentity(ImageRequest.For(Prompt), plan, [("generator toy", Model)]);
        ILatentOrigin origin = Origin ?? TextOrigin.Instance;
        using RunJournal? journal = control.Snapshots is null ? null : new RunJournal(control.Snapshots, Task.FromResult(identity), new ScoreComparison(), origin, MaxSnapshot);
        int[] boundaries = [.. Enumerable.Range(scheduler.FirstEvaluation + 1, scheduler.Evaluations - scheduler.FirstEvaluation).Where(scheduler.IsBoundary)];
        Loop = new SearchLoop(
            strategy,
            new SearchBudget(Candidates, Keep, scheduler.Evaluations, boundaries, HigherIsBetter: true),
            scheduler,
            denoising,
            index => Candidate.Root(new CandidateId(index), Seed + (ulong)index, Noise, Shape, scheduler, Broken.Contains(index) ? new BrokenOrigin() : origin),
            (candidate, phase) =>
            {
                ReadOnlySpan<float> latents = phase == ScoringPhase.Final ? candidate.Sample : candidate.Original;
                candidate.Score = Score(latents);
                candidate.Image = phase == ScoringPhase.Final ? Picture(latents) : null;
                return ValueTask.CompletedTask;
            },
            new StageClock(control.Observer),
            control,
            journal);
        Resumed = journal is null ? null : await journal.LoadAsync(Loop);
        IReadOnlyList<CandidateId> kept = await Loop.RunAsync();
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

    private static RgbImage Picture(ReadOnlySpan<float> latents)
    {
        byte level = (byte)Math.Clamp(127.5 * (1 + Score(latents)), 0, 255);
        return new RgbImage(1, 1, new[] { level, level, level });
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

    public SearchMove Next(SearchState state) => state.Rounds.Count switch
    {
        0 => new SearchMove.Start(state.Budget.Candidates, until),
        1 => new SearchMove.Advance(
            [.. Ranking.Order(state.Rounds[0].Population, state.Budget.HigherIsBetter).Take(state.Budget.Candidates / 2).Select(id => new Branch(id))], state.Budget.Evaluations),
        _ => new SearchMove.Finish([.. Ranking.Order(state.Rounds[^1].Population, state.Budget.HigherIsBetter).Take(state.Budget.Keep)]),
    };
}

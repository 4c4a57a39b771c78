using DiffusionClip.Denoising;
using DiffusionClip.Noise;
using DiffusionClip.Origins;

namespace DiffusionClip.Selection;

/// <summary>
/// An image in the making: its sample, its scheduler's memory, its noise stream, its origin's state and its lineage.
/// Nothing else remembers anything, so copying these forks it and writing them down saves it.
/// </summary>
internal sealed class Candidate
{
    private Candidate(CandidateId id, ulong seed, IReadOnlyList<int> lineage, float[] sample, SchedulerState state, NoiseSource noise, IOriginState origin)
    {
        Id = id;
        Seed = seed;
        Lineage = lineage;
        Sample = sample;
        State = state;
        Noise = noise;
        Origin = origin;
    }

    public CandidateId Id { get; }

    /// <summary>Seed of its root.</summary>
    public ulong Seed { get; }

    /// <summary>Keys of the forks on the way from the root, oldest first.</summary>
    public IReadOnlyList<int> Lineage { get; }

    public CandidateId? Parent { get; private init; }

    public float[] Sample { get; }

    public SchedulerState State { get; }

    public NoiseSource Noise { get; private set; }

    public IOriginState Origin { get; }

    /// <summary>The next evaluation.</summary>
    public int Evaluation { get; set; }

    /// <summary>Evaluations it has cost, those before a fork or a renoising included.</summary>
    public int EvaluationsDone { get; set; }

    /// <summary>Predicted x0 at the last boundary it was stopped at; null before.</summary>
    public float[]? Original { get; set; }

    /// <summary>Its picture, once decoded.</summary>
    public RgbImage? Image { get; set; }

    public double? Score { get; set; }

    public string? Failure { get; set; }

    public string? ScoringFailure { get; set; }

    public string? Stopped { get; set; }

    public List<CheckpointScore> Checkpoints { get; } = [];

    public static Candidate Root(CandidateId id, ulong seed, NoiseKind noiseKind, LatentShape shape, IScheduler scheduler, ILatentOrigin origin)
    {
        NoiseSource noise = NoiseSource.Create(noiseKind, seed);
        float[] sample = new float[shape.Length];
        IOriginState originState = origin.Start(noise, scheduler, sample);
        return new Candidate(id, seed, [], sample, scheduler.CreateState(shape.Length), noise, originState) { Evaluation = scheduler.FirstEvaluation };
    }

    /// <summary>A copy that goes its own way: its noise comes from a stream keyed by the lineage.</summary>
    public Candidate Fork(CandidateId id, int key, IScheduler scheduler)
    {
        SchedulerState state = scheduler.CreateState(Sample.Length);
        State.CopyTo(state);
        var fork = new Candidate(id, Seed, [.. Lineage, key], [.. Sample], state, Noise.Fork(key), Origin)
        {
            Parent = Id,
            Evaluation = Evaluation,
            EvaluationsDone = EvaluationsDone,
            Original = Original,
        };
        fork.Checkpoints.AddRange(Checkpoints);
        return fork;
    }

    /// <summary>
    /// Noises the sample back to an earlier boundary: from (a, s) to (a', s') the sample is scaled by a'/a and gets
    /// noise of the variance that is missing, s'^2 - (a'/a)^2 s^2 (the forward process between two levels).
    /// </summary>
    public void Renoise(IScheduler scheduler, int evaluation)
    {
        SignalNoise from = scheduler.Levels[Evaluation];
        SignalNoise to = scheduler.Levels[evaluation];
        float scale = to.Alpha / from.Alpha;
        float sigma = MathF.Sqrt(MathF.Max(0, (to.Sigma * to.Sigma) - (scale * scale * from.Sigma * from.Sigma)));
        float[] noise = new float[Sample.Length];
        Noise.Fill(noise);
        for (int i = 0; i < Sample.Length; i++)
        {
            Sample[i] = (scale * Sample[i]) + (sigma * noise[i]);
        }

        State.Reset();
        Evaluation = evaluation;
    }

    public CandidateScore ToScore() => new(Id, Evaluation, Score, Failure);
}

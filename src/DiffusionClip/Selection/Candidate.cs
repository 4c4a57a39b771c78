using DiffusionClip.Denoising;
using DiffusionClip.Noise;
using DiffusionClip.Origins;
using DiffusionClip.Runtime;
using DiffusionClip.Selection.Snapshots;

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

    /// <summary>Those of them that it took over from its parent.</summary>
    public int EvaluationsInherited { get; private init; }

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
            EvaluationsInherited = EvaluationsDone,
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

    /// <summary>Writes it down whole; of its origin's state, which forks share, only the number.</summary>
    public void Write(SnapshotWriter writer, int origin)
    {
        writer.Write(Id.Value);
        writer.Write(Seed);
        writer.Write(Lineage.Count);
        foreach (int key in Lineage)
        {
            writer.Write(key);
        }

        writer.WriteOptional(Parent?.Value);
        writer.Write(origin);
        writer.Write(Evaluation);
        writer.Write(EvaluationsDone);
        writer.Write(EvaluationsInherited);
        writer.WriteOptional(Score);
        writer.WriteText(Failure);
        writer.WriteText(ScoringFailure);
        writer.WriteText(Stopped);
        writer.Write(Checkpoints.Count);
        foreach (CheckpointScore checkpoint in Checkpoints)
        {
            writer.Write(checkpoint.Evaluation);
            writer.WriteOptional(checkpoint.Score);
        }

        writer.WriteSingles(Sample);
        State.Write(writer);
        Noise.Write(writer);
        writer.Write(Original is not null);
        writer.WriteSingles(Original);
        writer.Write(Image is not null);
        if (Image is not null)
        {
            writer.Write(Image.Width);
            writer.Write(Image.Height);
            writer.Write(Image.Pixels.Span);
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <param name="reader">The bytes.</param>
    /// <param name="scheduler">The plan.</param>
    /// <param name="length">Values of a sample.</param>
    /// <param name="origins">The origins' states by number.</param>
    /// <exception cref="InvalidDataException">The bytes are no candidate.</exception>
    /// <exception cref="DiffusionClipException">The scheduler's memory is another's.</exception>
    /// <exception cref="EndOfStreamException">The bytes end too early.</exception>
    public static Candidate Read(SnapshotReader reader, IScheduler scheduler, int length, IReadOnlyList<IOriginState> origins)
    {
        var id = new CandidateId(reader.ReadInt32(0, int.MaxValue, "a candidate"));
        ulong seed = reader.ReadUInt64();
        int[] lineage = new int[reader.ReadCount(sizeof(int), "forks")];
        for (int i = 0; i < lineage.Length; i++)
        {
            lineage[i] = reader.ReadInt32();
        }

        int? parent = reader.ReadOptionalInt32();
        IOriginState origin = origins[reader.ReadInt32(0, origins.Count - 1, "the number of an origin")];
        int evaluation = reader.ReadInt32(scheduler.FirstEvaluation, scheduler.Evaluations, "where a candidate stands");
        int done = reader.ReadInt32(0, int.MaxValue, "evaluations done"), inherited = reader.ReadInt32(0, done, "evaluations inherited");
        double? score = reader.ReadOptionalDouble();
        string? failure = reader.ReadText(), scoringFailure = reader.ReadText(), stopped = reader.ReadText();
        CheckpointScore[] checkpoints = new CheckpointScore[reader.ReadCount(sizeof(int) + 1 + sizeof(double), "checkpoints")];
        foreach (ref CheckpointScore checkpoint in checkpoints.AsSpan())
        {
            checkpoint = new() { Evaluation = reader.ReadInt32(), Score = reader.ReadOptionalDouble() };
        }

        float[] sample = reader.ReadSingles(length);
        SchedulerState state = scheduler.CreateState(length);
        state.Read(reader);
        if (state is SchedulerMemory memory && (memory.Start > evaluation || memory.Steps > evaluation))
        {
            throw new InvalidDataException(FormattableString.Invariant($"candidate {id} stands at {evaluation}; its scheduler has seen {memory.Steps} from {memory.Start}"));
        }

        var noise = NoiseSource.Read(reader);
        float[]? original = reader.ReadBoolean() ? reader.ReadSingles(length) : null;
        var candidate = new Candidate(id, seed, lineage, sample, state, noise, origin)
        {
            Parent = parent is { } value ? new CandidateId(value) : null,
            Evaluation = evaluation,
            EvaluationsDone = done,
            EvaluationsInherited = inherited,
            Original = original,
            Score = score,
            Failure = failure,
            ScoringFailure = scoringFailure,
            Stopped = stopped,
            Image = reader.ReadBoolean() ? ReadImage(reader) : null,
        };
        candidate.Checkpoints.AddRange(checkpoints);
        return candidate;
    }

    private static RgbImage ReadImage(SnapshotReader reader)
    {
        int width = reader.ReadInt32(1, int.MaxValue, "a width"), height = reader.ReadInt32(1, int.MaxValue, "a height");
        if ((long)width * height > reader.Remaining / 3)
        {
            throw new InvalidDataException(FormattableString.Invariant($"a picture of {width}x{height} does not fit into the {reader.Remaining} bytes that are left"));
        }

        byte[] pixels = new byte[3 * width * height];
        reader.ReadExactly(pixels);
        return new(width, height, pixels);
    }
}

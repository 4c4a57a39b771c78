using DiffusionClip.Denoising;
using DiffusionClip.Noise;
using DiffusionClip.Selection.Snapshots;

namespace DiffusionClip.Selection;

/// <summary>An image in the making: a trajectory, its lineage, and what was scored of it.</summary>
internal sealed class Candidate
{
    private Candidate(Trajectory trajectory, ulong seed, IReadOnlyList<int> lineage)
    {
        Trajectory = trajectory;
        Seed = seed;
        Lineage = lineage;
    }

    public CandidateId Id => Trajectory.Id;

    /// <summary>Seed of its root.</summary>
    public ulong Seed { get; }

    /// <summary>Keys of the forks on the way from the root, oldest first.</summary>
    public IReadOnlyList<int> Lineage { get; }

    public CandidateId? Parent { get; private init; }

    public Trajectory Trajectory { get; }

    /// <summary>Children it has had: the last one's key. A key is never given twice, so no two children share a noise stream.</summary>
    public int Forks { get; private set; }

    /// <summary>The next evaluation.</summary>
    public int Evaluation => Trajectory.Evaluation;

    /// <summary>Evaluations it has cost, those before a fork or a renoising included.</summary>
    public int EvaluationsDone => Trajectory.EvaluationsDone;

    /// <summary>Those of them that it took over from its parent.</summary>
    public int EvaluationsInherited { get; private init; }

    /// <summary>Its picture, once decoded; null again once it is out.</summary>
    public RgbImage? Image { get; set; }

    /// <summary>Whether it came to its end with a picture.</summary>
    public bool IsFinished { get; set; }

    /// <summary>What each scorer gave last, in the request's order.</summary>
    public IReadOnlyList<ScorerScore> Scores { get; set; } = [];

    /// <summary>The total of <see cref="Scores"/>.</summary>
    public double? Score { get; set; }

    public string? Failure
    {
        get => Trajectory.Failure;
        set => Trajectory.Failure = value;
    }

    public string? ScoringFailure { get; set; }

    /// <summary>Why it was not taken to its end; null if it was, or may still be.</summary>
    public string? Stopped { get; set; }

    public List<CheckpointScore> Checkpoints { get; } = [];

    /// <summary>Starts a root.</summary>
    /// <param name="id">Its number.</param>
    /// <param name="seed">Its seed.</param>
    /// <param name="noiseKind">The random number generator.</param>
    /// <param name="length">Values of a sample.</param>
    /// <param name="scheduler">The plan.</param>
    /// <param name="origin">Where it starts from.</param>
    /// <param name="hooks">What works on it after each step.</param>
    public static Candidate Root(
        CandidateId id,
        ulong seed,
        NoiseKind noiseKind,
        int length,
        IScheduler scheduler,
        ILatentOrigin origin,
        IReadOnlyList<IStepHook>? hooks = null
    ) => new(Trajectory.Start(id, NoiseSource.Create(noiseKind, seed), length, scheduler, origin, hooks ?? []), seed, []);

    /// <summary>A fork that continues independently from the same evaluation.</summary>
    /// <param name="id">Its number.</param>
    /// <param name="scheduler">The plan.</param>
    public Candidate Fork(CandidateId id, IScheduler scheduler)
    {
        int key = ++Forks;
        var child = new Candidate(Trajectory.Fork(id, key, scheduler), Seed, [.. Lineage, key])
        {
            Parent = Id,
            EvaluationsInherited = EvaluationsDone,
        };
        child.Checkpoints.AddRange(Checkpoints);
        return child;
    }

    /// <summary>Releases its latents and its picture.</summary>
    public void Release()
    {
        Trajectory.Release();
        Image = null;
    }

    public CandidateScore ToScore() => new() { Candidate = Id, Evaluation = Evaluation, Total = Score, Scores = Scores, Failure = Failure };

    /// <summary>Writes the candidate; of its origin's state, which forks share, only the number.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="origin">Number of its origin's state; none for one that is out.</param>
    public void Write(SnapshotWriter writer, int? origin)
    {
        writer.Write(Id.Value);
        writer.Write(Seed);
        writer.Write(Lineage.Count);
        foreach (int key in Lineage)
        {
            writer.Write(key);
        }

        writer.WriteOptional(Parent?.Value);
        writer.Write(Forks);
        writer.Write(Evaluation);
        writer.Write(EvaluationsDone);
        writer.Write(EvaluationsInherited);
        writer.WriteScores(Scores);
        writer.WriteOptional(Score);
        writer.WriteText(Failure);
        writer.WriteText(ScoringFailure);
        writer.WriteText(Stopped);
        writer.Write(Checkpoints.Count);
        foreach (CheckpointScore checkpoint in Checkpoints)
        {
            writer.Write(checkpoint.Evaluation);
            writer.WriteOptional(checkpoint.Score);
            writer.WriteScores(checkpoint.Scores);
        }

        writer.Write(IsFinished);
        writer.Write(Image is not null);
        if (Image is not null)
        {
            writer.Write(Image.Width);
            writer.Write(Image.Height);
            writer.Write(Image.Pixels.Span);
        }

        writer.WriteOptional(origin);
        if (origin is not null)
        {
            Trajectory.Write(writer);
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <param name="reader">The bytes.</param>
    /// <param name="scheduler">The plan.</param>
    /// <param name="length">Values of a sample.</param>
    /// <param name="origins">The origins' states by number.</param>
    /// <param name="hooks">What works on it after each step.</param>
    /// <exception cref="InvalidDataException">The bytes are not a candidate.</exception>
    /// <exception cref="DiffusionClipException">The state is that of another scheduler.</exception>
    /// <exception cref="EndOfStreamException">The bytes end too early.</exception>
    public static Candidate Read(
        SnapshotReader reader, IScheduler scheduler, int length, IReadOnlyList<IOriginState> origins, IReadOnlyList<IStepHook> hooks)
    {
        var id = new CandidateId(reader.ReadInt32(0, int.MaxValue, "a candidate"));
        ulong seed = reader.ReadUInt64();
        int[] lineage = new int[reader.ReadCount(sizeof(int), "forks")];
        for (int i = 0; i < lineage.Length; i++)
        {
            lineage[i] = reader.ReadInt32();
        }

        int? parent = reader.ReadOptionalInt32();
        int forks = reader.ReadInt32(0, int.MaxValue, "the number of children");
        int evaluation = reader.ReadInt32(scheduler.FirstEvaluation, scheduler.Evaluations, "where a candidate stands");
        int done = reader.ReadInt32(0, int.MaxValue, "evaluations done");
        int inherited = reader.ReadInt32(0, done, "evaluations inherited");
        IReadOnlyList<ScorerScore> scores = reader.ReadScores();
        double? score = reader.ReadOptionalDouble();
        string? failure = reader.ReadText(), scoringFailure = reader.ReadText(), stopped = reader.ReadText();
        CheckpointScore[] checkpoints = new CheckpointScore[reader.ReadCount((2 * sizeof(int)) + 1 + sizeof(double), "checkpoints")];
        foreach (ref CheckpointScore checkpoint in checkpoints.AsSpan())
        {
            checkpoint = new() { Evaluation = reader.ReadInt32(), Score = reader.ReadOptionalDouble(), Scores = reader.ReadScores() };
        }

        bool isFinished = reader.ReadBoolean();
        RgbImage? image = reader.ReadBoolean() ? ReadImage(reader) : null;
        Trajectory trajectory = reader.ReadOptionalInt32() is { } origin
            ? Trajectory.Read(reader, id, length, scheduler, OriginOf(origin), hooks, evaluation)
            : Trajectory.OfReleased(id, evaluation);
        trajectory.EvaluationsDone = done;
        trajectory.Failure = failure;
        var candidate = new Candidate(trajectory, seed, lineage)
        {
            Parent = parent is { } value ? new CandidateId(value) : null,
            Forks = forks,
            EvaluationsInherited = inherited,
            Scores = scores,
            Score = score,
            ScoringFailure = scoringFailure,
            Stopped = stopped,
            IsFinished = isFinished,
            Image = image,
        };
        candidate.Checkpoints.AddRange(checkpoints);
        return candidate;

        IOriginState OriginOf(int number) =>
            number >= 0 && number < origins.Count
                ? origins[number]
                : throw new InvalidDataException(
                    FormattableString.Invariant($"the number of an origin is {number}, there are {origins.Count}"));
    }

    private static RgbImage ReadImage(SnapshotReader reader)
    {
        int width = reader.ReadInt32(1, int.MaxValue, "a width"), height = reader.ReadInt32(1, int.MaxValue, "a height");
        if ((long)width * height > reader.Remaining / 3)
        {
            throw new InvalidDataException(FormattableString.Invariant(
                $"a picture of {width}x{height} does not fit into the {reader.Remaining} bytes that are left"));
        }

        byte[] pixels = new byte[checked(3 * width * height)];
        reader.ReadExactly(pixels);
        return new(width, height, pixels);
    }
}

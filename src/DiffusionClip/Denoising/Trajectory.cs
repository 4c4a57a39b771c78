using DiffusionClip.Noise;

namespace DiffusionClip.Denoising;

/// <summary>
/// A sample on its way from noise: with its scheduler's memory, its noise stream, and the state of its origin and hooks. It has no
/// other state, so copying these forks it and writing them saves it.
/// </summary>
internal sealed class Trajectory
{
    private IStepHookState[] _hooks;
    private IOriginState? _origin;
    private SchedulerState? _state;
    private NoiseSource? _noise;

    private Trajectory(
        CandidateId id,
        float[] sample,
        SchedulerState? state,
        NoiseSource? noise,
        IOriginState? origin,
        IStepHookState[] hooks)
    {
        Id = id;
        Sample = sample;
        _state = state;
        _noise = noise;
        _origin = origin;
        _hooks = hooks;
    }

    /// <summary>The candidate.</summary>
    public CandidateId Id { get; }

    /// <summary>The sample [channels, height, width]; empty once released.</summary>
    public float[] Sample { get; private set; }

    public SchedulerState State => _state ?? throw Released();

    public NoiseSource Noise => _noise ?? throw Released();

    public IOriginState Origin => _origin ?? throw Released();

    public ReadOnlySpan<IStepHookState> Hooks => _hooks;

    /// <summary>The next evaluation.</summary>
    public int Evaluation { get; set; }

    /// <summary>Evaluations it has cost, those before a fork or a renoising included.</summary>
    public int EvaluationsDone { get; set; }

    /// <summary>Predicted x0 at the checkpoint it was stopped at; null before.</summary>
    public float[]? Original { get; set; }

    /// <summary>Why it cannot go on; null if it can.</summary>
    public string? Failure { get; set; }

    /// <summary>Whether its memory was given back: it can go on no more.</summary>
    public bool IsReleased => _state is null;

    /// <summary>Starts one.</summary>
    /// <param name="id">The candidate.</param>
    /// <param name="noise">Its stream.</param>
    /// <param name="length">Values of a sample.</param>
    /// <param name="scheduler">The plan.</param>
    /// <param name="origin">Where it starts from.</param>
    /// <param name="hooks">What works on it after each step, in order.</param>
    public static Trajectory Start(
        CandidateId id, NoiseSource noise, int length, IScheduler scheduler, ILatentOrigin origin, IReadOnlyList<IStepHook> hooks)
    {
        float[] sample = new float[length];
        IOriginState originState = origin.Start(noise, scheduler, sample);
        IStepHookState[] hookStates = [.. hooks.Select(hook => hook.Start(length))];
        return new(id, sample, scheduler.CreateState(length), noise, originState, hookStates) { Evaluation = scheduler.FirstEvaluation };
    }

    /// <summary>An independent copy: its noise comes from a stream of its own, keyed by the lineage.</summary>
    /// <param name="id">The candidate.</param>
    /// <param name="key">The fork's key, unique among its siblings.</param>
    /// <param name="scheduler">The plan.</param>
    public Trajectory Fork(CandidateId id, int key, IScheduler scheduler)
    {
        SchedulerState state = scheduler.CreateState(Sample.Length);
        State.CopyTo(state);
        return new(id, [.. Sample], state, Noise.Fork(key), Origin, [.. _hooks.Select(hook => hook.Fork())])
        {
            Evaluation = Evaluation,
            EvaluationsDone = EvaluationsDone,
            Original = Original,
        };
    }

    /// <summary>
    /// Noises the sample back to an earlier boundary: from (a, s) to (a', s') the sample is scaled by a'/a and gets
    /// noise of the variance that is missing, s'^2 - (a'/a)^2 s^2 (the forward process between two levels).
    /// </summary>
    /// <param name="scheduler">The plan.</param>
    /// <param name="evaluation">The boundary.</param>
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
        Original = null;
        Evaluation = evaluation;
    }

    /// <summary>Gives back what it would need to go on.</summary>
    public void Release()
    {
        (Sample, Original, _hooks) = ([], null, []);
        (_origin, _state, _noise) = (null, null, null);
    }

    /// <summary>
    /// Writes the vectors and streams of one that is not released; the origin's state, which forks share, is written elsewhere.
    /// </summary>
    public void Write(BinaryWriter writer)
    {
        writer.WriteSingles(Sample);
        State.Write(writer);
        Noise.Write(writer);
        foreach (IStepHookState hook in _hooks)
        {
            hook.Write(writer);
        }

        writer.Write(Original is not null);
        writer.WriteSingles(Original);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <param name="reader">The bytes.</param>
    /// <param name="id">The candidate.</param>
    /// <param name="length">Values of a sample.</param>
    /// <param name="scheduler">The plan.</param>
    /// <param name="origin">Its origin's state.</param>
    /// <param name="hooks">What works on it after each step.</param>
    /// <param name="evaluation">Where it stands.</param>
    /// <exception cref="InvalidDataException">The bytes are no trajectory.</exception>
    /// <exception cref="DiffusionClipException">The state is that of another scheduler.</exception>
    /// <exception cref="EndOfStreamException">The bytes end too early.</exception>
    public static Trajectory Read(
        BinaryReader reader,
        CandidateId id,
        int length,
        IScheduler scheduler,
        IOriginState origin,
        IReadOnlyList<IStepHook> hooks,
        int evaluation)
    {
        float[] sample = reader.ReadSingles(length);
        SchedulerState state = scheduler.CreateState(length);
        state.Read(reader);
        if (state is SchedulerMemory memory && (memory.Start > evaluation || memory.Steps > evaluation))
        {
            throw new InvalidDataException(FormattableString.Invariant(
                $"candidate {id} stands at {evaluation}; its scheduler has seen {memory.Steps} from {memory.Start}"));
        }

        var noise = NoiseSource.Read(reader);
        IStepHookState[] hookStates = [.. hooks.Select(hook => hook.Read(reader, length))];
        float[]? original = reader.ReadBoolean() ? reader.ReadSingles(length) : null;
        return new(id, sample, state, noise, origin, hookStates) { Evaluation = evaluation, Original = original };
    }

    /// <summary>One that was released.</summary>
    /// <param name="id">The candidate.</param>
    /// <param name="evaluation">Where it stood.</param>
    public static Trajectory OfReleased(CandidateId id, int evaluation) => new(id, [], null, null, null, []) { Evaluation = evaluation };

    private InvalidOperationException Released() => new($"Candidate {Id} was given up; nothing of it is left to go on from.");
}

using DiffusionClip.Noise;

namespace DiffusionClip.Denoising;

/// <summary>
/// The memory that all schedulers share in form: the last model outputs, vectors kept between the halves of a step, and two counters.
/// </summary>
internal sealed class SchedulerMemory : SchedulerState
{
    private readonly float[][] _history;
    private readonly float[][] _kept;
    private readonly float[] _noise;
    private readonly float[][] _scratch;
    private readonly int _length;

    /// <summary>Allocates everything that steps will need.</summary>
    /// <param name="length">Values of a sample.</param>
    /// <param name="history">Model outputs to remember.</param>
    /// <param name="kept">Further vectors to remember.</param>
    /// <param name="draws">Whether steps draw noise.</param>
    /// <param name="scratch">Scratch vectors of a step.</param>
    public SchedulerMemory(int length, int history, int kept, bool draws, int scratch)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        _length = length;
        _history = Allocate(history);
        _kept = Allocate(kept);
        _noise = draws ? new float[length] : [];
        _scratch = Allocate(scratch);

        float[][] Allocate(int count)
        {
            var vectors = new float[count][];
            for (int i = 0; i < count; i++)
            {
                vectors[i] = new float[length];
            }

            return vectors;
        }
    }

    /// <summary>Evaluations that this memory has seen since it was fresh.</summary>
    public int Steps { get; private set; }

    /// <summary>The evaluation that it began with; -1 while fresh.</summary>
    public int Start { get; private set; } = -1;

    /// <summary>Model outputs remembered.</summary>
    public int Count { get; private set; }

    /// <summary>Values of a sample.</summary>
    public int Length => _length;

    /// <summary>Room for one draw.</summary>
    public Span<float> Noise => _noise;

    /// <summary>A remembered model output; 0 is the newest.</summary>
    public Span<float> History(int age) => _history[age];

    /// <summary>A vector kept between evaluations.</summary>
    public Span<float> Kept(int index) => _kept[index];

    /// <summary>A vector that is forgotten after the step.</summary>
    public Span<float> Scratch(int index) => _scratch[index];

    /// <summary>Makes room for the newest model output; the oldest is forgotten.</summary>
    public Span<float> Push()
    {
        float[] room = _history[^1];
        for (int i = _history.Length - 1; i > 0; i--)
        {
            _history[i] = _history[i - 1];
        }

        _history[0] = room;
        Count = Math.Min(Count + 1, _history.Length);
        return room;
    }

    /// <summary>destination += Σ coefficients[k]·history(k), over as many as there are of both.</summary>
    public void AddHistory(Span<float> destination, ReadOnlySpan<float> coefficients)
    {
        int count = Math.Min(coefficients.Length, Count);
        int k = 0;
        for (; k + 1 < count; k += 2)
        {
            LinearCombination.Add(destination, coefficients[k], History(k), coefficients[k + 1], History(k + 1));
        }

        if (k < count)
        {
            LinearCombination.Add(destination, coefficients[k], History(k));
        }
    }

    /// <summary>Notes where a fresh memory begins.</summary>
    public void Begin(int evaluation)
    {
        if (Steps == 0)
        {
            Start = evaluation;
        }
    }

    /// <summary>Counts an evaluation.</summary>
    public void End() => Steps++;

    /// <inheritdoc/>
    public override void CopyTo(SchedulerState destination)
    {
        if (
            destination is not SchedulerMemory other
            || other._length != _length
            || other._history.Length != _history.Length
            || other._kept.Length != _kept.Length)
        {
            throw new ArgumentException("The memory belongs to another scheduler or another size.", nameof(destination));
        }

        other.Steps = Steps;
        other.Start = Start;
        other.Count = Count;
        Copy(_history, other._history);
        Copy(_kept, other._kept);

        static void Copy(float[][] from, float[][] to)
        {
            for (int i = 0; i < from.Length; i++)
            {
                from[i].CopyTo(to[i], 0);
            }
        }
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        Steps = 0;
        Start = -1;
        Count = 0;
        foreach (float[] vector in _history.Concat(_kept))
        {
            Array.Clear(vector);
        }
    }

    /// <inheritdoc/>
    public override void Write(BinaryWriter writer)
    {
        writer.Write(_length);
        writer.Write(_history.Length);
        writer.Write(_kept.Length);
        writer.Write(Steps);
        writer.Write(Start);
        writer.Write(Count);
        foreach (float[] vector in _history.Concat(_kept))
        {
            writer.WriteSingles(vector);
        }
    }

    /// <inheritdoc/>
    public override void Read(BinaryReader reader)
    {
        int length = reader.ReadInt32();
        int history = reader.ReadInt32();
        int kept = reader.ReadInt32();
        if (length != _length || history != _history.Length || kept != _kept.Length)
        {
            throw new DiffusionClipException(
                FormattableString.Invariant(
                    $"scheduler state: {history}+{kept} vectors of {length} values were written, {_history.Length}+{_kept.Length} of {_length} are expected; it belongs to another scheduler or size"
                ));
        }

        Steps = reader.ReadInt32();
        Start = reader.ReadInt32();
        Count = reader.ReadInt32();
        if (Steps < 0 || Start < -1 || Count < 0 || Count > history)
        {
            throw new DiffusionClipException(
                FormattableString.Invariant(
                    $"scheduler state: {Count} of {history} outputs after {Steps} steps is impossible; the state is damaged"));
        }

        foreach (float[] vector in _history.Concat(_kept))
        {
            reader.ReadSingles(vector);
        }
    }
}

namespace DiffusionClip.Noise;

/// <summary>A stream of random numbers that equals torch's. Not thread-safe: one candidate, one stream.</summary>
public abstract class NoiseSource
{
    /// <summary>Draws standard normal numbers as one <c>torch.randn</c> of that many values.</summary>
    public abstract void Fill(Span<float> destination);

    /// <summary>A copy that goes on independently with the same numbers.</summary>
    public abstract NoiseSource Clone();

    /// <summary>
    /// A stream of its own, keyed by this stream's lineage and the key; does not touch this stream, and does not depend on
    /// how far this stream has been read. Its seed is <see cref="ForkSeed"/> of this stream's seed, which in turn is that
    /// of its parent: the chain holds the root seed and every key on the way.
    /// </summary>
    public abstract NoiseSource Fork(int key);

    /// <summary>Writes the stream's position down; the kind is written first.</summary>
    public abstract void Write(BinaryWriter writer);

    /// <summary>Starts a stream.</summary>
    /// <param name="kind">The random number generator.</param>
    /// <param name="seed">Any seed; torch's CPU generator looks only at its lower 32 bits.</param>
    public static NoiseSource Create(NoiseKind kind, ulong seed) => kind switch
    {
        NoiseKind.Cpu => new TorchCpuNoiseSource(seed),
        NoiseKind.Philox => new PhiloxNoiseSource(seed),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "No such generator."),
    };

    /// <summary>Reads what <see cref="Write"/> wrote: the stream goes on where it stood.</summary>
    /// <exception cref="InvalidDataException">The bytes are no stream that was written down.</exception>
    /// <exception cref="EndOfStreamException">The bytes end too early.</exception>
    public static NoiseSource Read(BinaryReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        byte kind = reader.ReadByte();
        return (NoiseKind)kind switch
        {
            NoiseKind.Cpu => TorchCpuNoiseSource.ReadState(reader),
            NoiseKind.Philox => PhiloxNoiseSource.ReadState(reader),
            _ => throw new InvalidDataException($"Noise stream: kind {kind} is unknown; expected 0 (cpu) or 1 (philox)."),
        };
    }

    /// <summary>
    /// Seed of a fork: SplitMix64's finalizer (Steele, Lea, Flood 2014; Stafford's variant 13) over the parent's seed and
    /// the finalized key. One-to-one in the seed for a given key, so that distinct lineages stay apart in all 64 bits.
    /// </summary>
    /// <param name="seed">The parent's seed.</param>
    /// <param name="key">The fork's key, unique among its siblings.</param>
    public static ulong ForkSeed(ulong seed, int key)
    {
        const ulong golden = 0x9E3779B97F4A7C15;
        return Finalize(seed + golden ^ Finalize(((ulong)(uint)key + 1) * golden));

        static ulong Finalize(ulong x)
        {
            x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
            x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
            return x ^ (x >> 31);
        }
    }
}

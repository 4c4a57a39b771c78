namespace DiffusionClip.Noise;

/// <summary>A stream of random numbers that equals torch's. Not thread-safe: one candidate, one stream.</summary>
public abstract class NoiseSource
{
    /// <summary>Draws standard normal numbers as one <c>torch.randn</c> of that many values.</summary>
    public abstract void Fill(Span<float> destination);

    /// <summary>A copy that goes on independently with the same numbers.</summary>
    public abstract NoiseSource Clone();

    /// <summary>A stream of its own, keyed by this stream's lineage and the key; does not touch this stream.</summary>
    public abstract NoiseSource Fork(int key);

    /// <summary>Writes the stream's position down; the kind is written first.</summary>
    public abstract void Write(BinaryWriter writer);
}

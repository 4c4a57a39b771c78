namespace DiffusionClip.Runtime;

/// <summary>The weights of a layer norm (Ba et al. 2016).</summary>
public sealed record LayerNormWeights
{
    /// <summary>Factor of each value, [width].</summary>
    public required ReadOnlyMemory<float> Weight { get; init; }

    /// <summary>Summand of each value, [width].</summary>
    public required ReadOnlyMemory<float> Bias { get; init; }

    /// <summary>What is added to the variance.</summary>
    public required float Epsilon { get; init; }
}

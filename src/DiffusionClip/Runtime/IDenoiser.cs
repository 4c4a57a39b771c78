namespace DiffusionClip.Runtime;

/// <summary>A UNet (later: a transformer) behind whatever runtime. Roles cross this seam, never the names of a graph.</summary>
public interface IDenoiser : IDisposable
{
    /// <summary>What the model takes and gives.</summary>
    DenoiserDescriptor Descriptor { get; }

    /// <summary>Prepares buffers for runs of one shape. The caller owns the binding.</summary>
    /// <param name="shape">Shape of one sample, with the channels the scheduler sees.</param>
    /// <param name="rows">Samples per run.</param>
    /// <param name="sequenceLength">Tokens of the conditioning.</param>
    IDenoiserBinding Bind(LatentShape shape, int rows, int sequenceLength);
}

/// <summary>
/// Buffers of one shape; owns all native memory, and its spans die with it. One thread at a time, but for <see cref="Terminate"/>.
/// </summary>
public interface IDenoiserBinding : IDisposable
{
    /// <summary>Gives a row its conditioning; uploads only when it differs from what the row holds (by reference).</summary>
    void SetConditioning(int row, TextConditioning conditioning);

    /// <summary>The row's input, host float32 [in_channels, height, width].</summary>
    Span<float> Sample(int row);

    /// <summary>The row's output, host float32 [out_channels, height, width]; valid until the next run.</summary>
    ReadOnlySpan<float> ModelOutput(int row);

    /// <summary>Evaluates all rows at one timestep: casts, runs, downloads; allocates nothing.</summary>
    /// <exception cref="OperationCanceledException">The run was terminated.</exception>
    void Run(float timestep);

    /// <summary>Ends a run from outside, at once; from any thread. The session stays usable, the binding does not.</summary>
    void Terminate();
}

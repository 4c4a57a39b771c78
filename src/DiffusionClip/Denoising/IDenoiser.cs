using DiffusionClip.Conditioning;

namespace DiffusionClip.Denoising;

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

/// <summary>Buffers of one shape; owns all native memory, and its spans die with it. One thread at a time, but for <see cref="Terminate"/>.</summary>
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

/// <summary>What a denoiser takes and gives.</summary>
/// <param name="InChannels">Channels of its input: 4, or 9 for inpainting models.</param>
/// <param name="OutChannels">Channels of its output.</param>
/// <param name="CrossAttentionDim">Width of the text embeddings it attends to.</param>
/// <param name="SharesTimestep">Whether the graph takes one timestep for all rows (a scalar).</param>
/// <param name="TimestepIsInteger">Whether the graph takes the timestep as an integer.</param>
public sealed record DenoiserDescriptor(int InChannels, int OutChannels, int CrossAttentionDim, bool SharesTimestep, bool TimestepIsInteger)
{
    /// <summary>Width of the guidance embedding (<c>timestep_cond</c>); 0 if there is none.</summary>
    public int GuidanceEmbedDim { get; init; }

    /// <summary>Width of the pooled text embedding (<c>text_embeds</c>); 0 if there is none.</summary>
    public int PooledDim { get; init; }

    /// <summary>Number of size conditions (<c>time_ids</c>); 0 if there are none.</summary>
    public int TimeIds { get; init; }

    /// <summary>Rows of latents the graph takes, if it takes no other number; else null.</summary>
    public int? FixedHeight { get; init; }

    /// <summary>Columns of latents the graph takes, if it takes no other number; else null.</summary>
    public int? FixedWidth { get; init; }
}

/// <summary>Shape of one sample.</summary>
/// <param name="Channels">Latent channels.</param>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
public readonly record struct LatentShape(int Channels, int Height, int Width)
{
    /// <summary>Values of one sample.</summary>
    public int Length => checked(Channels * Height * Width);
}

namespace DiffusionClip.Runtime;

/// <summary>
/// What a family's denoisers are called with: their inputs by role, each under the names that exporters give it. The runtime maps it to the
/// graph at hand, so that a family with other inputs is no other code there.
/// </summary>
public sealed record DenoiserSignature
{
    /// <summary>The noisy latents, in the layout of <see cref="Layout"/>.</summary>
    public required PortSignature Sample { get; init; }

    /// <summary>The timestep: a scalar, or one a row.</summary>
    public required PortSignature Timestep { get; init; }

    /// <summary>What is predicted, in the layout of <see cref="Layout"/>.</summary>
    public required PortSignature Output { get; init; }

    /// <summary>What it attends to, by role; <see cref="ConditioningRole.PromptEmbeds"/> has to be among them.</summary>
    public required IReadOnlyList<ConditioningPort> Conditioning { get; init; }

    /// <summary>Inputs that follow from the shape alone, e.g. positions; made once a binding.</summary>
    public IReadOnlyList<ShapePort> Shapes { get; init; } = [];

    /// <summary>How latents lie in the graph's tensors; null: [rows, channels, height, width].</summary>
    public ILatentLayout? Layout { get; init; }

    /// <summary>What the scheduler's timesteps are multiplied with for the graph, e.g. 0.001 where it takes sigmas.</summary>
    public float TimestepScale { get; init; } = 1;
}

/// <summary>An input or output under the names that exporters give it.</summary>
public sealed record PortSignature
{
    /// <summary>The name of diffusers' exports, also in errors.</summary>
    public required string Name { get; init; }

    /// <summary>Other names it is found under.</summary>
    public IReadOnlyList<string> OtherNames { get; init; } = [];
}

/// <summary>A conditioning's input.</summary>
public sealed record ConditioningPort
{
    /// <summary>What it means.</summary>
    public required ConditioningRole Role { get; init; }

    /// <summary>Its names.</summary>
    public required PortSignature Port { get; init; }

    /// <summary>Number of axes, rows included: 3 for embeddings of tokens, 2 for vectors, 1 for a number a row.</summary>
    public required int Rank { get; init; }

    /// <summary>Whether the graph has to have it. Others are left out where the export lacks them.</summary>
    public bool IsRequired { get; init; }

    /// <summary>Length of its last axis as the folder says it; null: the graph says it.</summary>
    public int? Width { get; init; }
}

/// <summary>An input that follows from the shape alone. It has no axis for rows.</summary>
public sealed record ShapePort
{
    /// <summary>Its names.</summary>
    public required PortSignature Port { get; init; }

    /// <summary>Its shape and values, row-major, for latents of a shape and a number of tokens.</summary>
    public required Func<LatentShape, int, (int[] Shape, float[] Values)> Make { get; init; }
}

/// <summary>
/// How latents lie in a graph's tensors, where it is not [rows, channels, height, width]: e.g. packed into tokens of 2x2.
/// </summary>
public interface ILatentLayout
{
    /// <summary>Shape of one sample in the graph's tensor, without the axis of rows; as many values as the latents have.</summary>
    IReadOnlyList<int> ShapeOf(LatentShape shape);

    /// <summary>From [channels, height, width] to the graph's layout; allocates nothing.</summary>
    void Pack(ReadOnlySpan<float> latents, LatentShape shape, Span<float> packed);

    /// <summary>From the graph's layout to [channels, height, width]; allocates nothing.</summary>
    void Unpack(ReadOnlySpan<float> packed, LatentShape shape, Span<float> latents);
}

namespace DiffusionClip.Verification;

/// <summary>Sizes for what a graph leaves free.</summary>
public sealed record GraphSizes
{
    /// <summary>Channels of pictures or latents.</summary>
    public required int Channels { get; init; }

    /// <summary>Height of pictures or latents.</summary>
    public required int Height { get; init; }

    /// <summary>Width of pictures or latents.</summary>
    public required int Width { get; init; }

    /// <summary>Length of a text in tokens.</summary>
    public required int Tokens { get; init; }

    /// <summary>Width of text embeddings.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Token ids there are.</summary>
    public required int VocabSize { get; init; }
}

/// <summary>How a graph did on made-up inputs; a failure is a part of it, not thrown.</summary>
public sealed record GraphTrial
{
    /// <summary>Path in the model's folder.</summary>
    public required string File { get; init; }

    /// <summary>Inputs as the graph describes them, e.g. <c>sample float[batch,4,height,width]</c>.</summary>
    public IReadOnlyList<string> Inputs { get; init; } = [];

    /// <summary>Outputs as the graph describes them.</summary>
    public IReadOnlyList<string> Outputs { get; init; } = [];

    /// <summary>Sizes of the outputs for the inputs that were tried, in the order of <see cref="Outputs"/>.</summary>
    public IReadOnlyList<string> Shapes { get; init; } = [];

    /// <summary>Whether every number of the outputs is finite, on every provider tried.</summary>
    public bool IsFinite { get; init; }

    /// <summary>Whether the CPU gave the same bits twice.</summary>
    public bool IsDeterministic { get; init; }

    /// <summary>Evaluations per second on the CPU at the sizes tried.</summary>
    public double CpuEvaluationsPerSecond { get; init; }

    /// <summary>Evaluations per second on the device; null if there was none to try.</summary>
    public double? DeviceEvaluationsPerSecond { get; init; }

    /// <summary>
    /// Largest difference between CPU and device, as a part of the largest number of the output; null if there was no device to try.
    /// </summary>
    public double? LargestDeviation { get; init; }

    /// <summary>Why the graph cannot be used; null if nothing is known against it.</summary>
    public string? Failure { get; init; }
}

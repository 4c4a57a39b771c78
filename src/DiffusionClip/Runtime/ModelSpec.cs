using DiffusionClip.Models;

namespace DiffusionClip.Runtime;

/// <summary>Which model to load, and how: what is equal in all of it is loaded once.</summary>
public sealed record ModelSpec
{
    /// <summary>The model's folder.</summary>
    public required ModelFolder Folder { get; init; }

    /// <summary>
    /// The files' lengths and times of change, by which a model replaced on disk is another model; null: as the files are when it is
    /// leased.
    /// </summary>
    public string? Revision { get; init; }

    /// <summary>Adapters merged into the weights, in order; empty: none.</summary>
    public IReadOnlyList<ModelAdapter> Adapters { get; init; } = [];

    /// <summary>Execution provider: <c>auto</c>, <c>cpu</c>, <c>dml</c> or <c>cuda</c>; null: the configured one.</summary>
    public string? Provider { get; init; }

    /// <summary>Precision of the weights: <c>float32</c>, <c>float16</c> or <c>int8</c>; null: that of the files.</summary>
    public string? Precision { get; init; }
}

/// <summary>An adapter of a model's weights, e.g. a LoRA (Hu et al. 2021).</summary>
public sealed record ModelAdapter
{
    /// <summary>Absolute path of its file.</summary>
    public required string Path { get; init; }

    /// <summary>Factor of its difference; may be negative.</summary>
    public double Scale { get; init; } = 1;
}

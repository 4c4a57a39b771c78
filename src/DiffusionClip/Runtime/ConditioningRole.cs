namespace DiffusionClip.Runtime;

/// <summary>What a part of a conditioning means to a denoiser. Open: a family may name roles of its own.</summary>
/// <param name="Name">What it is called, also in errors.</param>
public readonly record struct ConditioningRole(string Name)
{
    /// <summary>Text embeddings [sequence, width], which every denoiser attends to.</summary>
    public static ConditioningRole PromptEmbeds { get; } = new("text embeddings");

    /// <summary>The pooled text embedding [width].</summary>
    public static ConditioningRole PooledEmbeds { get; } = new("pooled text embedding");

    /// <summary>SDXL's size conditions [6]: original height and width, crop top and left, target height and width.</summary>
    public static ConditioningRole TimeIds { get; } = new("size conditions");

    /// <summary>The guidance scale's embedding [width], of models distilled from guided ones.</summary>
    public static ConditioningRole GuidanceEmbeds { get; } = new("guidance embedding");

    /// <inheritdoc/>
    public override string ToString() => Name;
}

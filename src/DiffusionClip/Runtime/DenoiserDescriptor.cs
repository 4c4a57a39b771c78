namespace DiffusionClip.Runtime;

/// <summary>What a denoiser takes and gives.</summary>
public sealed record DenoiserDescriptor
{
    /// <summary>Channels of its input: those of the latents, or more for inpainting models.</summary>
    public required int InChannels { get; init; }

    /// <summary>Channels of its output.</summary>
    public required int OutChannels { get; init; }

    /// <summary>Width of the text embeddings it attends to.</summary>
    public required int CrossAttentionDim { get; init; }

    /// <summary>Number of values that it takes of each further role; roles that it has no input for are absent.</summary>
    public IReadOnlyDictionary<ConditioningRole, int> Widths { get; init; } = new Dictionary<ConditioningRole, int>();

    /// <summary>Rows of latents the graph takes, if it takes no other number; else null.</summary>
    public int? FixedHeight { get; init; }

    /// <summary>Columns of latents the graph takes, if it takes no other number; else null.</summary>
    public int? FixedWidth { get; init; }

    /// <summary>Number of values that it takes of a further role; 0 if there is no input for it.</summary>
    public int WidthOf(ConditioningRole role) => Widths.GetValueOrDefault(role);
}

namespace DiffusionClip.Runtime;

/// <summary>What a denoiser takes and gives.</summary>
public sealed record DenoiserDescriptor
{
    /// <summary>Channels of its input: 4, or 9 for inpainting models.</summary>
    public required int InChannels { get; init; }

    /// <summary>Channels of its output.</summary>
    public required int OutChannels { get; init; }

    /// <summary>Width of the text embeddings it attends to.</summary>
    public required int CrossAttentionDim { get; init; }

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

using System.Text.Json;

namespace DiffusionClip.Models;

/// <summary>The denoiser of a diffusion folder, as far as it concerns more than its family.</summary>
public sealed record DenoiserFolder
{
    /// <summary>Path of the graph in the folder.</summary>
    public required string Graph { get; init; }

    /// <summary>Absolute path of <c>config.json</c>.</summary>
    public required string ConfigPath { get; init; }

    /// <summary>The whole <c>config.json</c>, for what only its family reads.</summary>
    public JsonElement Config { get; init; }

    /// <summary>Channels of its input: those of the latents; 9 for inpainting models of 4.</summary>
    public required int InChannels { get; init; }

    /// <summary>Channels of its output.</summary>
    public required int OutChannels { get; init; }

    /// <summary>Latent size it was trained for.</summary>
    public required (int Height, int Width) SampleSize { get; init; }

    /// <summary>Width of the text embeddings it attends to; null if the configuration does not say.</summary>
    public int? CrossAttentionDim { get; init; }

    /// <summary>Width of the guidance embedding of latent consistency models; null if there is none.</summary>
    public int? TimeCondProjDim { get; init; }

    /// <summary>Further conditioning, e.g. <c>text_time</c> for SDXL; null if there is none.</summary>
    public string? AdditionEmbedType { get; init; }

    /// <summary>Whether it takes a mask and the masked picture beside its sample: an inpainting model.</summary>
    public bool SeesMask => InChannels == (2 * OutChannels) + 1;

    /// <summary>Factors by which a UNet halves its input: height and width must be multiples of 2 to this power.</summary>
    public int Downsamplings { get; init; }
}

namespace DiffusionClip.Models;

/// <summary>A half of an autoencoder in a diffusion folder.</summary>
public sealed record AutoencoderFolder
{
    // What diffusers' AutoencoderKL and AutoencoderTiny mean where their configuration leaves the factor out.
    private const float KlScalingFactor = 0.18215f;
    private const float TinyScalingFactor = 1f;

    /// <summary>Path of the graph in the folder.</summary>
    public required string Graph { get; init; }

    /// <summary>Absolute path of <c>config.json</c>.</summary>
    public required string ConfigPath { get; init; }

    /// <summary>Channels of the latents.</summary>
    public required int LatentChannels { get; init; }

    /// <summary>Latents = (sample - shift) · scaling factor.</summary>
    public required float ScalingFactor { get; init; }

    /// <summary>Latents = (sample - shift) · scaling factor; 0 for most families.</summary>
    public float ShiftFactor { get; init; }

    /// <summary>Pixels a latent, on each side.</summary>
    public required int SpatialScale { get; init; }

    /// <summary>Mean of each latent channel, where the family standardises them; else null.</summary>
    public IReadOnlyList<float>? LatentsMean { get; init; }

    /// <summary>Standard deviation of each latent channel, where the family standardises them; else null.</summary>
    public IReadOnlyList<float>? LatentsStd { get; init; }

    internal static AutoencoderFolder Read(ConfigFile config, string graph)
    {
        bool tiny = config.String("_class_name") == "AutoencoderTiny";
        int channels = config.RequiredInt("latent_channels");
        int[] blocks = config.Ints("block_out_channels") ?? config.Ints("decoder_block_out_channels")
            ?? throw config.Missing("block_out_channels", "a list with one entry more than the autoencoder halves its input");
        float scaling = config.Float("scaling_factor") ?? (tiny ? TinyScalingFactor : KlScalingFactor);
        return new()
        {
            Graph = graph,
            ConfigPath = config.Path,
            LatentChannels = channels,
            ScalingFactor =
                scaling > 0 ? scaling : throw config.Wrong("scaling_factor", config.Find("scaling_factor")!.Value, "a number above 0"),
            ShiftFactor = config.Float("shift_factor") ?? 0,
            SpatialScale = blocks.Length is > 0 and < 16
                ? 1 << (blocks.Length - 1)
                : throw config.Wrong("block_out_channels", config.Find("block_out_channels")!.Value, "a list of channels"),
            LatentsMean = config.Floats("latents_mean", channels),
            LatentsStd = config.Floats("latents_std", channels),
        };
    }
}

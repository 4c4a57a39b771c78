namespace DiffusionClip.Runtime;

/// <summary>The encoder of an autoencoder: from pixels to the distribution of its latents.</summary>
public interface ILatentEncoder : IDisposable
{
    /// <summary>Channels of its latents.</summary>
    int LatentChannels { get; }

    /// <summary>
    /// Whether the graph gives mean and log-variance (<c>latent_parameters</c>), so that the caller draws the sample;
    /// else it gives latents that are already drawn or the mode (<c>latent_sample</c>).
    /// </summary>
    bool GivesDistribution { get; }

    /// <summary>Encodes one picture.</summary>
    /// <param name="pixels">Planar pixels [3, height, width] in -1 to 1.</param>
    /// <param name="height">Rows of pixels.</param>
    /// <param name="width">Columns of pixels.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    /// <returns>The latents, before multiplication by the scaling factor.</returns>
    LatentEncoding Encode(ReadOnlySpan<float> pixels, int height, int width, CancellationToken cancellationToken);
}

/// <summary>What an encoder makes of a picture; sample = mean + exp(log-variance / 2) · noise (Kingma and Welling 2014).</summary>
/// <param name="Mean">[channels, height, width]; the sample itself where the graph draws it.</param>
/// <param name="LogVariance">
/// Same shape, as the graph gives it (diffusers clamps it to -30 … 20 before use); empty where the graph draws the sample itself.
/// </param>
/// <param name="Shape">Shape of one sample.</param>
public sealed record LatentEncoding(ReadOnlyMemory<float> Mean, ReadOnlyMemory<float> LogVariance, LatentShape Shape);

namespace DiffusionClip.Runtime;

/// <summary>The decoder of an autoencoder.</summary>
public interface ILatentDecoder : IDisposable
{
    /// <summary>Channels of its latents.</summary>
    int LatentChannels { get; }

    /// <summary>Decodes one sample.</summary>
    /// <param name="latents">Latents after division by the scaling factor, [channels, height, width].</param>
    /// <param name="shape">Their shape.</param>
    /// <param name="destination">Planar pixels [3, height·k, width·k] in about -1 to 1; k is 8 for Stable Diffusion.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    void Decode(ReadOnlySpan<float> latents, LatentShape shape, Span<float> destination, CancellationToken cancellationToken);
}

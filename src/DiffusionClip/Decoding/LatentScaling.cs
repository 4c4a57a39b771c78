using System.Numerics.Tensors;
using DiffusionClip.Models;

namespace DiffusionClip.Decoding;

/// <summary>
/// Between what an autoencoder gives and what the denoiser knows: (sample - shift) · factor, by channel where it is standardised.
/// </summary>
internal static class LatentScaling
{
    /// <summary>From what an encoder gives to what the denoiser knows, in place.</summary>
    /// <param name="folder">The autoencoder's part of the folder.</param>
    /// <param name="latents">[channels, height, width].</param>
    public static void Scale(this AutoencoderFolder folder, Span<float> latents)
    {
        int plane = latents.Length / folder.LatentChannels;
        for (int channel = 0; channel < folder.LatentChannels; channel++)
        {
            Span<float> values = latents.Slice(channel * plane, plane);
            (float shift, float deviation) = Standard(folder, channel);
            TensorPrimitives.Subtract(values, shift, values);
            TensorPrimitives.Multiply(values, folder.ScalingFactor / deviation, values);
        }
    }

    /// <summary>From what the denoiser knows to what a decoder takes.</summary>
    /// <param name="folder">The autoencoder's part of the folder.</param>
    /// <param name="latents">[channels, height, width].</param>
    /// <param name="destination">As long.</param>
    public static void Unscale(this AutoencoderFolder folder, ReadOnlySpan<float> latents, Span<float> destination)
    {
        int plane = latents.Length / folder.LatentChannels;
        for (int channel = 0; channel < folder.LatentChannels; channel++)
        {
            Span<float> values = destination.Slice(channel * plane, plane);
            (float shift, float deviation) = Standard(folder, channel);
            TensorPrimitives.Divide(latents.Slice(channel * plane, plane), folder.ScalingFactor / deviation, values);
            TensorPrimitives.Add(values, shift, values);
        }
    }

    // Standardised channels have no shift factor beside their means.
    private static (float Shift, float Deviation) Standard(AutoencoderFolder folder, int channel) =>
        folder is { LatentsMean: { } mean, LatentsStd: { } deviation } ? (mean[channel], deviation[channel]) : (folder.ShiftFactor, 1);
}

using System.Numerics.Tensors;
using DiffusionClip.Imaging;
using DiffusionClip.Models;
using DiffusionClip.Noise;
using DiffusionClip.Runtime;

namespace DiffusionClip.Origins;

/// <summary>A picture as the autoencoder sees it: a distribution of latents, from which each candidate draws its own. Immutable.</summary>
internal sealed class EncodedPicture
{
    // As diffusers clamps the logarithm of the variance.
    private const float LeastLogVariance = -30;
    private const float MostLogVariance = 20;

    private readonly ReadOnlyMemory<float> _mean;
    private readonly float[] _deviation;
    private readonly AutoencoderFolder _folder;

    /// <summary>Wraps what an encoder gave.</summary>
    /// <param name="encoding">The encoding.</param>
    /// <param name="folder">The encoder's part of the folder: scaling.</param>
    public EncodedPicture(LatentEncoding encoding, AutoencoderFolder folder)
    {
        _mean = encoding.Mean;
        _folder = folder;
        _deviation = new float[encoding.LogVariance.Length];
        TensorPrimitives.Clamp(encoding.LogVariance.Span, LeastLogVariance, MostLogVariance, _deviation);
        TensorPrimitives.Multiply(_deviation, 0.5f, _deviation);
        TensorPrimitives.Exp<float>(_deviation, _deviation);
    }

    /// <summary>Encodes a picture whose sides are the latents' times the autoencoder's scale.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="encoder">The encoder.</param>
    /// <param name="folder">The encoder's part of the folder.</param>
    /// <param name="keep">By pixel, whether it stays; the others become mid-grey. Empty: all stay.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    public static EncodedPicture Encode(
        RgbImage image, ILatentEncoder encoder, AutoencoderFolder folder, ReadOnlySpan<bool> keep, CancellationToken cancellationToken)
    {
        int plane = checked(image.Width * image.Height);
        using PixelBuffer<float> buffer = new(checked(3 * plane));
        Span<float> pixels = buffer.Span;
        PixelConversion.ToSample(image, pixels);
        for (int i = 0; i < keep.Length; i++)
        {
            if (!keep[i])
            {
                pixels[i] = pixels[plane + i] = pixels[(2 * plane) + i] = 0;
            }
        }

        return new(encoder.Encode(pixels, image.Height, image.Width, cancellationToken), folder);
    }

    /// <summary>
    /// Draws latents: mean + exp(log-variance / 2)·noise (Kingma and Welling 2014), then scales them as the denoiser knows them. An
    /// encoder that draws itself takes nothing from the stream.
    /// </summary>
    /// <param name="noise">The candidate's stream.</param>
    /// <param name="latents">[channels, height, width].</param>
    public void Draw(NoiseSource noise, Span<float> latents)
    {
        if (_deviation.Length == 0)
        {
            _mean.Span.CopyTo(latents);
        }
        else
        {
            noise.Fill(latents);
            TensorPrimitives.Multiply(latents, _deviation, latents);
            TensorPrimitives.Add(_mean.Span, latents, latents);
        }

        _folder.Scale(latents);
    }
}

using System.Numerics.Tensors;

namespace DiffusionClip.Denoising;

/// <summary>Classifier-free guidance (Ho and Salimans 2022, equation 6) with the rescale of Lin et al. 2023, section 3.4. Allocates nothing.</summary>
/// <param name="scale">Scale; at 1 and below there is no guidance.</param>
/// <param name="rescale">Share of the rescaled output, 0 to 1.</param>
public readonly struct Guidance(float scale, float rescale)
{
    /// <summary>Whether the negative side has to be evaluated at all.</summary>
    public bool IsActive => scale > 1;

    /// <summary>Writes negative + scale·(positive - negative), rescaled.</summary>
    /// <param name="negative">Output for the negative prompt.</param>
    /// <param name="positive">Output for the prompt.</param>
    /// <param name="destination">Where to write; may be neither of the two.</param>
    public void Combine(ReadOnlySpan<float> negative, ReadOnlySpan<float> positive, Span<float> destination)
    {
        TensorPrimitives.Subtract(positive, negative, destination);
        TensorPrimitives.MultiplyAdd(destination, scale, negative, destination);
        if (rescale > 0)
        {
            float factor = TensorPrimitives.StdDev(positive) / TensorPrimitives.StdDev<float>(destination);
            TensorPrimitives.Multiply(destination, (rescale * factor) + (1 - rescale), destination);
        }
    }
}

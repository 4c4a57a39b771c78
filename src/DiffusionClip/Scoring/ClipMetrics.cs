using System.Numerics.Tensors;
using DiffusionClip.Models;

namespace DiffusionClip.Scoring;

/// <summary>What published metrics make of CLIP's cosines. All take cosines of unit vectors, -1 to 1.</summary>
internal static class ClipMetrics
{
    /// <summary>Factor of CLIPScore (Hessel et al. 2021, section 3).</summary>
    public const float Weight = 2.5f;

    /// <summary>CLIPScore as torchmetrics gives it: max(100 · cosine, 0), 0 to 100.</summary>
    public static float ClipScore100(float cosine) => MathF.Max(100 * cosine, 0);

    /// <summary>
    /// CLIPScore as Hessel et al. 2021 define it: 2.5 · max(cosine, 0), 0 to 2.5. Their own program puts "A photo depicts " before the
    /// caption; this takes the cosine as it is.
    /// </summary>
    public static float ClipScore(float cosine) => Weight * MathF.Max(cosine, 0);

    /// <summary>
    /// RefCLIPScore (Hessel et al. 2021, section 3): the harmonic mean of CLIPScore and of the best cosine between the caption and a
    /// reference, which counts from 0. 0 where either is 0.
    /// </summary>
    /// <param name="imageCosine">Cosine of picture and caption.</param>
    /// <param name="referenceCosines">Cosines of caption and references; at least one.</param>
    public static float RefClipScore(float imageCosine, ReadOnlySpan<float> referenceCosines)
    {
        ArgumentOutOfRangeException.ThrowIfZero(referenceCosines.Length);
        float score = ClipScore(imageCosine), reference = MathF.Max(TensorPrimitives.Max(referenceCosines), 0);
        return score + reference > 0 ? 2 * score * reference / (score + reference) : 0;
    }

    /// <summary>Which of several texts fits: softmax of scale · cosine (Radford et al. 2021, section 3.1.2).</summary>
    /// <param name="cosines">Cosines of one picture and every text.</param>
    /// <param name="scale">The model's logit scale.</param>
    /// <returns>A probability per text; they add up to 1.</returns>
    public static float[] Probabilities(ReadOnlySpan<float> cosines, float scale)
    {
        float[] probabilities = new float[cosines.Length];
        if (probabilities.Length == 0)
        {
            return probabilities;
        }

        // The largest goes to 0, so that no power overflows.
        TensorPrimitives.Subtract(cosines, TensorPrimitives.Max(cosines), probabilities);
        TensorPrimitives.Multiply<float>(probabilities, scale, probabilities);
        TensorPrimitives.Exp<float>(probabilities, probabilities);
        TensorPrimitives.Divide<float>(probabilities, TensorPrimitives.Sum<float>(probabilities), probabilities);
        return probabilities;
    }

    /// <summary>Whether a text fits: sigmoid(scale · cosine + bias) (Zhai et al. 2023, section 3.2), 0 to 1.</summary>
    public static float MatchProbability(float cosine, ClipLogits logits)
    {
        ArgumentNullException.ThrowIfNull(logits);
        return 1 / (1 + MathF.Exp(-((logits.Scale * cosine) + logits.Bias)));
    }
}

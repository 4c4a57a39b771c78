using System.Numerics;
using System.Numerics.Tensors;

namespace DiffusionClip.Denoising;

/// <summary>
/// What is done to a predicted x0 that leaves its range: nothing, a clip, or dynamic thresholding (Saharia et al. 2022, Imagen, section
/// 2.3).
/// </summary>
/// <param name="ThresholdingRatio">Quantile of |x0| that becomes 1; null: no dynamic thresholding.</param>
/// <param name="SampleMaxValue">Upper bound of that quantile's value.</param>
/// <param name="ClipRange">Bound of a plain clip; null: no clip. Thresholding goes first.</param>
internal readonly record struct OriginalSampleLimit(double? ThresholdingRatio, double SampleMaxValue, double? ClipRange)
{
    /// <summary>Leaves x0 alone.</summary>
    public static OriginalSampleLimit None => default;

    /// <summary>The limit that options ask for; a scheduler without one of the two kinds gives null.</summary>
    public static OriginalSampleLimit Of(ThresholdingOptions? threshold, ClippingOptions? clip) => new(
        threshold is { Thresholding: true } ? threshold.DynamicThresholdingRatio : null,
        threshold?.SampleMaxValue ?? 1,
        clip is { ClipSample: true } ? clip.ClipSampleRange : null);

    /// <summary>Whether there is anything to do.</summary>
    public bool IsActive => ThresholdingRatio is not null || ClipRange is not null;

    /// <summary>Limits x0 in place.</summary>
    /// <param name="x0">The predicted sample.</param>
    /// <param name="scratch">As long as <paramref name="x0"/>.</param>
    public void Apply(Span<float> x0, Span<float> scratch)
    {
        if (ThresholdingRatio is { } ratio)
        {
            // As torch clamps: the upper bound wins over the lower.
            float bound =
                SampleMaxValue <= 1 ? (float)SampleMaxValue : Math.Min(Math.Max(Quantile(x0, ratio, scratch), 1), (float)SampleMaxValue);
            Clip(x0, bound);
            if (bound != 1)
            {
                TensorPrimitives.Divide(x0, bound, x0);
            }
        }
        else if (ClipRange is { } range)
        {
            Clip(x0, (float)range);
        }
    }

    // torch.quantile with linear interpolation.
    private static float Quantile(ReadOnlySpan<float> x0, double ratio, Span<float> scratch)
    {
        TensorPrimitives.Abs(x0, scratch);
        scratch.Sort();
        float rank = (float)ratio * (scratch.Length - 1);
        int below = (int)rank;
        int above = Math.Min(below + 1, scratch.Length - 1);
        return scratch[below] + ((rank - below) * (scratch[above] - scratch[below]));
    }

    private static void Clip(Span<float> x0, float bound) => Elementwise.Apply(x0, x0, new Clamp(bound));

    private readonly struct Clamp(float bound) : IUnaryKernel
    {
        private readonly float _bound = bound;

        public Vector<float> Invoke(Vector<float> x) => Vector.Min(Vector.Max(x, new Vector<float>(-_bound)), new Vector<float>(_bound));
    }
}

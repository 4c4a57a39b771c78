using System.Numerics;

namespace DiffusionClip.Denoising;

/// <summary>Classifier-free guidance and its rescale, in place and without allocations.</summary>
public static class Guidance
{
    /// <summary>
    /// destination = unconditional + scale·(conditional - unconditional) (Ho and Salimans 2022, equation 6, with w = scale - 1).
    /// </summary>
    /// <param name="unconditional">Output for the negative prompt.</param>
    /// <param name="conditional">Output for the prompt, as long.</param>
    /// <param name="scale">Guidance scale; 1 gives <paramref name="conditional"/>.</param>
    /// <param name="destination">As long; may be one of the two.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Combine(ReadOnlySpan<float> unconditional, ReadOnlySpan<float> conditional, float scale, Span<float> destination)
    {
        CheckLengths(unconditional.Length, conditional.Length, destination.Length);
        Elementwise.Apply(destination, unconditional, conditional, new Mix(scale));
    }

    /// <summary>
    /// Gives guided output the standard deviation of the conditional one, in part (Lin et al. 2023, equations 15 and 16):
    /// guided = rescale·guided·std(conditional)/std(guided) + (1 - rescale)·guided. Deviations are over all values of the sample, unbiased.
    /// </summary>
    /// <param name="guided">The result of <see cref="Combine"/>; changed in place.</param>
    /// <param name="conditional">Output for the prompt, as long.</param>
    /// <param name="rescale">0 (nothing happens) to 1.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Rescale(Span<float> guided, ReadOnlySpan<float> conditional, float rescale)
    {
        CheckLengths(guided.Length, conditional.Length, guided.Length);
        if (rescale == 0)
        {
            return;
        }

        float ratio = (float)(StandardDeviation(conditional) / StandardDeviation(guided));
        Elementwise.Apply(guided, guided, new Shrink(ratio, rescale));
    }

    // Two passes in float64: the mean may be large beside the deviation.
    private static double StandardDeviation(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
        {
            sum += value;
        }

        double mean = sum / values.Length;
        double squares = 0;
        foreach (float value in values)
        {
            double difference = value - mean;
            squares += difference * difference;
        }

        return Math.Sqrt(squares / (values.Length - 1));
    }

    private static void CheckLengths(int a, int b, int c)
    {
        if (a != b || a != c)
        {
            throw new ArgumentException(FormattableString.Invariant($"Outputs of {a}, {b} and {c} values do not fit together."));
        }
    }

    private readonly struct Mix(float scale) : IBinaryKernel
    {
        private readonly float _scale = scale;

        public Vector<float> Invoke(Vector<float> x, Vector<float> y) => x + ((y - x) * _scale);
    }

    private readonly struct Shrink(float ratio, float rescale) : IUnaryKernel
    {
        private readonly float _ratio = ratio;
        private readonly float _rescale = rescale;

        public Vector<float> Invoke(Vector<float> x) => (x * _ratio * _rescale) + (x * (1 - _rescale));
    }
}

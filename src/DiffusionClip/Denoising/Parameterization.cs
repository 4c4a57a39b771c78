namespace DiffusionClip.Denoising;

/// <summary>
/// The ways a model's output says what x0 is, once for all schedulers: x0 = x·<see cref="X0Coefficients.Sample"/> + output·<see cref="X0Coefficients.Output"/>.
/// </summary>
internal static class Parameterization
{
    /// <summary>
    /// The factors of sample and output that give x0 at a level. With s² = alpha² + sigma²:
    /// epsilon (Ho et al. 2020, equation 15): (x - sigma·out)/alpha; v (Salimans and Ho 2022, appendix D): alpha/s²·x - sigma/s·out;
    /// sample: out; flow (Lipman et al. 2022): (x - sigma·out)/(alpha + sigma).
    /// </summary>
    public static X0Coefficients Original(PredictionType type, SignalNoise level)
    {
        (float alpha, float sigma) = (level.Alpha, level.Sigma);
        switch (type)
        {
            case PredictionType.Epsilon:
                return new(1 / alpha, -sigma / alpha);
            case PredictionType.VPrediction:
                // Samples of unit variance need no division, and at the ends it would cost bits.
                double norm = IsVariancePreserving(level) ? 1 : ((double)alpha * alpha) + ((double)sigma * sigma);
                return new((float)(alpha / norm), (float)(-sigma / Math.Sqrt(norm)));
            case PredictionType.Sample:
                return new(0, 1);
            case PredictionType.Flow:
                float sum = alpha + sigma;
                return new(1 / sum, -sigma / sum);
            default:
                throw new ArgumentOutOfRangeException(nameof(type));
        }
    }

    /// <summary>
    /// The factors that give the noise: epsilon: out; v: alpha·out + sigma/… ·x on unit variance; sample: (x - alpha·out)/sigma; flow: x0 + out.
    /// </summary>
    public static X0Coefficients Noise(PredictionType type, SignalNoise level)
    {
        (float alpha, float sigma) = (level.Alpha, level.Sigma);
        switch (type)
        {
            case PredictionType.Epsilon:
                return new(0, 1);
            case PredictionType.VPrediction:
                double norm = IsVariancePreserving(level) ? 1 : ((double)alpha * alpha) + ((double)sigma * sigma);
                return new((float)(sigma / norm), (float)(alpha / Math.Sqrt(norm)));
            case PredictionType.Sample:
                return new(1 / sigma, -alpha / sigma);
            case PredictionType.Flow:
                float sum = alpha + sigma;
                return new(1 / sum, alpha / sum);
            default:
                throw new ArgumentOutOfRangeException(nameof(type));
        }
    }

    private static bool IsVariancePreserving(SignalNoise level) =>
        Math.Abs(((double)level.Alpha * level.Alpha) + ((double)level.Sigma * level.Sigma) - 1) < 1e-5;
}

/// <summary>value = Sample·x + Output·out.</summary>
/// <param name="Sample">Factor of the sample.</param>
/// <param name="Output">Factor of the model's output.</param>
internal readonly record struct X0Coefficients(float Sample, float Output)
{
    /// <summary>Writes the value.</summary>
    public void Write(Span<float> destination, ReadOnlySpan<float> sample, ReadOnlySpan<float> output)
    {
        if (Sample == 0)
        {
            // The sample may be infinite or enormous where only the output counts.
            LinearCombination.Write(destination, Output, output);
        }
        else
        {
            LinearCombination.Write(destination, Sample, sample, Output, output);
        }
    }
}

namespace DiffusionClip.Denoising;

/// <summary>
/// Ways to lay out noise levels between two ends, in float64 as numpy does; and the timestep that belongs to a noise level.
/// </summary>
internal static class SigmaSchedule
{
    /// <summary>Evenly in sigma^(1/rho) (Karras et al. 2022, equation 5).</summary>
    public static double[] Karras(double sigmaMin, double sigmaMax, int steps, double rho = 7)
    {
        double low = Math.Pow(sigmaMin, 1 / rho);
        double high = Math.Pow(sigmaMax, 1 / rho);
        return Array.ConvertAll(TorchRounding.Linspace(0.0, 1.0, steps), ramp => Math.Pow(high + (ramp * (low - high)), rho));
    }

    /// <summary>Evenly in log sigma.</summary>
    public static double[] Exponential(double sigmaMin, double sigmaMax, int steps) =>
        Array.ConvertAll(TorchRounding.Linspace(Math.Log(sigmaMax), Math.Log(sigmaMin), steps), Math.Exp);

    /// <summary>At the quantiles of a beta distribution (Lee et al. 2024).</summary>
    public static double[] Beta(double sigmaMin, double sigmaMax, int steps, double alpha = 0.6, double beta = 0.6) =>
        Array.ConvertAll(
            TorchRounding.Linspace(0.0, 1.0, steps),
            t => sigmaMin + (BetaDistribution.Quantile(1 - t, alpha, beta) * (sigmaMax - sigmaMin)));

    /// <summary>Evenly in lambda, the log of signal to noise (Lu et al. 2022, DPM-Solver); gives sigmas.</summary>
    public static double[] Lambda(double logSigmaMin, double logSigmaMax, int steps) =>
        Array.ConvertAll(TorchRounding.Linspace(0.0, 1.0, steps), ramp => Math.Exp(logSigmaMax + (ramp * (logSigmaMin - logSigmaMax))));

    /// <summary>Moves flow sigmas towards noise (Esser et al. 2024, equation 23).</summary>
    public static double Shift(double sigma, double shift) => shift * sigma / (1 + ((shift - 1) * sigma));

    /// <summary>The fractional training step at which the noise level is <paramref name="sigma"/>, interpolated in log sigma.</summary>
    public static double Timestep(double sigma, float[] logSigmas)
    {
        double logSigma = Math.Log(Math.Max(sigma, 1e-10));
        int below = 0;
        for (int i = logSigmas.Length - 1; i > 0; i--)
        {
            if (logSigma - logSigmas[i] >= 0)
            {
                below = i;
                break;
            }
        }

        below = Math.Min(below, logSigmas.Length - 2);
        double low = logSigmas[below];
        double high = logSigmas[below + 1];
        double weight = Math.Clamp((low - logSigma) / ((float)low - (float)high), 0, 1);
        return ((1 - weight) * below) + (weight * (below + 1));
    }
}

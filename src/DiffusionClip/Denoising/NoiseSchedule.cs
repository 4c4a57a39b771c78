namespace DiffusionClip.Denoising;

/// <summary>How the noise grows over the training steps.</summary>
internal enum BetaSchedule
{
    /// <summary>Beta grows linearly (Ho et al. 2020, section 4).</summary>
    Linear,

    /// <summary>The root of beta grows linearly (Rombach et al. 2022).</summary>
    ScaledLinear,

    /// <summary>The squared cosine (Nichol and Dhariwal 2021, equation 17).</summary>
    SquaredcosCapV2,

    /// <summary>An exponential alpha bar; Heun's only.</summary>
    Exp,

    /// <summary>A sigmoid between the two ends (GeoDiff); DDPM's only.</summary>
    Sigmoid,

    /// <summary>A Laplace distribution of the log SNR; DDPM's only.</summary>
    Laplace,
}

/// <summary>
/// Betas and their cumulated alphas, in float32 where torch has float32: later code amplifies differences in the last bits.
/// </summary>
internal sealed class NoiseSchedule
{
    private NoiseSchedule(float[] betas, bool finiteTerminal)
    {
        Betas = betas;
        AlphasCumprod = CumulatedProduct(betas);
        if (finiteTerminal)
        {
            // A terminal SNR of zero would make sigma infinite; the reference keeps the smallest half-precision number instead.
            AlphasCumprod[^1] = MathF.ScaleB(1, -24);
        }

        Sigmas = Array.ConvertAll(AlphasCumprod, a => MathF.Sqrt((1 - a) / a));
        if (finiteTerminal)
        {
            // The root of 2^24 - 1 lies a hair below the middle of two floats; the reference's root rounds up.
            Sigmas[^1] = 4096;
        }

        LogSigmas = Array.ConvertAll(Sigmas, TorchRounding.Log);
    }

    /// <summary>Variance added by each training step.</summary>
    public float[] Betas { get; }

    /// <summary>Alpha bar: the square of the signal's factor after each training step.</summary>
    public float[] AlphasCumprod { get; }

    /// <summary>Noise to signal of each training step, ascending.</summary>
    public float[] Sigmas { get; }

    /// <summary>Logarithms of <see cref="Sigmas"/>.</summary>
    public float[] LogSigmas { get; }

    /// <summary>Number of training steps.</summary>
    public int Length => Betas.Length;

    /// <summary>Builds the schedule of a configuration.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="rescaleZeroTerminalSnr">Whether to rescale to a terminal SNR of zero (Lin et al. 2023, algorithm 1).</param>
    /// <param name="finiteTerminal">Whether the terminal sigma is to stay finite after that.</param>
    public static NoiseSchedule Create(BetaSchedulerConfig config, bool rescaleZeroTerminalSnr = false, bool finiteTerminal = false)
    {
        int n = config.NumTrainTimesteps;
        float[] betas = config.TrainedBetas is { } trained
            ? [.. trained.Select(b => (float)b)]
            : config.BetaSchedule switch
            {
                BetaSchedule.Linear => TorchRounding.Linspace((float)config.BetaStart, (float)config.BetaEnd, n),
                BetaSchedule.ScaledLinear => Array.ConvertAll(
                    TorchRounding.Linspace((float)Math.Sqrt(config.BetaStart), (float)Math.Sqrt(config.BetaEnd), n),
                    b => b * b),
                BetaSchedule.SquaredcosCapV2 => FromAlphaBar(n, Cosine),
                BetaSchedule.Exp => FromAlphaBar(n, t => Math.Exp(t * -12)),
                BetaSchedule.Laplace => FromAlphaBar(n, Laplace),
                BetaSchedule.Sigmoid => Array.ConvertAll(
                    TorchRounding.Linspace(-6, 6, n),
                    b => (1 / (1 + TorchRounding.Exp(-b)) * (float)(config.BetaEnd - config.BetaStart)) + (float)config.BetaStart),
                _ => throw new InvalidOperationException(),
            };
        return new NoiseSchedule(rescaleZeroTerminalSnr ? Rescale(betas) : betas, rescaleZeroTerminalSnr && finiteTerminal);
    }

    // Lin et al. 2023, algorithm 1: shift the root of alpha bar so that the last is zero, scale so that the first stays.
    private static float[] Rescale(float[] betas)
    {
        float[] root = Array.ConvertAll(CumulatedProduct(betas), MathF.Sqrt);
        float first = root[0];
        float last = root[^1];
        float scale = first / (first - last);
        float[] alphaBar = Array.ConvertAll(root, r =>
        {
            float shifted = (r - last) * scale;
            return shifted * shifted;
        });
        var rescaled = new float[betas.Length];
        for (int i = 0; i < rescaled.Length; i++)
        {
            rescaled[i] = 1 - (i == 0 ? alphaBar[0] : alphaBar[i] / alphaBar[i - 1]);
        }

        return rescaled;
    }

    private static float[] CumulatedProduct(float[] betas)
    {
        var product = new float[betas.Length];
        double running = 1;
        for (int i = 0; i < betas.Length; i++)
        {
            running *= 1 - betas[i];
            product[i] = (float)running;
        }

        return product;
    }

    private static float[] FromAlphaBar(int n, Func<double, double> alphaBar)
    {
        var betas = new float[n];
        for (int i = 0; i < n; i++)
        {
            betas[i] = (float)Math.Min(1 - (alphaBar((i + 1) / (double)n) / alphaBar(i / (double)n)), 0.999);
        }

        return betas;
    }

    private static double Cosine(double t)
    {
        double c = Math.Cos((t + 0.008) / 1.008 * Math.PI / 2);
        return c * c;
    }

    private static double Laplace(double t)
    {
        double logSnr = -0.5 * Math.CopySign(1, 0.5 - t) * Math.Log(1 - (2 * Math.Abs(0.5 - t)) + 1e-6);
        double snr = Math.Exp(logSnr);
        return Math.Sqrt(snr / (1 + snr));
    }
}

namespace DiffusionClip.Denoising;

/// <summary>Options of the schedulers that spread their steps over sigmas.</summary>
internal abstract record SigmaSchedulerConfig : BetaSchedulerConfig
{
    /// <summary>How the steps lie on the training steps.</summary>
    public TimestepSpacing TimestepSpacing { get; init; } = TimestepSpacing.Linspace;

    /// <summary>Added to leading timesteps.</summary>
    public int StepsOffset { get; init; }

    /// <summary>Sigmas after Karras et al. 2022.</summary>
    public bool UseKarrasSigmas { get; init; }

    /// <summary>Sigmas evenly in log space.</summary>
    public bool UseExponentialSigmas { get; init; }

    /// <summary>Sigmas at the quantiles of a beta distribution.</summary>
    public bool UseBetaSigmas { get; init; }

    /// <summary>Lowest sigma of those three; null: the schedule's own. diffusers reads it from any configuration that has it.</summary>
    public double? SigmaMin { get; init; }

    /// <summary>Highest sigma of those three; null: the schedule's own.</summary>
    public double? SigmaMax { get; init; }

    /// <summary>Whether one of the three sigma schedules is asked for.</summary>
    protected bool UsesConvertedSigmas => UseKarrasSigmas || UseExponentialSigmas || UseBetaSigmas;

    /// <summary>Refuses two sigma schedules at once, and custom timesteps beside one.</summary>
    protected void CheckSigmaSchedule(ScheduleRequest request, bool others = false)
    {
        if ((UseKarrasSigmas ? 1 : 0) + (UseExponentialSigmas ? 1 : 0) + (UseBetaSigmas ? 1 : 0) > 1)
        {
            throw OptionCheck.Invalid(
                UseBetaSigmas ? "use_beta_sigmas" : "use_exponential_sigmas",
                "true",
                "only one of use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas can be true");
        }

        if (request.Timesteps is not null && (UsesConvertedSigmas || others))
        {
            throw OptionCheck.Invalid(
                "timesteps", "a list", "the configuration asks for a sigma schedule of its own; turn it off or give num_inference_steps");
        }
    }

    /// <summary>Timesteps and sigmas as the k-diffusion schedulers lay them out, without the final level.</summary>
    protected (double[] Timesteps, double[] Sigmas) LayOut(NoiseSchedule schedule, ScheduleRequest request, int steps)
    {
        double[] timesteps = request.Timesteps is { } custom
            ? [.. custom.Select(t => (double)(float)t)]
            : SpacedTimesteps.Continuous(TimestepSpacing, NumTrainTimesteps, steps, StepsOffset);
        double[] sigmas = Array.ConvertAll(timesteps, t => TorchRounding.Interpolate(t, schedule.Sigmas));
        if (ConvertedSigmas(sigmas[^1], sigmas[0], steps) is { } converted)
        {
            sigmas = converted;
            timesteps = Array.ConvertAll(sigmas, s => SigmaSchedule.Timestep(s, schedule.LogSigmas));
        }

        return (timesteps, sigmas);
    }

    /// <summary>
    /// Standard deviation of the first sample: leading timesteps do not begin at pure noise, so the signal's part is counted in.
    /// </summary>
    protected float InitNoiseSigma(float maxSigma) =>
        TimestepSpacing == TimestepSpacing.Leading ? MathF.Sqrt((maxSigma * maxSigma) + 1) : maxSigma;

    /// <summary>The sigma schedule that is asked for, or null.</summary>
    /// <param name="ownMin">The schedule's lowest sigma.</param>
    /// <param name="ownMax">The schedule's highest sigma.</param>
    /// <param name="steps">Number of sigmas.</param>
    protected virtual double[]? ConvertedSigmas(double ownMin, double ownMax, int steps)
    {
        double low = SigmaMin ?? ownMin;
        double high = SigmaMax ?? ownMax;
        return UseKarrasSigmas ? SigmaSchedule.Karras(low, high, steps)
            : UseExponentialSigmas ? SigmaSchedule.Exponential(low, high, steps)
            : UseBetaSigmas ? SigmaSchedule.Beta(low, high, steps)
            : null;
    }
}

/// <summary>The level a schedule of sigmas ends on.</summary>
internal enum FinalSigmasType
{
    /// <summary>No noise at all.</summary>
    Zero,

    /// <summary>The noise of the first training step.</summary>
    SigmaMin,
}

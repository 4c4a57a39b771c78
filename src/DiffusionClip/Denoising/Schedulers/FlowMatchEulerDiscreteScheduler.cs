using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="FlowMatchEulerDiscreteScheduler"/>.</summary>
internal sealed record FlowMatchEulerDiscreteConfig : FlowMatchConfig
{
    /// <inheritdoc/>
    public override string ClassName => "FlowMatchEulerDiscreteScheduler";

    /// <summary>Whether the shift follows from the picture's size (the request's mu).</summary>
    public bool UseDynamicShifting { get; init; }

    /// <summary>mu of the smallest picture.</summary>
    public double? BaseShift { get; init; } = 0.5;

    /// <summary>mu of the largest picture.</summary>
    public double? MaxShift { get; init; } = 1.15;

    /// <summary>Tokens of the smallest picture.</summary>
    public int BaseImageSeqLen { get; init; } = 256;

    /// <summary>Tokens of the largest picture.</summary>
    public int MaxImageSeqLen { get; init; } = 4096;

    /// <summary>Whether sigma counts the signal instead of the noise.</summary>
    public bool InvertSigmas { get; init; }

    /// <summary>The sigma that the schedule is stretched to end on; null: as it comes.</summary>
    public double? ShiftTerminal { get; init; }

    /// <summary>Sigmas after Karras et al. 2022.</summary>
    public bool UseKarrasSigmas { get; init; }

    /// <summary>Sigmas evenly in log space.</summary>
    public bool UseExponentialSigmas { get; init; }

    /// <summary>Sigmas at the quantiles of a beta distribution.</summary>
    public bool UseBetaSigmas { get; init; }

    /// <summary>How mu moves sigmas.</summary>
    public TimeShiftType TimeShiftType { get; init; }

    /// <summary>Whether each step goes to x0 and noises it again.</summary>
    public bool StochasticSampling { get; init; }

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = OptionCheck.Steps(request, ClassName, NumTrainTimesteps, takesTimesteps: true, takesSigmas: true);
        if ((UseKarrasSigmas ? 1 : 0) + (UseExponentialSigmas ? 1 : 0) + (UseBetaSigmas ? 1 : 0) > 1)
        {
            throw OptionCheck.Invalid(
                UseBetaSigmas ? "use_beta_sigmas" : "use_exponential_sigmas",
                "true",
                "only one of use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas can be true");
        }

        double[] noise;
        if (request.Sigmas is { } custom)
        {
            noise = [.. custom];
        }
        else if (request.Timesteps is { } timesteps)
        {
            noise = [.. timesteps.Select(t => t / NumTrainTimesteps)];
        }
        else
        {
            noise = EvenSigmas(steps, shifted: !UseDynamicShifting);
        }

        if (UseDynamicShifting)
        {
            double mu =
                request.Mu ?? throw OptionCheck.Invalid("mu", null, "use_dynamic_shifting needs it: it follows from the picture's size");
            noise = Array.ConvertAll(noise, s => TimeShift.Apply(TimeShiftType, mu, s));
        }
        else
        {
            noise = Array.ConvertAll(noise, s => SigmaSchedule.Shift(s, Shift));
        }

        if (ShiftTerminal is { } terminal and not 0)
        {
            noise = TimeShift.Stretch(noise, terminal);
        }

        noise = UseKarrasSigmas ? SigmaSchedule.Karras(noise[^1], noise[0], steps)
            : UseExponentialSigmas ? SigmaSchedule.Exponential(noise[^1], noise[0], steps)
            : UseBetaSigmas ? SigmaSchedule.Beta(noise[^1], noise[0], steps)
            : noise;
        float[] sigmas = [.. noise.Select(s => InvertSigmas ? 1 - (float)s : (float)s), InvertSigmas ? 1 : 0];
        return new FlowMatchEulerDiscreteScheduler(
            new PlanLayout
            {
                Timesteps = Array.ConvertAll(sigmas[..^1], s => s * NumTrainTimesteps),
                Levels = Array.ConvertAll(sigmas, s => InvertSigmas ? new SignalNoise(s, 1 - s) : new SignalNoise(1 - s, s)),
                Sigmas = sigmas,
                FirstEvaluation = OptionCheck.BeginIndex(request, steps),
                PredictionType = PredictionType.Flow,
                IsStochastic = StochasticSampling,
            },
            InvertSigmas);
    }
}

/// <summary>Euler's method on a rectified flow (Liu et al. 2022; Esser et al. 2024, Stable Diffusion 3).</summary>
internal sealed class FlowMatchEulerDiscreteScheduler(PlanLayout layout, bool inverted) : SchedulerPlan(layout)
{
    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        float sigma = Layout.Sigmas[evaluation];
        float next = Layout.Sigmas[evaluation + 1];
        if (Layout.IsStochastic)
        {
            noise.Fill(memory.Noise);
            Elementwise.Apply(sample, sample, modelOutput, Parameterization.Difference(sigma));
            LinearCombination.Write(sample, 1 - next, sample, next, memory.Noise);
        }
        else
        {
            LinearCombination.Write(sample, 1, sample, next - sigma, modelOutput);
        }
    }

    /// <inheritdoc/>
    protected override Parameterization Original(int evaluation) =>
        // Models of inverted flows predict the way from noise to data.
        Parameterization.Difference(inverted ? -Layout.Levels[evaluation].Sigma : Layout.Levels[evaluation].Sigma);
}

using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="EulerDiscreteScheduler"/>.</summary>
internal sealed record EulerDiscreteConfig : SigmaSchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "EulerDiscreteScheduler";

    /// <summary>How sigmas are interpolated between training steps.</summary>
    public InterpolationType InterpolationType { get; init; }

    /// <summary>Whether the model is given timesteps or, with v-prediction, log sigma / 4.</summary>
    public TimestepType TimestepType { get; init; }

    /// <summary>Whether betas are rescaled to a terminal SNR of zero.</summary>
    public bool RescaleBetasZeroSnr { get; init; }

    /// <summary>The level that the last step ends on.</summary>
    public FinalSigmasType FinalSigmasType { get; init; }

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request, takesTimesteps: true, takesSigmas: true);
        CheckSigmaSchedule(request);
        OptionCheck.Within("s_churn", request.SChurn, 0, double.MaxValue);
        bool continuous = TimestepType == TimestepType.Continuous && PredictionType == PredictionType.VPrediction;
        if (continuous && request.Timesteps is not null)
        {
            throw OptionCheck.Invalid("timesteps", "a list", "continuous timesteps follow from sigmas; give num_inference_steps or sigmas");
        }

        NoiseSchedule schedule = NoiseSchedule.Create(this, RescaleBetasZeroSnr, finiteTerminal: true);
        double[] timesteps;
        float[] sigmas;
        if (request.Sigmas is { } custom)
        {
            OptionCheck.AtLeast("sigmas", steps, 2);
            sigmas = [.. custom.Select(s => (float)s)];
            timesteps = [.. sigmas[..^1].Select(s => SigmaSchedule.Timestep(s, schedule.LogSigmas))];
        }
        else
        {
            (timesteps, double[] levels) = LayOut(schedule, request, steps);
            if (InterpolationType == InterpolationType.LogLinear)
            {
                // One sigma more than steps: the last step ends on the lowest sigma, not on zero, as in the reference implementation.
                float[] even = Array.ConvertAll(
                    TorchRounding.Linspace(schedule.LogSigmas[^1], schedule.LogSigmas[0], steps + 1),
                    TorchRounding.Exp);
                levels = ConvertedSigmas(even[^1], even[0], steps) ?? Array.ConvertAll(even, s => (double)s);
                if (UsesConvertedSigmas)
                {
                    timesteps = Array.ConvertAll(levels, s => SigmaSchedule.Timestep(s, schedule.LogSigmas));
                }
            }

            sigmas = [.. levels.Select(s => (float)s), FinalSigmasType == FinalSigmasType.Zero ? 0 : schedule.Sigmas[0]];
        }

        int evaluations = timesteps.Length;
        return new EulerDiscreteScheduler(
            new PlanLayout
            {
                Timesteps = continuous
                    ? Array.ConvertAll(sigmas[..evaluations], s => 0.25f * TorchRounding.Log(s))
                    : Array.ConvertAll(timesteps, t => (float)t),
                Levels = SigmaPlan.VarianceExploding(sigmas.AsSpan(0, evaluations + 1)),
                Sigmas = sigmas,
                FirstEvaluation = OptionCheck.BeginIndex(request, evaluations),
                PredictionType = PredictionType,
                InitNoiseSigma = InitNoiseSigma(sigmas.Max()),
                IsStochastic = request.SChurn > 0,
            },
            new Churn(request, sigmas.Length - 1));
    }
}

/// <summary>How sigmas between training steps are found.</summary>
internal enum InterpolationType
{
    /// <summary>Linearly in sigma.</summary>
    Linear,

    /// <summary>Evenly in log sigma, from the highest to the lowest.</summary>
    LogLinear,
}

/// <summary>What a model is given as its timestep.</summary>
internal enum TimestepType
{
    /// <summary>The training step.</summary>
    Discrete,

    /// <summary>A function of sigma.</summary>
    Continuous,
}

/// <summary>Euler's method on the probability flow (Karras et al. 2022, algorithm 2 without correction).</summary>
internal sealed class EulerDiscreteScheduler(PlanLayout layout, Churn churn) : SigmaPlan(layout)
{
    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        float sigma = Layout.Levels[evaluation].Sigma;
        float raised = churn.Apply(sample, sigma, memory, noise);
        // v is read at the level before churn, epsilon at the level after it, as in the reference implementation.
        Parameterization original = Parameterization.Original(
            Layout.PredictionType,
            new(1, Layout.PredictionType == PredictionType.Epsilon ? raised : sigma));
        Elementwise.Apply(sample, sample, modelOutput, new EulerStep(original, raised, Layout.Levels[evaluation + 1].Sigma - raised));
    }
}

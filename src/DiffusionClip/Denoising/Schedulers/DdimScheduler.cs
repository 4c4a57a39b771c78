using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="DdimScheduler"/>.</summary>
internal sealed record DdimConfig : BetaSchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "DDIMScheduler";

    /// <summary>Clipping of x0.</summary>
    public ClippingOptions Clip { get; init; } = new() { ClipSample = true };

    /// <summary>Whether the last step ends on the clean sample rather than on the first training step.</summary>
    public bool SetAlphaToOne { get; init; } = true;

    /// <summary>Added to leading timesteps.</summary>
    public int StepsOffset { get; init; }

    /// <summary>Dynamic thresholding of x0.</summary>
    public ThresholdingOptions Threshold { get; init; } = new();

    /// <summary>How the steps lie on the training steps.</summary>
    public TimestepSpacing TimestepSpacing { get; init; } = TimestepSpacing.Leading;

    /// <summary>Whether betas are rescaled to a terminal SNR of zero.</summary>
    public bool RescaleBetasZeroSnr { get; init; }

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request);
        OptionCheck.Within("eta", request.Eta ?? 0, 0, 1);
        float[] alphas = NoiseSchedule.Create(this, RescaleBetasZeroSnr).AlphasCumprod;
        double[] timesteps = SpacedTimesteps.Whole(TimestepSpacing, NumTrainTimesteps, steps, StepsOffset);
        int stride = NumTrainTimesteps / steps;
        var levels = new SignalNoise[timesteps.Length + 1];
        var targets = new SignalNoise[timesteps.Length];
        for (int i = 0; i < timesteps.Length; i++)
        {
            int t = TimestepIndex.Of(timesteps[i], NumTrainTimesteps);
            levels[i] = Level(alphas[t]);
            // The target is one stride below, wherever the spacing puts the next timestep, as in the reference implementation.
            targets[i] = t >= stride ? Level(alphas[t - stride]) : SetAlphaToOne ? new(1, 0) : Level(alphas[0]);
        }

        levels[^1] = targets[^1];
        return new DdimScheduler(
            new PlanLayout
            {
                Timesteps = Array.ConvertAll(timesteps, t => (float)t),
                Levels = levels,
                FirstEvaluation = OptionCheck.BeginIndex(request, timesteps.Length),
                PredictionType = PredictionType,
                Limit = OriginalSampleLimit.Of(Threshold, Clip),
                IsStochastic = request.Eta > 0,
            },
            targets,
            (float)(request.Eta ?? 0),
            request.UseClippedModelOutput);

        static SignalNoise Level(float alphaCumprod) => new(MathF.Sqrt(alphaCumprod), MathF.Sqrt(1 - alphaCumprod));
    }
}

/// <summary>DDIM: denoising diffusion implicit models (Song et al. 2020, equations 12 and 16).</summary>
internal sealed class DdimScheduler(PlanLayout layout, SignalNoise[] targets, float eta, bool useClippedModelOutput) : SchedulerPlan(layout)
{
    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        SignalNoise from = Layout.Levels[evaluation];
        SignalNoise to = targets[evaluation];
        float deviation = eta * Deviation(from, to);
        float direction = MathF.Sqrt(Math.Max((to.Sigma * to.Sigma) - (deviation * deviation), 0));
        if (Layout.Limit.IsActive)
        {
            Span<float> x0 = memory.Scratch(LimitScratch);
            Span<float> epsilon = memory.Scratch(LimitScratch + 1);
            WriteOriginal(x0, modelOutput, sample, evaluation, memory);
            if (useClippedModelOutput)
            {
                LinearCombination.Write(epsilon, 1 / from.Sigma, sample, -from.Alpha / from.Sigma, x0);
            }
            else
            {
                Parameterization.Noise(Layout.PredictionType, from).Write(epsilon, sample, modelOutput);
            }

            LinearCombination.Write(sample, to.Alpha, x0, direction, epsilon);
        }
        else
        {
            Elementwise.Apply(
                sample,
                sample,
                modelOutput,
                new DeterministicMove(Original(evaluation), Parameterization.Noise(Layout.PredictionType, from), to.Alpha, direction));
        }

        if (eta > 0)
        {
            noise.Fill(memory.Noise);
            LinearCombination.Add(sample, deviation, memory.Noise);
        }
    }

    // Equation 16: sigma_t of the step, at eta = 1 that of DDPM.
    private static float Deviation(SignalNoise from, SignalNoise to)
    {
        float alphaFrom = from.Alpha * from.Alpha;
        float alphaTo = to.Alpha * to.Alpha;
        return MathF.Sqrt((1 - alphaTo) / (1 - alphaFrom) * (1 - (alphaFrom / alphaTo)));
    }
}

using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="EulerAncestralDiscreteScheduler"/>.</summary>
internal sealed record EulerAncestralDiscreteConfig : BetaSchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "EulerAncestralDiscreteScheduler";

    /// <summary>How the steps lie on the training steps.</summary>
    public TimestepSpacing TimestepSpacing { get; init; } = TimestepSpacing.Linspace;

    /// <summary>Added to leading timesteps.</summary>
    public int StepsOffset { get; init; }

    /// <summary>Whether betas are rescaled to a terminal SNR of zero.</summary>
    public bool RescaleBetasZeroSnr { get; init; }

    /// <inheritdoc/>
    protected override ReadOnlySpan<PredictionType> UnsupportedPredictionTypes => [PredictionType.Sample, PredictionType.Flow];

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request);
        NoiseSchedule schedule = NoiseSchedule.Create(this, RescaleBetasZeroSnr, finiteTerminal: true);
        double[] timesteps = SpacedTimesteps.Continuous(TimestepSpacing, NumTrainTimesteps, steps, StepsOffset);
        float[] sigmas = [.. timesteps.Select(t => (float)TorchRounding.Interpolate(t, schedule.Sigmas)), 0];
        float highest = sigmas.Max();
        return new EulerAncestralDiscreteScheduler(new PlanLayout
        {
            Timesteps = Array.ConvertAll(timesteps, t => (float)t),
            Levels = SigmaPlan.VarianceExploding(sigmas),
            Sigmas = sigmas,
            FirstEvaluation = OptionCheck.BeginIndex(request, timesteps.Length),
            PredictionType = PredictionType,
            InitNoiseSigma = TimestepSpacing == TimestepSpacing.Leading ? MathF.Sqrt((highest * highest) + 1) : highest,
            IsStochastic = true,
        });
    }
}

/// <summary>
/// Euler's method with ancestral noise: each step goes below the next level and comes back up by fresh noise (k-diffusion, after Song et
/// al. 2020, eta = 1).
/// </summary>
internal sealed class EulerAncestralDiscreteScheduler(PlanLayout layout) : SigmaPlan(layout)
{
    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        float from = Layout.Levels[evaluation].Sigma;
        float to = Layout.Levels[evaluation + 1].Sigma;
        (float down, float up) = Ancestral.Split(from, to);
        noise.Fill(memory.Noise);
        Elementwise.Apply(sample, sample, modelOutput, memory.Noise, new AncestralStep(Original(evaluation), from, down - from, up));
    }
}

using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="DdpmScheduler"/>.</summary>
internal sealed record DdpmConfig : BetaSchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "DDPMScheduler";

    /// <summary>The variance of the noise that each step adds.</summary>
    public DdpmVarianceType VarianceType { get; init; } = DdpmVarianceType.FixedSmall;

    /// <summary>Clipping of x0.</summary>
    public ClippingOptions Clip { get; init; } = new() { ClipSample = true };

    /// <summary>Dynamic thresholding of x0.</summary>
    public ThresholdingOptions Threshold { get; init; } = new();

    /// <summary>How the steps lie on the training steps.</summary>
    public TimestepSpacing TimestepSpacing { get; init; } = TimestepSpacing.Leading;

    /// <summary>Added to leading timesteps.</summary>
    public int StepsOffset { get; init; }

    /// <summary>Whether betas are rescaled to a terminal SNR of zero.</summary>
    public bool RescaleBetasZeroSnr { get; init; }

    /// <inheritdoc/>
    protected override ReadOnlySpan<BetaSchedule> FurtherBetaSchedules => [BetaSchedule.Sigmoid, BetaSchedule.Laplace];

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request, takesTimesteps: true);
        if (VarianceType is DdpmVarianceType.FixedLargeLog or DdpmVarianceType.Learned or DdpmVarianceType.LearnedRange)
        {
            throw OptionCheck.Invalid(
                "variance_type",
                OptionNames.Of(VarianceType),
                "fixed_small, fixed_small_log and fixed_large are supported");
        }

        float[] alphas = NoiseSchedule.Create(this, RescaleBetasZeroSnr).AlphasCumprod;
        double[] timesteps = request.Timesteps is { } custom
            ? [.. custom.Select(Math.Truncate)]
            : SpacedTimesteps.Whole(TimestepSpacing, NumTrainTimesteps, steps, StepsOffset);
        var own = new float[timesteps.Length + 1];
        for (int i = 0; i < timesteps.Length; i++)
        {
            if (i > 0 && timesteps[i] >= timesteps[i - 1])
            {
                throw OptionCheck.Invalid("timesteps", string.Join(", ", timesteps), "they must descend");
            }

            own[i] = alphas[TimestepIndex.Of(timesteps[i], NumTrainTimesteps)];
        }

        own[^1] = 1;
        return new DdpmScheduler(
            new PlanLayout
            {
                Timesteps = Array.ConvertAll(timesteps, t => (float)t),
                Levels = Array.ConvertAll(own, a => new SignalNoise(MathF.Sqrt(a), MathF.Sqrt(1 - a))),
                FirstEvaluation = OptionCheck.BeginIndex(request, timesteps.Length),
                PredictionType = PredictionType,
                Limit = OriginalSampleLimit.Of(Threshold, Clip),
                IsStochastic = true,
                Scratch = 1,
            },
            own,
            VarianceType);
    }
}

/// <summary>The variance of the noise that a DDPM step adds.</summary>
internal enum DdpmVarianceType
{
    /// <summary>That of the posterior.</summary>
    FixedSmall,

    /// <summary>The same, by its logarithm.</summary>
    FixedSmallLog,

    /// <summary>Beta.</summary>
    FixedLarge,

    /// <summary>Beta's logarithm; gives no number in the reference.</summary>
    FixedLargeLog,

    /// <summary>Predicted by the model.</summary>
    Learned,

    /// <summary>Predicted by the model between the two fixed ones.</summary>
    LearnedRange,
}

/// <summary>DDPM: the posterior of one diffusion step (Ho et al. 2020, equation 7), between any two timesteps.</summary>
internal sealed class DdpmScheduler(PlanLayout layout, float[] alphas, DdpmVarianceType varianceType) : SchedulerPlan(layout)
{
    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        float from = alphas[evaluation];
        float to = alphas[evaluation + 1];
        float alpha = from / to;
        float beta = 1 - alpha;
        Span<float> x0 = memory.Scratch(0);
        WriteOriginal(x0, modelOutput, sample, evaluation, memory);
        LinearCombination.Write(sample, MathF.Sqrt(to) * beta / (1 - from), x0, MathF.Sqrt(alpha) * (1 - to) / (1 - from), sample);
        if (Layout.Timesteps[evaluation] > 0)
        {
            float posterior = Math.Max((1 - to) / (1 - from) * beta, 1e-20f);
            noise.Fill(memory.Noise);
            LinearCombination.Add(sample, MathF.Sqrt(varianceType == DdpmVarianceType.FixedLarge ? beta : posterior), memory.Noise);
        }
    }
}

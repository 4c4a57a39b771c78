using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="HeunDiscreteScheduler"/>.</summary>
internal sealed record HeunDiscreteConfig : SigmaSchedulerConfig
{
    /// <summary>Sets the defaults that differ from other schedulers'.</summary>
    public HeunDiscreteConfig()
    {
        BetaStart = 0.00085;
        BetaEnd = 0.012;
    }

    /// <inheritdoc/>
    public override string ClassName => "HeunDiscreteScheduler";

    /// <summary>Clipping of x0.</summary>
    public ClippingOptions Clip { get; init; } = new();

    /// <inheritdoc/>
    protected override ReadOnlySpan<BetaSchedule> FurtherBetaSchedules => [BetaSchedule.Exp];

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request, takesTimesteps: true);
        CheckSigmaSchedule(request);
        (double[] timesteps, double[] levels) = LayOut(NoiseSchedule.Create(this), request, steps);
        float[] sigmas = [.. TwoStagePlan.Twice<double>(levels).Select(s => (float)s), 0];
        return new HeunDiscreteScheduler(new PlanLayout
        {
            Timesteps = Array.ConvertAll(TwoStagePlan.Twice<double>(timesteps), t => (float)t),
            Levels = SigmaPlan.VarianceExploding(sigmas),
            Sigmas = sigmas,
            FirstEvaluation = 2 * OptionCheck.BeginIndex(request, timesteps.Length),
            PredictionType = PredictionType,
            InitNoiseSigma = InitNoiseSigma(sigmas.Max()),
            Limit = OriginalSampleLimit.Of(null, Clip),
            Kept = 2,
            Scratch = 1,
        });
    }
}

/// <summary>
/// Heun's method on the probability flow: a step of Euler's, corrected by the slope at its end (Karras et al. 2022, algorithm 2).
/// </summary>
internal sealed class HeunDiscreteScheduler(PlanLayout layout) : TwoStagePlan(layout)
{
    private const int KeptSample = 0;
    private const int KeptDerivative = 1;

    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        Span<float> kept = memory.Kept(KeptSample);
        Span<float> first = memory.Kept(KeptDerivative);
        if (IsFirstStage(evaluation))
        {
            WriteDerivative(first, modelOutput, evaluation, sample, memory);
            sample.CopyTo(kept);
            LinearCombination.Add(sample, Layout.Levels[evaluation + 1].Sigma - Layout.Levels[evaluation].Sigma, first);
            return;
        }

        Span<float> second = memory.Scratch(0);
        WriteDerivative(second, modelOutput, evaluation, sample, memory);
        LinearCombination.Write(second, 0.5f, first, 0.5f, second);
        LinearCombination.Write(sample, 1, kept, Layout.Levels[evaluation].Sigma - Layout.Levels[evaluation - 1].Sigma, second);
    }

    private void WriteDerivative(
        Span<float> destination,
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        ReadOnlySpan<float> sample,
        SchedulerMemory memory)
    {
        float sigma = Layout.Levels[evaluation].Sigma;
        if (Layout.Limit.IsActive)
        {
            WriteOriginal(destination, modelOutput, sample, evaluation, memory);
            Elementwise.Apply(
                destination,
                sample,
                destination,
                new Derivative(Parameterization.Original(PredictionType.Sample, default), sigma));
        }
        else
        {
            Elementwise.Apply(destination, sample, modelOutput, new Derivative(Original(evaluation), sigma));
        }
    }
}

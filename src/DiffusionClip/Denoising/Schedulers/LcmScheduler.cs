using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="LcmScheduler"/>.</summary>
internal sealed record LcmConfig : ConsistencySchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "LCMScheduler";

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request, takesTimesteps: true);
        float[] alphas = NoiseSchedule.Create(this, RescaleBetasZeroSnr).AlphasCumprod;
        int[] timesteps = DistilledTimesteps(request, steps);
        return new LcmScheduler(
            new PlanLayout
            {
                Timesteps = Array.ConvertAll(timesteps, t => (float)t),
                Levels =
                [
                    .. timesteps.Select(t => new SignalNoise(MathF.Sqrt(alphas[t]), MathF.Sqrt(1 - alphas[t]))),
                    new SignalNoise(1, 0),
                ],
                FirstEvaluation = OptionCheck.BeginIndex(request, timesteps.Length),
                PredictionType = PredictionType,
                Limit = Limit,
                IsStochastic = timesteps.Length > 1,
                Scratch = 1,
            },
            (float)TimestepScaling);
    }
}

/// <summary>Latent consistency models: each step jumps to x0 and noises it again (Luo et al. 2023, algorithm 3 and equation 9).</summary>
internal sealed class LcmScheduler(PlanLayout layout, float timestepScaling) : SchedulerPlan(layout)
{
    private const float SigmaData = 0.5f;

    /// <inheritdoc/>
    public override void PredictOriginal(
        ReadOnlySpan<float> modelOutput,
        ReadOnlySpan<float> sample,
        int evaluation,
        Span<float> destination)
    {
        base.PredictOriginal(modelOutput, sample, evaluation, destination);
        (float skip, float output) = BoundaryCondition(evaluation);
        LinearCombination.Write(destination, output, destination, skip, sample);
    }

    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        Span<float> x0 = memory.Scratch(0);
        Original(evaluation).Write(x0, sample, modelOutput);
        if (Layout.Limit.IsActive)
        {
            Layout.Limit.Apply(x0, memory.Scratch(LimitScratch));
        }

        (float skip, float output) = BoundaryCondition(evaluation);
        if (evaluation == Evaluations - 1)
        {
            LinearCombination.Write(sample, output, x0, skip, sample);
            return;
        }

        SignalNoise to = Layout.Levels[evaluation + 1];
        noise.Fill(memory.Noise);
        LinearCombination.Write(sample, to.Alpha * output, x0, to.Alpha * skip, sample, to.Sigma, memory.Noise);
    }

    // c_skip and c_out of Song et al. 2023, appendix C, on scaled timesteps.
    private (float Skip, float Output) BoundaryCondition(int evaluation)
    {
        float t = Layout.Timesteps[evaluation] * timestepScaling;
        float norm = (t * t) + (SigmaData * SigmaData);
        return (SigmaData * SigmaData / norm, t / MathF.Sqrt(norm));
    }
}

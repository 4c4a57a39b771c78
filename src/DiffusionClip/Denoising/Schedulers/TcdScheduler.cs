using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="TcdScheduler"/>. Clipping and thresholding are read, but the method has no use for them.</summary>
internal sealed record TcdConfig : ConsistencySchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "TCDScheduler";

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request, takesTimesteps: true);
        double gamma = request.Eta ?? 0.3;
        OptionCheck.Within("eta", gamma, 0, 1);
        float[] alphas = NoiseSchedule.Create(this, RescaleBetasZeroSnr).AlphasCumprod;
        int[] timesteps = DistilledTimesteps(request, steps, allOfTraining: request.OriginalInferenceSteps is not null);
        int[] targets = [.. timesteps.Skip(1), 0];
        int[] below = Array.ConvertAll(targets, t => (int)MathF.Floor((float)(1 - gamma) * t));
        SignalNoise Level(int t) => new(MathF.Sqrt(alphas[t]), MathF.Sqrt(1 - alphas[t]));
        return new TcdScheduler(
            new PlanLayout
            {
                Timesteps = Array.ConvertAll(timesteps, t => (float)t),
                Levels = [.. timesteps.Select(Level), Level(below[^1])],
                FirstEvaluation = OptionCheck.BeginIndex(request, timesteps.Length),
                PredictionType = PredictionType,
                IsStochastic = gamma > 0 && timesteps.Length > 1,
            },
            Array.ConvertAll(below, Level),
            [.. targets.Select((t, i) => alphas[t] / alphas[below[i]])]);
    }
}

/// <summary>
/// Trajectory consistency distillation: jumps to a level below the next and noises back up to it (Zheng et al. 2024, algorithm 4,
/// "strategic stochastic sampling").
/// </summary>
internal sealed class TcdScheduler(PlanLayout layout, SignalNoise[] below, float[] ratios) : SchedulerPlan(layout)
{
    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        Parameterization epsilon = Parameterization.Noise(Layout.PredictionType, Layout.Levels[evaluation]);
        Elementwise.Apply(
            sample,
            sample,
            modelOutput,
            new DeterministicMove(Original(evaluation), epsilon, below[evaluation].Alpha, below[evaluation].Sigma));
        if (Layout.IsStochastic && evaluation < Evaluations - 1)
        {
            noise.Fill(memory.Noise);
            LinearCombination.Write(sample, MathF.Sqrt(ratios[evaluation]), sample, MathF.Sqrt(1 - ratios[evaluation]), memory.Noise);
        }
    }
}

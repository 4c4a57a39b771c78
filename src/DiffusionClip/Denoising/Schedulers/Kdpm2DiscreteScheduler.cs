using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="Kdpm2DiscreteScheduler"/>.</summary>
internal sealed record Kdpm2DiscreteConfig : Kdpm2Config
{
    /// <inheritdoc/>
    public override string ClassName => "KDPM2DiscreteScheduler";

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        (float[] timesteps, float[] sigmas, float[] logSigmas) = LayOutSteps(request);
        int steps = timesteps.Length;
        var levels = new float[2 * steps];
        var given = new float[(2 * steps) - 1];
        for (int i = 0; i < steps; i++)
        {
            levels[2 * i] = sigmas[i];
            given[2 * i] = timesteps[i];
            if (i < steps - 1)
            {
                levels[(2 * i) + 1] = MiddleInLog(sigmas[i + 1], sigmas[i]);
                given[(2 * i) + 1] = (float)SigmaSchedule.Timestep(levels[(2 * i) + 1], logSigmas);
            }
        }

        return new Kdpm2DiscreteScheduler(Layout(request, given, levels, sigmas, isStochastic: false));
    }
}

/// <summary>
/// DPM-Solver-2: the slope in the middle, in log sigma, of a step (Karras et al. 2022, algorithm 2 with the midpoint; Lu et al. 2022,
/// DPM-Solver-2).
/// </summary>
internal sealed class Kdpm2DiscreteScheduler(PlanLayout layout) : TwoStagePlan(layout)
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
        Span<float> kept = memory.Kept(0);
        if (IsFirstStage(evaluation))
        {
            sample.CopyTo(kept);
            Elementwise.Apply(
                sample,
                sample,
                modelOutput,
                new EulerStep(Original(evaluation), sigma, Layout.Levels[evaluation + 1].Sigma - sigma));
            return;
        }

        Elementwise.Apply(sample, sample, modelOutput, new Derivative(Original(evaluation), sigma));
        LinearCombination.Write(sample, 1, kept, Layout.Levels[evaluation + 1].Sigma - Layout.Levels[evaluation - 1].Sigma, sample);
    }
}

using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="Kdpm2AncestralDiscreteScheduler"/>.</summary>
internal sealed record Kdpm2AncestralDiscreteConfig : Kdpm2Config
{
    /// <inheritdoc/>
    public override string ClassName => "KDPM2AncestralDiscreteScheduler";

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
                levels[(2 * i) + 1] = MiddleInLog(sigmas[i], Ancestral.Split(sigmas[i], sigmas[i + 1]).Down);
                given[(2 * i) + 1] = (float)SigmaSchedule.Timestep(levels[(2 * i) + 1], logSigmas);
            }
        }

        return new Kdpm2AncestralDiscreteScheduler(Layout(request, given, levels, sigmas, isStochastic: true));
    }
}

/// <summary>
/// DPM-Solver-2 with ancestral noise: a midpoint step below the next level, and back up by fresh noise (k-diffusion's DPM2 a).
/// </summary>
internal sealed class Kdpm2AncestralDiscreteScheduler(PlanLayout layout) : TwoStagePlan(layout)
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

        float from = Layout.Levels[evaluation - 1].Sigma;
        (float down, float up) = Ancestral.Split(from, Layout.Levels[evaluation + 1].Sigma);
        Elementwise.Apply(sample, sample, modelOutput, new Derivative(Original(evaluation), sigma));
        noise.Fill(memory.Noise);
        LinearCombination.Write(sample, 1, kept, down - from, sample, up, memory.Noise);
    }
}

using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="FlowMatchHeunDiscreteScheduler"/>.</summary>
internal sealed record FlowMatchHeunDiscreteConfig : FlowMatchConfig
{
    /// <inheritdoc/>
    public override string ClassName => "FlowMatchHeunDiscreteScheduler";

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = OptionCheck.Steps(request, ClassName, NumTrainTimesteps, takesTimesteps: false, takesSigmas: false);
        OptionCheck.Within("s_churn", request.SChurn, 0, double.MaxValue);
        float[] even = [.. EvenSigmas(steps, shifted: true).Select(s => (float)SigmaSchedule.Shift(s, Shift))];
        float[] twice = TwoStagePlan.Twice<float>(even);
        float[] sigmas = [.. twice, 0];
        return new FlowMatchHeunDiscreteScheduler(
            new PlanLayout
            {
                Timesteps = Array.ConvertAll(twice, s => s * NumTrainTimesteps),
                Levels = Array.ConvertAll(sigmas, s => new SignalNoise(1 - s, s)),
                Sigmas = sigmas,
                FirstEvaluation = 2 * OptionCheck.BeginIndex(request, steps),
                PredictionType = PredictionType.Flow,
                IsStochastic = request.SChurn > 0,
                Kept = 2,
                Scratch = 1,
            },
            new Churn(request, sigmas.Length - 1));
    }
}

/// <summary>Heun's method on a rectified flow (Karras et al. 2022, algorithm 2; Esser et al. 2024).</summary>
internal sealed class FlowMatchHeunDiscreteScheduler(PlanLayout layout, Churn churn) : TwoStagePlan(layout)
{
    private const int KeptSample = 0;
    private const int KeptDerivative = 1;

    /// <inheritdoc/>
    public override void ScaleModelInput(ReadOnlySpan<float> sample, int evaluation, Span<float> destination)
    {
        CheckEvaluation(evaluation);
        sample.CopyTo(destination);
    }

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
        float sigma = Layout.Levels[evaluation].Sigma;
        if (IsFirstStage(evaluation))
        {
            float raised = churn.Apply(sample, sigma, memory, noise);
            Elementwise.Apply(first, sample, modelOutput, new Derivative(Parameterization.Difference(sigma), raised));
            sample.CopyTo(kept);
            LinearCombination.Add(sample, Layout.Levels[evaluation + 1].Sigma - raised, first);
            return;
        }

        // The reference draws for the second half of a step, too, and takes the step's length from the first.
        float from = Layout.Levels[evaluation - 1].Sigma;
        float begun = churn.Apply(sample, from, memory, noise);
        Span<float> second = memory.Scratch(0);
        Elementwise.Apply(second, sample, modelOutput, new Derivative(Parameterization.Difference(sigma), sigma));
        LinearCombination.Write(second, 0.5f, first, 0.5f, second);
        LinearCombination.Write(sample, 1, kept, sigma - begun, second);
    }
}

using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="EdmEulerScheduler"/>.</summary>
internal sealed record EdmEulerConfig : EdmSchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "EDMEulerScheduler";

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request);
        OptionCheck.Within("s_churn", request.SChurn, 0, double.MaxValue);
        float[] sigmas = EdmSigmas(steps, single: false);
        return new EdmEulerScheduler(
            EdmLayout(request, sigmas, FinalSigmasType == FinalSigmasType.Zero ? 0 : sigmas[^1]) with { IsStochastic = request.SChurn > 0 },
            new EdmPreconditioning(SigmaData, PredictionType),
            new Churn(request, steps));
    }
}

/// <summary>Euler's method in the EDM formulation (Karras et al. 2022, algorithm 2 without correction).</summary>
internal sealed class EdmEulerScheduler(PlanLayout layout, EdmPreconditioning preconditioning, Churn churn) : SchedulerPlan(layout)
{
    /// <inheritdoc/>
    public override void ScaleModelInput(ReadOnlySpan<float> sample, int evaluation, Span<float> destination)
    {
        CheckEvaluation(evaluation);
        preconditioning.ScaleInput(destination, sample, Layout.Levels[evaluation].Sigma);
    }

    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        float raised = churn.Apply(sample, Layout.Levels[evaluation].Sigma, memory, noise);
        Elementwise.Apply(
            sample,
            sample,
            modelOutput,
            new EulerStep(preconditioning.Original(raised), raised, Layout.Levels[evaluation + 1].Sigma - raised));
    }

    /// <inheritdoc/>
    protected override Parameterization Original(int evaluation) => preconditioning.Original(Layout.Levels[evaluation].Sigma);
}

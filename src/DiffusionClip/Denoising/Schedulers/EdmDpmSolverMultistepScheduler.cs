namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="EdmDpmSolverMultistepScheduler"/>.</summary>
internal sealed record EdmDpmSolverMultistepConfig : EdmSchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "EDMDPMSolverMultistepScheduler";

    /// <summary>Order of the solver, 1 to 3.</summary>
    public int SolverOrder { get; init; } = 2;

    /// <summary>Dynamic thresholding of x0.</summary>
    public ThresholdingOptions Threshold { get; init; } = new();

    /// <summary>The equation that is integrated; the data-predicting ones only.</summary>
    public DpmAlgorithm AlgorithmType { get; init; } = DpmAlgorithm.DpmSolverPlusPlus;

    /// <summary>How the second order weights the slope.</summary>
    public DpmSolverType SolverType { get; init; }

    /// <summary>Whether the last steps of short runs use lower orders.</summary>
    public bool LowerOrderFinal { get; init; } = true;

    /// <summary>Whether the last step is always of first order.</summary>
    public bool EulerAtFinal { get; init; }

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request);
        if (AlgorithmType is DpmAlgorithm.DpmSolver or DpmAlgorithm.SdeDpmSolver)
        {
            throw OptionCheck.Invalid(
                "algorithm_type",
                OptionNames.Of(AlgorithmType),
                $"{ClassName} knows dpmsolver++ and sde-dpmsolver++");
        }

        OptionCheck.Within("solver_order", SolverOrder, 1, AlgorithmType == DpmAlgorithm.SdeDpmSolverPlusPlus ? 2 : 3);
        var options = new DpmMultistepOptions(
            AlgorithmType,
            SolverType,
            SolverOrder,
            LowerOrderFinal,
            EulerAtFinal || FinalSigmasType == FinalSigmasType.Zero);
        float[] sigmas = EdmSigmas(steps, single: true);
        return new EdmDpmSolverMultistepScheduler(
            EdmLayout(request, sigmas, FinalSigmasType == FinalSigmasType.Zero ? 0 : (float)SigmaMin) with
            {
                IsStochastic = options.IsStochastic,
                History = SolverOrder,
                Limit = OriginalSampleLimit.Of(Threshold, null),
            },
            options,
            new EdmPreconditioning(SigmaData, PredictionType));
    }
}

/// <summary>
/// DPM-Solver++ in the EDM formulation: the multistep solver on samples with alpha = 1 (Lu et al. 2022, DPM-Solver++; Karras et al. 2022,
/// table 1).
/// </summary>
internal sealed class EdmDpmSolverMultistepScheduler(PlanLayout layout, DpmMultistepOptions options, EdmPreconditioning preconditioning)
    : DpmSolverMultistepScheduler(layout, options)
{
    /// <inheritdoc/>
    public override void ScaleModelInput(ReadOnlySpan<float> sample, int evaluation, Span<float> destination)
    {
        CheckEvaluation(evaluation);
        preconditioning.ScaleInput(destination, sample, Layout.Levels[evaluation].Sigma);
    }

    /// <inheritdoc/>
    protected override Parameterization Original(int evaluation) => preconditioning.Original(Layout.Levels[evaluation].Sigma);
}

using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="DpmSolverMultistepScheduler"/>.</summary>
internal sealed record DpmSolverMultistepConfig : LambdaSchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "DPMSolverMultistepScheduler";

    /// <summary>Order of the solver, 1 to 3.</summary>
    public int SolverOrder { get; init; } = 2;

    /// <summary>The equation that is integrated.</summary>
    public DpmAlgorithm AlgorithmType { get; init; } = DpmAlgorithm.DpmSolverPlusPlus;

    /// <summary>How the second order weights the slope.</summary>
    public DpmSolverType SolverType { get; init; }

    /// <summary>Whether the last step is always of first order.</summary>
    public bool EulerAtFinal { get; init; }

    /// <summary>Whether sigmas lie evenly in lambda.</summary>
    public bool UseLuLambdas { get; init; }

    /// <summary>The level that the last step ends on.</summary>
    public FinalSigmasType FinalSigmasType { get; init; }

    /// <summary>Training steps with a lower lambda are left out.</summary>
    public double LambdaMinClipped { get; init; } = double.NegativeInfinity;

    /// <summary>Whether the model also predicts a variance; such models are not supported.</summary>
    public string? VarianceType { get; init; }

    /// <summary>Whether betas are rescaled to a terminal SNR of zero.</summary>
    public bool RescaleBetasZeroSnr { get; init; }

    /// <summary>Whether the flow's shift follows from the picture's size.</summary>
    public bool UseDynamicShifting { get; init; }

    /// <summary>How it does.</summary>
    public TimeShiftType TimeShiftType { get; init; }

    /// <inheritdoc/>
    protected override ReadOnlySpan<PredictionType> UnsupportedPredictionTypes =>
        AlgorithmType is DpmAlgorithm.DpmSolverPlusPlus or DpmAlgorithm.SdeDpmSolverPlusPlus ? [] : [PredictionType.Flow];

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request, takesTimesteps: true);
        CheckSigmaSchedule(request, UseLuLambdas || UseFlowSigmas);
        OptionCheck.Within("solver_order", SolverOrder, 1, AlgorithmType == DpmAlgorithm.SdeDpmSolver ? 2 : 3);
        OptionCheck.NoVariance(VarianceType);
        if (FinalSigmasType == FinalSigmasType.Zero && AlgorithmType is (DpmAlgorithm.DpmSolver or DpmAlgorithm.SdeDpmSolver))
        {
            throw OptionCheck.Invalid("final_sigmas_type", "zero", $"algorithm_type {OptionNames.Of(AlgorithmType)} needs sigma_min");
        }

        NoiseSchedule schedule = NoiseSchedule.Create(this, RescaleBetasZeroSnr, finiteTerminal: true);
        double shift = Shift(request, UseDynamicShifting, FlowShift);
        (double[] timesteps, double[] levels) = Layout(schedule, request, steps, shift);
        float[] sigmas = [.. levels.Select(s => (float)s), FinalSigmasType == FinalSigmasType.Zero ? 0 : schedule.Sigmas[0]];
        return new DpmSolverMultistepScheduler(
            new PlanLayout
            {
                Timesteps = WholeTimesteps(timesteps),
                Levels = Array.ConvertAll(sigmas, Level),
                Sigmas = sigmas,
                FirstEvaluation = OptionCheck.BeginIndex(request, timesteps.Length),
                PredictionType = PredictionType,
                Limit = Limit,
                IsStochastic = AlgorithmType is DpmAlgorithm.SdeDpmSolver or DpmAlgorithm.SdeDpmSolverPlusPlus,
                History = SolverOrder,
            },
            new DpmMultistepOptions(
                AlgorithmType,
                SolverType,
                SolverOrder,
                LowerOrderFinal,
                EulerAtFinal || FinalSigmasType == FinalSigmasType.Zero));
    }

    private (double[] Timesteps, double[] Sigmas) Layout(NoiseSchedule schedule, ScheduleRequest request, int steps, double shift)
    {
        (double[] timesteps, double[] sigmas) = SolverLayout(schedule, request, steps, shift, LastTimestep(schedule, LambdaMinClipped));
        if (UseLuLambdas && !UseKarrasSigmas)
        {
            sigmas = SigmaSchedule.Lambda(schedule.LogSigmas[0], schedule.LogSigmas[^1], steps);
        }

        if (UseKarrasSigmas || UseLuLambdas)
        {
            // The reference rounds these timesteps, but not on the cosine schedule.
            timesteps = Array.ConvertAll(sigmas, s => SigmaSchedule.Timestep(s, schedule.LogSigmas));
            if (BetaSchedule != BetaSchedule.SquaredcosCapV2)
            {
                timesteps = Array.ConvertAll(timesteps, Math.Round);
            }
        }

        return (timesteps, sigmas);
    }
}

/// <summary>What a DPM multistep plan steps by.</summary>
/// <param name="Algorithm">The equation.</param>
/// <param name="SolverType">How the second order weights the slope.</param>
/// <param name="Order">The highest order, 1 to 3.</param>
/// <param name="LowerOrderFinal">Whether the last steps of short runs use lower orders.</param>
/// <param name="FirstOrderFinal">Whether the last step is always of first order.</param>
internal sealed record DpmMultistepOptions(
    DpmAlgorithm Algorithm,
    DpmSolverType SolverType,
    int Order,
    bool LowerOrderFinal,
    bool FirstOrderFinal)
{
    /// <summary>Whether the solver remembers x0 rather than the noise.</summary>
    public bool PredictsData => Algorithm is DpmAlgorithm.DpmSolverPlusPlus or DpmAlgorithm.SdeDpmSolverPlusPlus;

    /// <summary>Whether steps draw noise.</summary>
    public bool IsStochastic => Algorithm is DpmAlgorithm.SdeDpmSolver or DpmAlgorithm.SdeDpmSolverPlusPlus;

    /// <summary>The order of a step; short runs end at lower orders, where the last steps in lambda are long.</summary>
    public int OrderAt(int evaluation, int evaluations, int steps)
    {
        bool isShort = LowerOrderFinal && evaluations < 15;
        if (evaluation == evaluations - 1 && (FirstOrderFinal || isShort))
        {
            return 1;
        }

        int order = Math.Min(Order, steps + 1);
        return evaluation == evaluations - 2 && isShort ? Math.Min(order, 2) : order;
    }
}

/// <summary>DPM-Solver and DPM-Solver++ as multistep methods (Lu et al. 2022, DPM-Solver++, algorithm 2), ODE and SDE.</summary>
internal class DpmSolverMultistepScheduler(PlanLayout layout, DpmMultistepOptions options) : LambdaPlan(layout)
{
    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        WriteConverted(memory.Push(), modelOutput, sample, evaluation, memory, options.PredictsData);
        if (options.IsStochastic)
        {
            noise.Fill(memory.Noise);
        }

        SignalNoise[] levels = Layout.Levels;
        SignalNoise to = levels[evaluation + 1];
        switch (options.OrderAt(evaluation, Evaluations, memory.Steps))
        {
            case 1:
                DpmSolver.First(options.Algorithm, to, levels[evaluation]).ApplyFirst(sample, sample, memory);
                break;
            case 2:
                DpmSolver
                    .Second(options.Algorithm, options.SolverType, to, levels[evaluation], levels[evaluation - 1])
                    .ApplySecond(sample, sample, memory);
                break;
            default:
                DpmSolver
                    .Third(options.Algorithm, to, levels[evaluation], levels[evaluation - 1], levels[evaluation - 2])
                    .ApplyThird(sample, sample, memory);
                break;
        }
    }
}

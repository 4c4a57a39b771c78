using System.Text.Json.Serialization;
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
        (double[] timesteps, double[] levels) = SolverLayout(schedule, request, steps, shift);
        float[] sigmas = [.. levels.Select(s => (float)s), FinalSigmasType == FinalSigmasType.Zero ? 0 : schedule.Sigmas[0]];
        return new DpmSolverMultistepScheduler(
            new PlanLayout
            {
                Timesteps = Array.ConvertAll(timesteps, t => (float)Math.Truncate(t)),
                Levels = Array.ConvertAll(sigmas, Level),
                Sigmas = sigmas,
                FirstEvaluation = OptionCheck.BeginIndex(request, timesteps.Length),
                PredictionType = PredictionType,
                Limit = Limit,
                IsStochastic = AlgorithmType is DpmAlgorithm.SdeDpmSolver or DpmAlgorithm.SdeDpmSolverPlusPlus,
                History = SolverOrder,
            },
            this);
    }

    private (double[] Timesteps, double[] Sigmas) SolverLayout(NoiseSchedule schedule, ScheduleRequest request, int steps, double shift)
    {
        double[]? sigmas = ConvertedSigmas(schedule.Sigmas[0], schedule.Sigmas[^1], steps);
        bool rounds = UseKarrasSigmas || (!UsesConvertedSigmas && UseLuLambdas);
        if (UseLuLambdas && !UseKarrasSigmas)
        {
            sigmas = SigmaSchedule.Lambda(schedule.LogSigmas[0], schedule.LogSigmas[^1], steps);
            rounds = true;
        }

        if (sigmas is not null)
        {
            rounds &= BetaSchedule != BetaSchedule.SquaredcosCapV2;
            return (Array.ConvertAll(sigmas, s => rounds ? Math.Round(SigmaSchedule.Timestep(s, schedule.LogSigmas)) : SigmaSchedule.Timestep(s, schedule.LogSigmas)), sigmas);
        }

        if (UseFlowSigmas)
        {
            sigmas = FlowSigmas(steps, shift);
            return (Array.ConvertAll(sigmas, s => s * NumTrainTimesteps), sigmas);
        }

        double[] timesteps = request.Timesteps is { } custom
            ? [.. custom.Select(Math.Truncate)]
            : SpacedTimesteps.WithoutLast(TimestepSpacing, NumTrainTimesteps, LastTimestep(schedule, LambdaMinClipped), steps, StepsOffset);
        return (timesteps, Array.ConvertAll(timesteps, t => Torch.Interpolate(t, schedule.Sigmas)));
    }
}

/// <summary>How a shift in log space moves flow sigmas.</summary>
internal enum TimeShiftType
{
    /// <summary>sigma → e^mu / (e^mu + 1/sigma - 1).</summary>
    [JsonStringEnumMemberName("exponential")]
    Exponential,

    /// <summary>sigma → mu / (mu + 1/sigma - 1).</summary>
    [JsonStringEnumMemberName("linear")]
    Linear,
}

/// <summary>DPM-Solver and DPM-Solver++ as multistep methods (Lu et al. 2022, DPM-Solver++, algorithm 2), ODE and SDE.</summary>
internal sealed class DpmSolverMultistepScheduler(PlanLayout layout, DpmSolverMultistepConfig config) : SchedulerPlan(layout)
{
    private bool PredictsData => config.AlgorithmType is DpmAlgorithm.DpmSolverPlusPlus or DpmAlgorithm.SdeDpmSolverPlusPlus;

    /// <inheritdoc/>
    protected override void Step(ReadOnlySpan<float> modelOutput, int evaluation, Span<float> sample, SchedulerMemory memory, NoiseSource noise)
    {
        WriteConverted(memory.Push(), modelOutput, sample, evaluation, memory, PredictsData);
        if (Layout.IsStochastic)
        {
            noise.Fill(memory.Noise);
        }

        int order = Order(evaluation, memory.Steps);
        SignalNoise[] levels = Layout.Levels;
        DpmUpdate update = order switch
        {
            1 => DpmSolver.First(config.AlgorithmType, levels[evaluation + 1], levels[evaluation]),
            2 => DpmSolver.Second(config.AlgorithmType, config.SolverType, levels[evaluation + 1], levels[evaluation], levels[evaluation - 1]),
            _ => DpmSolver.Third(config.AlgorithmType, levels[evaluation + 1], levels[evaluation], levels[evaluation - 1], levels[evaluation - 2]),
        };
        update.Apply(sample, sample, memory, order);
    }

    /// <inheritdoc/>
    protected override Parameterization Original(int evaluation) =>
        Layout.PredictionType == PredictionType.Flow ? Parameterization.Difference(Layout.Sigmas[evaluation]) : base.Original(evaluation);

    // Short runs end at lower orders, where the last steps in lambda are long.
    private int Order(int evaluation, int steps)
    {
        bool isShort = config.LowerOrderFinal && Evaluations < 15;
        if (evaluation == Evaluations - 1 && (config.EulerAtFinal || isShort || config.FinalSigmasType == FinalSigmasType.Zero))
        {
            return 1;
        }

        int order = Math.Min(config.SolverOrder, steps + 1);
        return evaluation == Evaluations - 2 && isShort ? Math.Min(order, 2) : order;
    }
}

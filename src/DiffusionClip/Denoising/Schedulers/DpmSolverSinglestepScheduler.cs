using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="DpmSolverSinglestepScheduler"/>.</summary>
[WithoutOptions(nameof(TimestepSpacing), nameof(StepsOffset))]
internal sealed record DpmSolverSinglestepConfig : LambdaSchedulerConfig
{
    /// <summary>Sets the defaults that differ from other schedulers'.</summary>
    public DpmSolverSinglestepConfig() => LowerOrderFinal = false;

    /// <inheritdoc/>
    public override string ClassName => "DPMSolverSinglestepScheduler";

    /// <summary>Order of the solver, 1 to 3.</summary>
    public int SolverOrder { get; init; } = 2;

    /// <summary>The equation that is integrated.</summary>
    public DpmAlgorithm AlgorithmType { get; init; } = DpmAlgorithm.DpmSolverPlusPlus;

    /// <summary>How the slopes are weighted.</summary>
    public DpmSolverType SolverType { get; init; }

    /// <summary>The level that the last step ends on.</summary>
    public FinalSigmasType FinalSigmasType { get; init; }

    /// <summary>Training steps with a lower lambda are left out.</summary>
    public double LambdaMinClipped { get; init; } = double.NegativeInfinity;

    /// <summary>Whether the model also predicts a variance; such models are not supported.</summary>
    public string? VarianceType { get; init; }

    /// <summary>Whether the flow's shift follows from the picture's size.</summary>
    public bool UseDynamicShifting { get; init; }

    /// <summary>How it does.</summary>
    public TimeShiftType TimeShiftType { get; init; }

    /// <inheritdoc/>
    protected override ReadOnlySpan<PredictionType> UnsupportedPredictionTypes =>
        AlgorithmType == DpmAlgorithm.DpmSolver ? [PredictionType.Flow] : [];

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request, takesTimesteps: true);
        CheckSigmaSchedule(request, UseFlowSigmas);
        OptionCheck.Within("solver_order", SolverOrder, 1, 3);
        OptionCheck.NoVariance(VarianceType);
        if (AlgorithmType == DpmAlgorithm.SdeDpmSolver)
        {
            throw OptionCheck.Invalid(
                "algorithm_type",
                OptionNames.Of(AlgorithmType),
                $"{ClassName} knows dpmsolver, dpmsolver++ and sde-dpmsolver++");
        }

        if (FinalSigmasType == FinalSigmasType.Zero && AlgorithmType == DpmAlgorithm.DpmSolver)
        {
            throw OptionCheck.Invalid("final_sigmas_type", "zero", "algorithm_type dpmsolver needs sigma_min");
        }

        NoiseSchedule schedule = NoiseSchedule.Create(this);
        (double[] timesteps, double[] levels) = SolverLayout(
            schedule, request, steps, Shift(request, UseDynamicShifting, FlowShift), LastTimestep(schedule, LambdaMinClipped));
        float[] sigmas = [.. levels.Select(s => (float)s), FinalSigmasType == FinalSigmasType.Zero ? 0 : schedule.Sigmas[0]];
        return new DpmSolverSinglestepScheduler(
            new PlanLayout
            {
                Timesteps = WholeTimesteps(timesteps),
                Levels = Array.ConvertAll(sigmas, Level),
                Sigmas = sigmas,
                FirstEvaluation = OptionCheck.BeginIndex(request, timesteps.Length),
                PredictionType = PredictionType,
                Limit = Limit,
                IsStochastic = AlgorithmType == DpmAlgorithm.SdeDpmSolverPlusPlus,
                History = SolverOrder,
                Kept = 1,
            },
            AlgorithmType,
            SolverType,
            Orders(timesteps.Length));
    }

    // Blocks of orders 1 to the solver's, each block one step of it; what is left over at the end goes at lower orders.
    private int[] Orders(int steps)
    {
        // The reference turns lower_order_final on where blocks do not fill the run or the last sigma is zero.
        bool lowerOrderFinal = LowerOrderFinal || steps % SolverOrder != 0 || FinalSigmasType == FinalSigmasType.Zero;
        int[] orders = [.. Enumerable.Range(0, steps).Select(i => (i % SolverOrder) + 1)];
        if (lowerOrderFinal)
        {
            if (SolverOrder == 3 && steps % 3 == 0)
            {
                orders[^2] = 2;
                orders[^1] = 1;
            }
            else if (SolverOrder == 2 && steps % 2 == 0)
            {
                orders[^1] = 1;
            }
        }

        if (FinalSigmasType == FinalSigmasType.Zero)
        {
            orders[^1] = 1;
        }

        return orders;
    }
}

/// <summary>
/// DPM-Solver and DPM-Solver++ as singlestep methods (Lu et al. 2022, DPM-Solver, algorithms 1 and 2; DPM-Solver++, algorithm 1), ODE and
/// SDE.
/// </summary>
internal sealed class DpmSolverSinglestepScheduler(PlanLayout layout, DpmAlgorithm algorithm, DpmSolverType type, int[] orders)
    : LambdaPlan(layout)
{
    /// <inheritdoc/>
    public override bool IsBoundary(int evaluation) =>
        base.IsBoundary(evaluation) && (evaluation == Evaluations || orders[evaluation] == 1);

    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        WriteConverted(memory.Push(), modelOutput, sample, evaluation, memory, algorithm != DpmAlgorithm.DpmSolver);
        if (Layout.IsStochastic)
        {
            noise.Fill(memory.Noise);
        }

        int order = Math.Min(orders[evaluation], memory.Count);
        SignalNoise[] levels = Layout.Levels;
        Span<float> start = memory.Kept(0);
        if (order == 1)
        {
            sample.CopyTo(start);
        }

        SignalNoise to = levels[evaluation + 1];
        switch (order)
        {
            case 1:
                DpmSolver.First(algorithm, to, levels[evaluation]).ApplyFirst(sample, start, memory);
                break;
            case 2:
                Second(to, levels[evaluation], levels[evaluation - 1]).ApplySinglestepSecond(sample, start, memory);
                break;
            default:
                Third(to, levels[evaluation], levels[evaluation - 1], levels[evaluation - 2])
                    .ApplySinglestepThird(sample, start, memory, type);
                break;
        }
    }

    private DpmUpdate Second(SignalNoise t, SignalNoise s0, SignalNoise start)
    {
        float h = DpmSolver.Lambda(t) - DpmSolver.Lambda(start);
        float r0 = (DpmSolver.Lambda(s0) - DpmSolver.Lambda(start)) / h;
        (float sample, float d0, float d1, float noise) = DpmSolver.SecondTerms(algorithm, type, t, start, h);
        return new(sample, d0, d1, Noise: noise, R0: r0);
    }

    private DpmUpdate Third(SignalNoise t, SignalNoise s0, SignalNoise s1, SignalNoise start)
    {
        float lambda = DpmSolver.Lambda(start);
        float h = DpmSolver.Lambda(t) - lambda;
        float r0 = (DpmSolver.Lambda(s0) - lambda) / h;
        float r1 = (DpmSolver.Lambda(s1) - lambda) / h;
        (float sample, float d0, float d1, float d2, float noise) = DpmSolver.ThirdTerms(algorithm, t, start, h);
        if (algorithm == DpmAlgorithm.SdeDpmSolverPlusPlus)
        {
            // The SDE's second difference has a sign here that it has not in the multistep solver.
            d2 = t.Alpha * (((1 - TorchRounding.Exp(-2 * h) + (-2 * h)) / (-2 * h * (-2 * h))) - 0.5f);
        }

        return new(sample, d0, d1, d2, noise, r0, r1);
    }
}

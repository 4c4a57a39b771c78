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
    protected override ReadOnlySpan<PredictionType> UnsupportedPredictionTypes => AlgorithmType == DpmAlgorithm.DpmSolver ? [PredictionType.Flow] : [];

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request, takesTimesteps: true);
        CheckSigmaSchedule(request, UseFlowSigmas);
        OptionCheck.Within("solver_order", SolverOrder, 1, 3);
        OptionCheck.NoVariance(VarianceType);
        if (AlgorithmType == DpmAlgorithm.SdeDpmSolver)
        {
            throw OptionCheck.Invalid("algorithm_type", OptionNames.Of(AlgorithmType), $"{ClassName} knows dpmsolver, dpmsolver++ and sde-dpmsolver++");
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

/// <summary>DPM-Solver and DPM-Solver++ as singlestep methods (Lu et al. 2022, DPM-Solver, algorithms 1 and 2; DPM-Solver++, algorithm 1), ODE and SDE.</summary>
internal sealed class DpmSolverSinglestepScheduler(PlanLayout layout, DpmAlgorithm algorithm, DpmSolverType type, int[] orders) : SchedulerPlan(layout)
{
    /// <inheritdoc/>
    public override bool IsBoundary(int evaluation) => base.IsBoundary(evaluation) && (evaluation == Evaluations || orders[evaluation] == 1);

    /// <inheritdoc/>
    protected override void Step(ReadOnlySpan<float> modelOutput, int evaluation, Span<float> sample, SchedulerMemory memory, NoiseSource noise)
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

        DpmUpdate update = order switch
        {
            1 => DpmSolver.First(algorithm, levels[evaluation + 1], levels[evaluation]),
            2 => Second(levels[evaluation + 1], levels[evaluation], levels[evaluation - 1]),
            _ => Third(levels[evaluation + 1], levels[evaluation], levels[evaluation - 1], levels[evaluation - 2]),
        };
        update.Apply(sample, start, memory, order);
    }

    /// <inheritdoc/>
    protected override Parameterization Original(int evaluation) =>
        Layout.PredictionType == PredictionType.Flow ? Parameterization.Difference(Layout.Sigmas[evaluation]) : base.Original(evaluation);

    // From the beginning of the block (s1): D0 = m1, D1 = (m0 - m1)/r0.
    private DpmUpdate Second(SignalNoise t, SignalNoise s0, SignalNoise s1)
    {
        float h = DpmSolver.Lambda(t) - DpmSolver.Lambda(s1);
        float r0 = (DpmSolver.Lambda(s0) - DpmSolver.Lambda(s1)) / h;
        (float sample, float d0, float d1, float noise) = DpmSolver.SecondTerms(algorithm, type, t, s1, h);
        float slope = d1 * (1 / r0);
        return new(sample, slope, d0 - slope, 0, noise);
    }

    // From the beginning of the block (s2): D0 = m2, D1_0 = (m1 - m2)/r1, D1_1 = (m0 - m2)/r0.
    private DpmUpdate Third(SignalNoise t, SignalNoise s0, SignalNoise s1, SignalNoise s2)
    {
        float start = DpmSolver.Lambda(s2);
        float h = DpmSolver.Lambda(t) - start;
        float r0 = (DpmSolver.Lambda(s0) - start) / h;
        float r1 = (DpmSolver.Lambda(s1) - start) / h;
        (float sample, float d0, float d1, float d2, float noise) = DpmSolver.ThirdTerms(algorithm, t, s2, h);
        float ofFirst = 0;
        float ofSecond = d1 / r0;
        if (type == DpmSolverType.Heun)
        {
            // D1 = (r0·D1_0 - r1·D1_1)/(r0 - r1), D2 = 2·(D1_1 - D1_0)/(r0 - r1). The SDE's D2 has a sign of its own here.
            if (algorithm == DpmAlgorithm.SdeDpmSolverPlusPlus)
            {
                d2 = t.Alpha * (((1 - MathF.Exp(-2 * h) + (-2 * h)) / (-2 * h * (-2 * h))) - 0.5f);
            }

            float difference = r0 - r1;
            ofFirst = ((d1 * r0) - (2 * d2)) / difference / r1;
            ofSecond = ((2 * d2) - (d1 * r1)) / difference / r0;
        }

        return new(sample, ofSecond, ofFirst, d0 - ofFirst - ofSecond, noise);
    }
}

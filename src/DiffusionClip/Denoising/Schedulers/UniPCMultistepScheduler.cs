using System.Numerics;
using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="UniPCMultistepScheduler"/>.</summary>
internal sealed record UniPCMultistepConfig : LambdaSchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "UniPCMultistepScheduler";

    /// <summary>Order of the solver, 1 to 8; beyond 3 it gains nothing.</summary>
    public int SolverOrder { get; init; } = 2;

    /// <summary>Whether the data-predicting ODE is integrated rather than the noise-predicting.</summary>
    public bool PredictX0 { get; init; } = true;

    /// <summary>The function B(h).</summary>
    public UniPCSolverType SolverType { get; init; }

    /// <summary>Steps after which nothing is corrected.</summary>
    public IReadOnlyList<int> DisableCorrector { get; init; } = [];

    /// <summary>Another solver as the predictor; not supported.</summary>
    public string? SolverP { get; init; }

    /// <summary>The level that the last step ends on.</summary>
    public FinalSigmasType FinalSigmasType { get; init; }

    /// <summary>Whether betas are rescaled to a terminal SNR of zero.</summary>
    public bool RescaleBetasZeroSnr { get; init; }

    /// <summary>Whether the flow's shift follows from the picture's size.</summary>
    public bool UseDynamicShifting { get; init; }

    /// <summary>How it does.</summary>
    public TimeShiftType TimeShiftType { get; init; }

    /// <summary>The sigma that a flow's schedule is stretched to end on; null: as it comes.</summary>
    public double? ShiftTerminal { get; init; }

    /// <inheritdoc/>
    protected override ReadOnlySpan<PredictionType> UnsupportedPredictionTypes => PredictX0 ? [] : [PredictionType.Flow];

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request, takesSigmas: UseFlowSigmas);
        CheckSigmaSchedule(request);
        OptionCheck.Within("solver_order", SolverOrder, 1, 8);
        if (SolverP is not null)
        {
            throw OptionCheck.Invalid("solver_p", SolverP, "another solver as the predictor is not supported; leave it out");
        }

        if (ShiftTerminal is not null && !UseFlowSigmas)
        {
            throw OptionCheck.Invalid("shift_terminal", FormattableString.Invariant($"{ShiftTerminal}"), "it needs use_flow_sigmas");
        }

        NoiseSchedule schedule = NoiseSchedule.Create(this, RescaleBetasZeroSnr, finiteTerminal: true);
        (double[] timesteps, double[] levels) = UseFlowSigmas
            ? FlowLayout(schedule, request, steps)
            : SolverLayout(schedule, request, steps, 1, NumTrainTimesteps);
        double last =
            FinalSigmasType == FinalSigmasType.Zero ? 0
            : UsesConvertedSigmas || UseFlowSigmas ? levels[^1]
            : schedule.Sigmas[0];
        float[] sigmas = [.. levels.Select(s => (float)s), (float)last];
        return new UniPCMultistepScheduler(
            new PlanLayout
            {
                Timesteps = WholeTimesteps(timesteps),
                Levels = Array.ConvertAll(sigmas, Level),
                Sigmas = sigmas,
                FirstEvaluation = OptionCheck.BeginIndex(request, timesteps.Length),
                PredictionType = PredictionType,
                // Noise-predicting UniPC does not threshold, as in the reference implementation.
                Limit = PredictX0 ? Limit : OriginalSampleLimit.None,
                History = SolverOrder + 1,
                Kept = 1,
                Scratch = 1,
            },
            this);
    }

    private (double[] Timesteps, double[] Sigmas) FlowLayout(NoiseSchedule schedule, ScheduleRequest request, int steps)
    {
        if (ConvertedSigmas(schedule.Sigmas[0], schedule.Sigmas[^1], steps) is { } converted)
        {
            if (!UseKarrasSigmas)
            {
                return (Array.ConvertAll(converted, s => SigmaSchedule.Timestep(s, schedule.LogSigmas)), converted);
            }

            converted = Array.ConvertAll(converted, s => s / (s + 1));
            return (Array.ConvertAll(converted, s => s * NumTrainTimesteps), converted);
        }

        double[] sigmas = request.Sigmas is { } custom
            ? [.. custom]
            : TorchRounding.Linspace(1.0, 1.0 / NumTrainTimesteps, steps + 1)[..^1];
        if (UseDynamicShifting)
        {
            double mu = request.Mu ?? throw OptionCheck.Invalid("mu", null, "use_dynamic_shifting needs it");
            sigmas = Array.ConvertAll(sigmas, s => TimeShift.Apply(TimeShiftType, mu, s));
        }
        else
        {
            sigmas = Array.ConvertAll(sigmas, s => SigmaSchedule.Shift(s, FlowShift));
        }

        if (ShiftTerminal is { } terminal and not 0)
        {
            sigmas = TimeShift.Stretch(sigmas, terminal);
        }

        // Pure noise would have an infinite lambda.
        const double epsilon = 1e-6;
        if (Math.Abs(sigmas[0] - 1) < epsilon)
        {
            sigmas[0] -= epsilon;
        }

        return (Array.ConvertAll(sigmas, s => s * NumTrainTimesteps), sigmas);
    }
}

/// <summary>The function B(h) of UniPC.</summary>
internal enum UniPCSolverType
{
    /// <summary>B(h) = e^h - 1.</summary>
    [OptionAlias("midpoint")]
    [OptionAlias("heun")]
    [OptionAlias("logrho")]
    Bh2,

    /// <summary>B(h) = h.</summary>
    Bh1,
}

/// <summary>
/// UniPC: a predictor of any order, whose result the next evaluation corrects without an evaluation of its own (Zhao et al. 2023,
/// algorithms 1 to 3, equations 8 to 10).
/// </summary>
internal sealed class UniPCMultistepScheduler : LambdaPlan
{
    private readonly UniPCMultistepConfig _config;

    private readonly Update[][] _predictors;
    private readonly Update[][] _correctors;

    /// <summary>Solves the systems of all steps and orders.</summary>
    public UniPCMultistepScheduler(PlanLayout layout, UniPCMultistepConfig config)
        : base(layout)
    {
        _config = config;
        _predictors = new Update[Evaluations][];
        _correctors = new Update[Evaluations][];
        for (int e = 0; e < Evaluations; e++)
        {
            _predictors[e] =
            [
                .. Enumerable.Range(1, Math.Min(e + 1, config.SolverOrder)).Select(order => Create(e + 1, e, order, corrects: false)),
            ];
            _correctors[e] =
            [
                .. Enumerable.Range(1, Math.Min(e, config.SolverOrder)).Select(order => Create(e, e - 1, order, corrects: true)),
            ];
        }
    }

    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        Span<float> last = memory.Kept(0);
        WriteConverted(memory.Push(), modelOutput, sample, evaluation, memory, _config.PredictX0);
        if (memory.Steps > 0 && !IsDisabled(evaluation - 1))
        {
            _correctors[evaluation][Order(evaluation - 1, memory.Steps - 1) - 1].Apply(sample, last, memory, memory.Scratch(0));
        }

        sample.CopyTo(last);
        _predictors[evaluation][Order(evaluation, memory.Steps) - 1].Apply(sample, last, memory, memory.Scratch(0));
    }

    private bool IsDisabled(int evaluation)
    {
        for (int i = 0; i < _config.DisableCorrector.Count; i++)
        {
            if (_config.DisableCorrector[i] == evaluation)
            {
                return true;
            }
        }

        return false;
    }

    private int Order(int evaluation, int steps)
    {
        int order = _config.LowerOrderFinal ? Math.Min(_config.SolverOrder, Evaluations - evaluation) : _config.SolverOrder;
        return Math.Min(order, steps + 1);
    }

    // The step from level s to level t. The corrector also has the output at t, which then is the newest.
    private Update Create(int t, int s, int order, bool corrects)
    {
        SignalNoise target = Layout.Levels[t];
        SignalNoise from = Layout.Levels[s];
        float lambda = DpmSolver.Lambda(from);
        float h = DpmSolver.Lambda(target) - lambda;
        var r = new float[order];
        for (int i = 1; i < order; i++)
        {
            r[i - 1] = (DpmSolver.Lambda(Layout.Levels[s - i]) - lambda) / h;
        }

        r[^1] = 1;
        float hh = _config.PredictX0 ? -h : h;
        float phi1 = ExpM1(hh);
        float bh = _config.SolverType == UniPCSolverType.Bh1 ? hh : phi1;
        float phi = (phi1 / hh) - 1;
        float factorial = 1;
        var b = new float[order];
        for (int i = 1; i <= order; i++)
        {
            b[i - 1] = phi * factorial / bh;
            factorial *= i + 1;
            phi = (phi / hh) - (1 / factorial);
        }

        float[] rho = corrects
            ? order == 1 ? [0.5f] : Solve(r, b, order)
            : order == 1 ? [] : order == 2 ? [0.5f] : Solve(r, b, order - 1);
        float scale = _config.PredictX0 ? target.Alpha : target.Sigma;
        return new(
            _config.PredictX0 ? target.Sigma / from.Sigma : target.Alpha / from.Alpha,
            -(scale * phi1),
            -(scale * bh),
            rho,
            r,
            corrects);
    }

    private static float ExpM1(float x) => Math.Abs(x) < 1e-3f ? x * (1 + (x / 2) + (x * x / 6)) : (float)(Math.Exp(x) - 1);

    // Σ_j r_j^i·rho_j = b_i, by elimination with pivots; in float32 as the reference.
    private static float[] Solve(float[] r, float[] b, int size)
    {
        var matrix = new float[size, size + 1];
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j < size; j++)
            {
                matrix[i, j] = i == 0 ? 1 : matrix[i - 1, j] * r[j];
            }

            matrix[i, size] = b[i];
        }

        for (int column = 0; column < size; column++)
        {
            int pivot = column;
            for (int i = column + 1; i < size; i++)
            {
                if (Math.Abs(matrix[i, column]) > Math.Abs(matrix[pivot, column]))
                {
                    pivot = i;
                }
            }

            for (int j = 0; j <= size; j++)
            {
                (matrix[column, j], matrix[pivot, j]) = (matrix[pivot, j], matrix[column, j]);
            }

            for (int i = column + 1; i < size; i++)
            {
                float factor = matrix[i, column] / matrix[column, column];
                for (int j = column; j <= size; j++)
                {
                    matrix[i, j] -= factor * matrix[column, j];
                }
            }
        }

        var solution = new float[size];
        for (int i = size - 1; i >= 0; i--)
        {
            float rest = matrix[i, size];
            for (int j = i + 1; j < size; j++)
            {
                rest -= matrix[i, j] * solution[j];
            }

            solution[i] = rest / matrix[i, i];
        }

        return solution;
    }

    // x' = Sample·x + Output·m0 + Residual·Σ rho_k·(m_k - m0)/r_k; the corrector's newest output is the one that corrects.
    private sealed record Update(float Sample, float Output, float Residual, float[] Rho, float[] R, bool Corrects)
    {
        public void Apply(Span<float> destination, ReadOnlySpan<float> sample, SchedulerMemory memory, Span<float> residual)
        {
            if (Rho.Length == 0)
            {
                // First order; B(h) may be infinite.
                LinearCombination.Write(destination, Sample, sample, Output, memory.History(0));
                return;
            }

            int first = Corrects ? 1 : 0;
            ReadOnlySpan<float> m0 = memory.History(first);
            int differences = Corrects ? Rho.Length - 1 : Rho.Length;
            residual.Clear();
            for (int k = 0; k < differences; k++)
            {
                Elementwise.Apply(residual, residual, memory.History(first + 1 + k), m0, new Difference(R[k], Rho[k]));
            }

            if (Corrects)
            {
                Elementwise.Apply(residual, residual, memory.History(0), m0, new Difference(1, Rho[^1]));
            }

            LinearCombination.Write(destination, Sample, sample, Output, m0, Residual, residual);
        }

        private readonly struct Difference(float r, float rho) : ITernaryKernel
        {
            private readonly float _r = r;
            private readonly float _rho = rho;

            public Vector<float> Invoke(Vector<float> sum, Vector<float> m, Vector<float> m0) =>
                sum + ((m - m0) / new Vector<float>(_r) * _rho);
        }
    }
}

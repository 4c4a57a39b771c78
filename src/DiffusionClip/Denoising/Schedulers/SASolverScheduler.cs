using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="SASolverScheduler"/>.</summary>
internal sealed record SASolverConfig : LambdaSchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "SASolverScheduler";

    /// <summary>Order of the predictor, 1 to 4.</summary>
    public int PredictorOrder { get; init; } = 2;

    /// <summary>Order of the corrector, 1 to 4.</summary>
    public int CorrectorOrder { get; init; } = 2;

    /// <summary>A function of the timestep in Python; none can be given in a file.</summary>
    public string? TauFunc { get; init; }

    /// <summary>Whether the data or the noise is extrapolated.</summary>
    public SASolverAlgorithm AlgorithmType { get; init; }

    /// <summary>Training steps with a lower lambda are left out.</summary>
    public double LambdaMinClipped { get; init; } = double.NegativeInfinity;

    /// <summary>Whether the model also predicts a variance; such models are not supported.</summary>
    public string? VarianceType { get; init; }

    /// <inheritdoc/>
    protected override ReadOnlySpan<PredictionType> UnsupportedPredictionTypes =>
        AlgorithmType == SASolverAlgorithm.DataPrediction ? [] : [PredictionType.Flow];

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request);
        CheckSigmaSchedule(request);
        OptionCheck.Within("predictor_order", PredictorOrder, 1, 4);
        OptionCheck.Within("corrector_order", CorrectorOrder, 1, 4);
        OptionCheck.NoVariance(VarianceType);
        if (TauFunc is not null)
        {
            throw OptionCheck.Invalid("tau_func", TauFunc, "a function cannot be read from a file; leave it out");
        }

        NoiseSchedule schedule = NoiseSchedule.Create(this);
        (double[] timesteps, double[] levels) = SolverLayout(schedule, request, steps, FlowShift, LastTimestep(schedule, LambdaMinClipped));
        float[] sigmas = WithLastRepeated(schedule, levels);
        return new SASolverScheduler(
            new PlanLayout
            {
                Timesteps = WholeTimesteps(timesteps),
                Levels = Array.ConvertAll(sigmas, Level),
                Sigmas = sigmas,
                FirstEvaluation = OptionCheck.BeginIndex(request, timesteps.Length),
                PredictionType = PredictionType,
                Limit = Limit,
                IsStochastic = true,
                History = Math.Max(PredictorOrder, CorrectorOrder - 1) + 1,
                Kept = 2,
                Scratch = 1,
            },
            this,
            schedule.AlphasCumprod);
    }
}

/// <summary>What SA-Solver extrapolates.</summary>
internal enum SASolverAlgorithm
{
    /// <summary>The predicted x0.</summary>
    DataPrediction,

    /// <summary>The predicted noise.</summary>
    NoisePrediction,
}

/// <summary>
/// Stochastic Adams solver (Xue et al. 2023, SA-Solver, algorithm 1, equations 13 to 18): a stochastic Adams-Bashforth predictor, corrected
/// by Adams-Moulton with the next evaluation. tau is 1 in the middle of the schedule (timesteps 200 to 800) and 0 at its ends.
/// </summary>
internal sealed class SASolverScheduler : LambdaPlan
{
    private const int KeptSample = 0;
    private const int KeptNoise = 1;

    private readonly SASolverConfig _config;
    private readonly float[] _alphas;
    private readonly Update[][] _predictors;
    private readonly Update[][] _correctors;

    /// <summary>Integrates the polynomials of all steps and orders.</summary>
    public SASolverScheduler(PlanLayout layout, SASolverConfig config, float[] alphas)
        : base(layout)
    {
        _config = config;
        _alphas = alphas;
        _predictors = new Update[Evaluations][];
        _correctors = new Update[Evaluations][];
        for (int e = 0; e < Evaluations; e++)
        {
            _predictors[e] =
            [
                .. Enumerable
                    .Range(1, Math.Min(e + 1, config.PredictorOrder))
                    .Select(order => Create(e + 1, e, e, order, corrects: false)),
            ];
            _correctors[e] =
                e == 0
                    ? []
                    :
                    [
                        .. Enumerable
                            .Range(1, Math.Min(e + 1, config.CorrectorOrder))
                            .Select(order => Create(e, e - 1, e, order, corrects: true)),
                    ];
        }
    }

    private bool PredictsData => _config.AlgorithmType == SASolverAlgorithm.DataPrediction;

    /// <inheritdoc/>
    public override void AddNoise(ReadOnlySpan<float> clean, ReadOnlySpan<float> noise, int evaluation, Span<float> destination)
    {
        if (evaluation >= Evaluations || _config.UseFlowSigmas)
        {
            base.AddNoise(clean, noise, evaluation, destination);
            return;
        }

        // The reference takes the level of the timestep here, which is rounded, and not the step's own.
        CheckEvaluation(evaluation);
        float alpha = _alphas[(int)Layout.Timesteps[evaluation]];
        LinearCombination.Write(destination, MathF.Sqrt(alpha), clean, MathF.Sqrt(1 - alpha), noise);
    }

    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        Span<float> last = memory.Kept(KeptSample);
        Span<float> lastNoise = memory.Kept(KeptNoise);
        WriteConverted(memory.Push(), modelOutput, sample, evaluation, memory, PredictsData);
        int most = Math.Max(_config.PredictorOrder, _config.CorrectorOrder - 1);
        if (memory.Steps > 0)
        {
            int order = _config.LowerOrderFinal
                ? Math.Min(_config.CorrectorOrder, Evaluations - (evaluation - 1) + 1)
                : _config.CorrectorOrder;
            _correctors[evaluation]
                [Math.Min(order, Math.Min(memory.Steps - 1, most) + 2) - 1]
                .Apply(sample, last, lastNoise, memory, memory.Scratch(0));
        }

        sample.CopyTo(last);
        noise.Fill(lastNoise);
        int predictor = _config.LowerOrderFinal ? Math.Min(_config.PredictorOrder, Evaluations - evaluation) : _config.PredictorOrder;
        _predictors[evaluation]
            [Math.Min(predictor, Math.Min(memory.Steps, most) + 1) - 1]
            .Apply(sample, last, lastNoise, memory, memory.Scratch(0));
    }

    // The step from level s to level t with the outputs at newest, newest - 1, …
    private Update Create(int t, int s, int newest, int order, bool corrects)
    {
        SignalNoise target = Layout.Levels[t];
        SignalNoise from = Layout.Levels[s];
        float end = DpmSolver.Lambda(target);
        float start = DpmSolver.Lambda(from);
        float h = end - start;
        // The corrector of a step has the tau of its predictor.
        float tau = Layout.Timesteps[s] is >= 200 and <= 800 ? 1 : 0;
        float k = 1 + (tau * tau);
        var lambdas = new float[order];
        for (int i = 0; i < order; i++)
        {
            lambdas[i] = DpmSolver.Lambda(Layout.Levels[newest - i]);
        }

        float[] gradient = Gradient(lambdas, start, end, k);
        if (PredictsData && order == 2)
        {
            float rest = ((h * k) - 1 + TorchRounding.Exp(k * -h)) / (k * k);
            float correction = corrects
                ? TorchRounding.Exp(k * end) * ((h / 2) - (((h * k) - 1 + TorchRounding.Exp(k * -h)) / (k * k * h)))
                : TorchRounding.Exp(k * end) * ((h * h / 2) - rest) / (start - DpmSolver.Lambda(Layout.Levels[newest - 1]));
            gradient[0] += correction;
            gradient[1] -= correction;
        }

        float factor = PredictsData ? k * target.Sigma * TorchRounding.Exp(-(tau * tau) * end) : -k * target.Alpha;
        for (int i = 0; i < order; i++)
        {
            gradient[i] *= factor;
        }

        return PredictsData
            ? new(
                TorchRounding.Exp(-(tau * tau) * h) * (target.Sigma / from.Sigma),
                gradient,
                target.Sigma * MathF.Sqrt(1 - TorchRounding.Exp(-2 * tau * tau * h)))
            : new(target.Alpha / from.Alpha, gradient, tau * target.Sigma * MathF.Sqrt(TorchRounding.Exp(2 * h) - 1));
    }

    // Lagrange's polynomials through the outputs in lambda, times the exponential, integrated over the step.
    private float[] Gradient(float[] lambdas, float start, float end, float k)
    {
        int order = lambdas.Length;
        var gradient = new float[order];
        for (int i = 0; i < order; i++)
        {
            float[] polynomial = Lagrange(lambdas, i);
            float sum = 0;
            for (int j = 0; j < order; j++)
            {
                int power = order - 1 - j;
                sum += polynomial[j] * (PredictsData ? Positive(power, start * k, end * k, k) : Negative(power, start, end));
            }

            gradient[i] = sum;
        }

        return gradient;
    }

    // Coefficients of Π (x - lambda_k)/(lambda_i - lambda_k), the highest power first.
    private static float[] Lagrange(float[] lambdas, int i)
    {
        float[] others = [.. lambdas.Where((_, n) => n != i)];
        float denominator = 1;
        foreach (float other in others)
        {
            denominator *= lambdas[i] - other;
        }

        float[] numerators = others switch
        {
            [] => [1],
            [float a] => [1, -a],
            [float a, float b] => [1, -a - b, a * b],
            [float a, float b, float c] => [1, -a - b - c, (a * b) + (a * c) + (b * c), -a * b * c],
            _ => throw new InvalidOperationException(),
        };
        return Array.ConvertAll(numerators, n => n / denominator);
    }

    // ∫ e^(-x)·x^power dx.
    private static float Negative(int power, float s, float e)
    {
        float growth = TorchRounding.Exp(e - s);
        float decay = TorchRounding.Exp(-e);
        return power switch
        {
            0 => decay * (growth - 1),
            1 => decay * (((s + 1) * growth) - (e + 1)),
            2 => decay * ((((s * s) + (2 * s) + 2) * growth) - ((e * e) + (2 * e) + 2)),
            _ => decay * ((((s * s * s) + (3 * (s * s)) + (6 * s) + 6) * growth) - ((e * e * e) + (3 * (e * e)) + (6 * e) + 6)),
        };
    }

    // ∫ e^(k·x)·x^power dx, the bounds already times k.
    private static float Positive(int power, float s, float e, float k)
    {
        float growth = TorchRounding.Exp(e);
        float decay = TorchRounding.Exp(-(e - s));
        return power switch
        {
            0 => growth * (1 - decay) / k,
            1 => growth * (e - 1 - ((s - 1) * decay)) / (k * k),
            2 => growth * ((e * e) - (2 * e) + 2 - (((s * s) - (2 * s) + 2) * decay)) / (k * k * k),
            _ => growth
                * ((e * e * e) - (3 * (e * e)) + (6 * e) - 6 - (((s * s * s) - (3 * (s * s)) + (6 * s) - 6) * decay))
                / (k * k * k * k),
        };
    }

    private sealed record Update(float Sample, float[] Gradient, float Noise)
    {
        public void Apply(
            Span<float> destination,
            ReadOnlySpan<float> sample,
            ReadOnlySpan<float> noise,
            SchedulerMemory memory,
            Span<float> scratch)
        {
            LinearCombination.Write(scratch, Gradient[0], memory.History(0));
            for (int i = 1; i < Gradient.Length; i++)
            {
                LinearCombination.Add(scratch, Gradient[i], memory.History(i));
            }

            LinearCombination.Write(destination, Sample, sample, 1, scratch, Noise, noise);
        }
    }
}

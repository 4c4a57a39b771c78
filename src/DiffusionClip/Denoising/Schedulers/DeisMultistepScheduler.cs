using System.Numerics;
using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="DeisMultistepScheduler"/>.</summary>
internal sealed record DeisMultistepConfig : LambdaSchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "DEISMultistepScheduler";

    /// <summary>Order of the solver, 1 to 3.</summary>
    public int SolverOrder { get; init; } = 2;

    /// <summary>The one algorithm there is; other solvers' names mean it, too.</summary>
    public DeisAlgorithm AlgorithmType { get; init; }

    /// <summary>The one solver there is; other solvers' names mean it, too.</summary>
    public DeisSolverType SolverType { get; init; }

    /// <summary>Whether the flow's shift follows from the picture's size.</summary>
    public bool UseDynamicShifting { get; init; }

    /// <summary>How it does.</summary>
    public TimeShiftType TimeShiftType { get; init; }

    /// <inheritdoc/>
    protected override ReadOnlySpan<PredictionType> UnsupportedPredictionTypes => [];

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request);
        CheckSigmaSchedule(request);
        OptionCheck.Within("solver_order", SolverOrder, 1, 3);
        NoiseSchedule schedule = NoiseSchedule.Create(this);
        (double[] timesteps, double[] levels) = SolverLayout(
            schedule,
            request,
            steps,
            Shift(request, UseDynamicShifting, FlowShift),
            NumTrainTimesteps);
        float[] sigmas = WithLastRepeated(schedule, levels);
        return new DeisMultistepScheduler(
            new PlanLayout
            {
                Timesteps = WholeTimesteps(timesteps),
                Levels = Array.ConvertAll(sigmas, Level),
                Sigmas = sigmas,
                FirstEvaluation = OptionCheck.BeginIndex(request, timesteps.Length),
                PredictionType = PredictionType,
                Limit = Limit,
                History = SolverOrder,
            },
            new DpmMultistepOptions(DpmAlgorithm.DpmSolver, DpmSolverType.Midpoint, SolverOrder, LowerOrderFinal, FirstOrderFinal: false));
    }
}

/// <summary>The algorithm of DEIS.</summary>
internal enum DeisAlgorithm
{
    /// <summary>Exponential integrator with multistep extrapolation.</summary>
    [OptionAlias("dpmsolver")]
    [OptionAlias("dpmsolver++")]
    Deis,
}

/// <summary>The variable in which DEIS fits its polynomials.</summary>
internal enum DeisSolverType
{
    /// <summary>log rho, rho = sigma/alpha.</summary>
    [OptionAlias("midpoint")]
    [OptionAlias("heun")]
    [OptionAlias("bh1")]
    [OptionAlias("bh2")]
    Logrho,
}

/// <summary>Diffusion exponential integrator sampler, log-rho variant (Zhang and Chen 2022, equation 15 and section B).</summary>
internal sealed class DeisMultistepScheduler(PlanLayout layout, DpmMultistepOptions options) : LambdaPlan(layout)
{
    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        SignalNoise level = Layout.Levels[evaluation];
        Span<float> newest = memory.Push();
        WriteOriginal(newest, modelOutput, sample, evaluation, memory);
        Elementwise.Apply(newest, sample, newest, Parameterization.Noise(PredictionType.Sample, level));
        SignalNoise to = Layout.Levels[evaluation + 1];
        switch (options.OrderAt(evaluation, Evaluations, memory.Steps))
        {
            case 1:
                DpmSolver.First(DpmAlgorithm.DpmSolver, to, level).ApplyFirst(sample, sample, memory);
                break;
            case 2:
                (float c0, float c1) = Second(to, level, Layout.Levels[evaluation - 1]);
                Elementwise.Apply(sample, sample, newest, memory.History(1), new SecondOrder(to.Alpha, level.Alpha, c0, c1));
                break;
            default:
                (float d0, float d1, float d2) = Third(to, level, Layout.Levels[evaluation - 1], Layout.Levels[evaluation - 2]);
                Elementwise.Apply(
                    sample,
                    sample,
                    newest,
                    memory.History(1),
                    memory.History(2),
                    new ThirdOrder(to.Alpha, level.Alpha, d0, d1, d2));
                break;
        }
    }

    private static (float, float) Second(SignalNoise t, SignalNoise s0, SignalNoise s1)
    {
        float rho = t.Sigma / t.Alpha;
        float b = s0.Sigma / s0.Alpha;
        float c = s1.Sigma / s1.Alpha;
        return (Integral(rho, b, c) - Integral(b, b, c), Integral(rho, c, b) - Integral(b, c, b));

        // ∫ (log t - log c)/(log b - log c) dt.
        static float Integral(float t, float b, float c) =>
            t * (-TorchRounding.Log(c) + TorchRounding.Log(t) - 1) / (TorchRounding.Log(b) - TorchRounding.Log(c));
    }

    private static (float, float, float) Third(SignalNoise t, SignalNoise s0, SignalNoise s1, SignalNoise s2)
    {
        float rho = t.Sigma / t.Alpha;
        float b = s0.Sigma / s0.Alpha;
        float c = s1.Sigma / s1.Alpha;
        float d = s2.Sigma / s2.Alpha;
        return (
            Integral(rho, b, c, d) - Integral(b, b, c, d),
            Integral(rho, c, d, b) - Integral(b, c, d, b),
            Integral(rho, d, b, c) - Integral(b, d, b, c));

        // ∫ (log t - log c)(log t - log d)/((log b - log c)(log b - log d)) dt.
        static float Integral(float t, float b, float c, float d)
        {
            float lt = TorchRounding.Log(t);
            float lb = TorchRounding.Log(b);
            float lc = TorchRounding.Log(c);
            float ld = TorchRounding.Log(d);
            return t * ((lc * (ld - lt + 1)) - (ld * lt) + ld + (lt * lt) - (2 * lt) + 2) / ((lb - lc) * (lb - ld));
        }
    }

    // Equation 15: alpha_t·(x/alpha_s + Σ c·epsilon).
    private readonly struct SecondOrder(float alpha, float from, float c0, float c1) : ITernaryKernel
    {
        private readonly float _alpha = alpha;
        private readonly float _from = from;
        private readonly float _c0 = c0;
        private readonly float _c1 = c1;

        public Vector<float> Invoke(Vector<float> x, Vector<float> m0, Vector<float> m1) =>
            ((x / new Vector<float>(_from)) + (m0 * _c0) + (m1 * _c1)) * _alpha;
    }

    private readonly struct ThirdOrder(float alpha, float from, float c0, float c1, float c2) : IQuaternaryKernel
    {
        private readonly float _alpha = alpha;
        private readonly float _from = from;
        private readonly float _c0 = c0;
        private readonly float _c1 = c1;
        private readonly float _c2 = c2;

        public Vector<float> Invoke(Vector<float> x, Vector<float> m0, Vector<float> m1, Vector<float> m2) =>
            ((x / new Vector<float>(_from)) + (m0 * _c0) + (m1 * _c1) + (m2 * _c2)) * _alpha;
    }
}

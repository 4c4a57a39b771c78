using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="LmsDiscreteScheduler"/>.</summary>
internal sealed record LmsDiscreteConfig : SigmaSchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "LMSDiscreteScheduler";

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request);
        CheckSigmaSchedule(request);
        int order = request.Order ?? 4;
        OptionCheck.Within("order", order, 1, 8);
        NoiseSchedule schedule = NoiseSchedule.Create(this);
        (double[] timesteps, double[] levels) = LayOut(schedule, request, steps);
        float[] sigmas = [.. levels.Select(s => (float)s), 0];
        return new LmsDiscreteScheduler(
            new PlanLayout
            {
                Timesteps = Array.ConvertAll(timesteps, t => (float)t),
                Levels = SigmaPlan.VarianceExploding(sigmas),
                Sigmas = sigmas,
                FirstEvaluation = OptionCheck.BeginIndex(request, timesteps.Length),
                PredictionType = PredictionType,
                InitNoiseSigma = InitNoiseSigma(sigmas.Max()),
                History = order,
            },
            order);
    }

    /// <inheritdoc/>
    protected override double[]? ConvertedSigmas(double ownMin, double ownMax, int steps) =>
        // This one scheduler's Karras schedule does not look at sigma_min and sigma_max.
        UseKarrasSigmas ? SigmaSchedule.Karras(ownMin, ownMax, steps) : base.ConvertedSigmas(ownMin, ownMax, steps);
}

/// <summary>
/// Linear multistep: Adams-Bashforth on unevenly spaced sigmas (k-diffusion; Hairer et al., Solving ODEs I, section III.5).
/// </summary>
internal sealed class LmsDiscreteScheduler : SigmaPlan
{
    private readonly float[][][] _coefficients;
    private readonly int _order;

    /// <summary>Integrates the polynomials of all steps.</summary>
    public LmsDiscreteScheduler(PlanLayout layout, int order)
        : base(layout)
    {
        _order = order;
        _coefficients = new float[Evaluations][][];
        for (int e = 0; e < Evaluations; e++)
        {
            _coefficients[e] = new float[Math.Min(e + 1, order)][];
            for (int k = 0; k < _coefficients[e].Length; k++)
            {
                _coefficients[e][k] = Coefficients(layout.Sigmas, e, k + 1);
            }
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
        Elementwise.Apply(memory.Push(), sample, modelOutput, new Derivative(Original(evaluation), Layout.Levels[evaluation].Sigma));

        // A run that begins late: the reference takes the polynomial of full order and leaves out the derivatives that it does not have.
        // Elsewhere a fresh memory begins at first order.
        int order = memory.Start == FirstEvaluation ? Math.Min(evaluation + 1, _order) : memory.Count;
        memory.AddHistory(sample, _coefficients[evaluation][order - 1]);
    }

    // Lagrange's polynomials through the last derivatives, integrated from one sigma to the next; Gauss-Legendre with 5 points is exact up
    // to degree 9.
    private static float[] Coefficients(float[] sigmas, int evaluation, int order)
    {
        ReadOnlySpan<double> nodes = [0, 0.5384693101056831, -0.5384693101056831, 0.9061798459386640, -0.9061798459386640];
        ReadOnlySpan<double> weights = [0.5688888888888889, 0.4786286704993665, 0.4786286704993665, 0.2369268850561891, 0.2369268850561891];
        double half = ((double)sigmas[evaluation + 1] - sigmas[evaluation]) / 2;
        double middle = ((double)sigmas[evaluation + 1] + sigmas[evaluation]) / 2;
        var coefficients = new float[order];
        for (int current = 0; current < order; current++)
        {
            double integral = 0;
            for (int n = 0; n < nodes.Length; n++)
            {
                double tau = middle + (half * nodes[n]);
                double product = 1;
                for (int k = 0; k < order; k++)
                {
                    if (k != current)
                    {
                        product *= (tau - sigmas[evaluation - k]) / ((double)sigmas[evaluation - current] - sigmas[evaluation - k]);
                    }
                }

                integral += weights[n] * product;
            }

            coefficients[current] = (float)(integral * half);
        }

        return coefficients;
    }
}

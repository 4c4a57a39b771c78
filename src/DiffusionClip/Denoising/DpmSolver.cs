using System.Numerics;
using System.Text.Json.Serialization;

namespace DiffusionClip.Denoising;

/// <summary>Which equation a DPM solver integrates.</summary>
internal enum DpmAlgorithm
{
    /// <summary>The noise-predicting ODE (Lu et al. 2022, DPM-Solver).</summary>
    [JsonStringEnumMemberName("dpmsolver")]
    DpmSolver,

    /// <summary>The data-predicting ODE (Lu et al. 2022, DPM-Solver++).</summary>
    [JsonStringEnumMemberName("dpmsolver++")]
    [OptionAlias("deis")]
    DpmSolverPlusPlus,

    /// <summary>The noise-predicting SDE.</summary>
    [JsonStringEnumMemberName("sde-dpmsolver")]
    SdeDpmSolver,

    /// <summary>The data-predicting SDE.</summary>
    [JsonStringEnumMemberName("sde-dpmsolver++")]
    SdeDpmSolverPlusPlus,
}

/// <summary>How a DPM solver of second order approximates the derivative's integral.</summary>
internal enum DpmSolverType
{
    /// <summary>At the middle.</summary>
    [OptionAlias("logrho")]
    [OptionAlias("bh1")]
    [OptionAlias("bh2")]
    Midpoint,

    /// <summary>By its Taylor term.</summary>
    Heun,
}

/// <summary>
/// One update of a DPM solver: x' = Sample·x + D0·d0 + D1·d1 + D2·d2 + Noise·z, the differences d formed from remembered outputs.
/// </summary>
/// <param name="Sample">Factor of the sample.</param>
/// <param name="D0">Factor of the output that the update starts from.</param>
/// <param name="D1">Factor of the first difference.</param>
/// <param name="D2">Factor of the second difference.</param>
/// <param name="Noise">Factor of the draw.</param>
/// <param name="R0">Distance in lambda of the newest output, relative to the step.</param>
/// <param name="R1">The same of the output before.</param>
internal readonly record struct DpmUpdate(float Sample, float D0, float D1 = 0, float D2 = 0, float Noise = 0, float R0 = 1, float R1 = 1)
{
    /// <summary>First order: d0 is the newest output m0.</summary>
    public void ApplyFirst(Span<float> destination, ReadOnlySpan<float> sample, SchedulerMemory memory)
    {
        LinearCombination.Write(destination, Sample, sample, D0, memory.History(0));
        AddNoise(destination, memory);
    }

    /// <summary>Second order of a multistep solver: d0 = m0, d1 = (m0 - m1)/r0.</summary>
    public void ApplySecond(Span<float> destination, ReadOnlySpan<float> sample, SchedulerMemory memory)
    {
        Elementwise.Apply(destination, sample, memory.History(0), memory.History(1), new MultistepSecond(this));
        AddNoise(destination, memory);
    }

    /// <summary>
    /// Third order of a multistep solver: d1 = a + r0/(r0 + r1)·(a - b), d2 = (a - b)/(r0 + r1), a = (m0 - m1)/r0, b = (m1 - m2)/r1.
    /// </summary>
    public void ApplyThird(Span<float> destination, ReadOnlySpan<float> sample, SchedulerMemory memory)
    {
        Elementwise.Apply(destination, sample, memory.History(0), memory.History(1), memory.History(2), new MultistepThird(this));
        AddNoise(destination, memory);
    }

    /// <summary>Second order of a singlestep solver, from the block's beginning: d0 = m1, d1 = (m0 - m1)/r0.</summary>
    public void ApplySinglestepSecond(Span<float> destination, ReadOnlySpan<float> sample, SchedulerMemory memory)
    {
        Elementwise.Apply(destination, sample, memory.History(0), memory.History(1), new SinglestepSecond(this));
        AddNoise(destination, memory);
    }

    /// <summary>
    /// Third order of a singlestep solver, from the block's beginning: d0 = m2; with a = (m1 - m2)/r1 and b = (m0 - m2)/r0, the midpoint
    /// has d1 = b, Heun d1 = (r0·a - r1·b)/(r0 - r1) and d2 = 2(b - a)/(r0 - r1).
    /// </summary>
    public void ApplySinglestepThird(Span<float> destination, ReadOnlySpan<float> sample, SchedulerMemory memory, DpmSolverType type)
    {
        if (type == DpmSolverType.Midpoint)
        {
            Elementwise.Apply(destination, sample, memory.History(0), memory.History(2), new SinglestepSecond(this));
        }
        else
        {
            Elementwise.Apply(destination, sample, memory.History(0), memory.History(1), memory.History(2), new SinglestepThird(this));
        }

        AddNoise(destination, memory);
    }

    private void AddNoise(Span<float> destination, SchedulerMemory memory)
    {
        if (Noise != 0)
        {
            LinearCombination.Add(destination, Noise, memory.Noise);
        }
    }

    private readonly struct MultistepSecond(DpmUpdate u) : ITernaryKernel
    {
        private readonly float _sample = u.Sample;
        private readonly float _d0 = u.D0;
        private readonly float _d1 = u.D1;
        private readonly float _inverse = 1 / u.R0;

        public Vector<float> Invoke(Vector<float> x, Vector<float> m0, Vector<float> m1) =>
            (x * _sample) + (m0 * _d0) + ((m0 - m1) * _inverse * _d1);
    }

    private readonly struct SinglestepSecond(DpmUpdate u) : ITernaryKernel
    {
        private readonly float _sample = u.Sample;
        private readonly float _d0 = u.D0;
        private readonly float _d1 = u.D1;
        private readonly float _inverse = 1 / u.R0;

        public Vector<float> Invoke(Vector<float> x, Vector<float> newest, Vector<float> start) =>
            (x * _sample) + (start * _d0) + ((newest - start) * _inverse * _d1);
    }

    private readonly struct MultistepThird(DpmUpdate u) : IQuaternaryKernel
    {
        private readonly float _sample = u.Sample;
        private readonly float _d0 = u.D0;
        private readonly float _d1 = u.D1;
        private readonly float _d2 = u.D2;
        private readonly float _inverse0 = 1 / u.R0;
        private readonly float _inverse1 = 1 / u.R1;
        private readonly float _share = u.R0 / (u.R0 + u.R1);
        private readonly float _inverseSum = 1 / (u.R0 + u.R1);

        public Vector<float> Invoke(Vector<float> x, Vector<float> m0, Vector<float> m1, Vector<float> m2)
        {
            Vector<float> a = (m0 - m1) * _inverse0;
            Vector<float> difference = a - ((m1 - m2) * _inverse1);
            return (x * _sample) + (m0 * _d0) + ((a + (difference * _share)) * _d1) + (difference * _inverseSum * _d2);
        }
    }

    private readonly struct SinglestepThird(DpmUpdate u) : IQuaternaryKernel
    {
        private readonly float _sample = u.Sample;
        private readonly float _d0 = u.D0;
        private readonly float _d1 = u.D1;
        private readonly float _d2 = u.D2;
        private readonly float _r0 = u.R0;
        private readonly float _r1 = u.R1;

        public Vector<float> Invoke(Vector<float> x, Vector<float> m0, Vector<float> m1, Vector<float> m2)
        {
            Vector<float> a = (m1 - m2) * (1 / _r1);
            Vector<float> b = (m0 - m2) * (1 / _r0);
            var difference = new Vector<float>(_r0 - _r1);
            return (x * _sample) + (m2 * _d0) + (((a * _r0) - (b * _r1)) / difference * _d1) + ((b - a) * 2 / difference * _d2);
        }
    }
}

/// <summary>
/// Updates of the DPM solvers (Lu et al. 2022, "DPM-Solver" and "DPM-Solver++"), in float32 in the reference's order:
/// the differences of exponentials lose bits, and the same ones have to be lost here.
/// </summary>
internal static class DpmSolver
{
    /// <summary>The log of signal to noise.</summary>
    public static float Lambda(SignalNoise level) => TorchRounding.Log(level.Alpha) - TorchRounding.Log(level.Sigma);

    /// <summary>First order: DPM-Solver-1, equal to DDIM.</summary>
    public static DpmUpdate First(DpmAlgorithm algorithm, SignalNoise t, SignalNoise s)
    {
        float h = Lambda(t) - Lambda(s);
        return algorithm switch
        {
            DpmAlgorithm.DpmSolverPlusPlus => new(t.Sigma / s.Sigma, -(t.Alpha * (TorchRounding.Exp(-h) - 1))),
            DpmAlgorithm.DpmSolver => new(t.Alpha / s.Alpha, -(t.Sigma * (TorchRounding.Exp(h) - 1))),
            DpmAlgorithm.SdeDpmSolverPlusPlus => new(
                t.Sigma / s.Sigma * TorchRounding.Exp(-h),
                t.Alpha * (1 - TorchRounding.Exp(-2 * h)),
                Noise: t.Sigma * MathF.Sqrt(1 - TorchRounding.Exp(-2 * h))),
            _ => new(
                t.Alpha / s.Alpha,
                -2 * (t.Sigma * (TorchRounding.Exp(h) - 1)),
                Noise: t.Sigma * MathF.Sqrt(TorchRounding.Exp(2 * h) - 1)),
        };
    }

    /// <summary>Second order of the multistep solver (DPM-Solver++, algorithm 2): D0 is the newest output, D1 its slope.</summary>
    /// <param name="algorithm">The equation.</param>
    /// <param name="type">How the slope is weighted.</param>
    /// <param name="t">The level to reach.</param>
    /// <param name="s0">The level of the newest output.</param>
    /// <param name="s1">The level of the output before.</param>
    public static DpmUpdate Second(DpmAlgorithm algorithm, DpmSolverType type, SignalNoise t, SignalNoise s0, SignalNoise s1)
    {
        float h = Lambda(t) - Lambda(s0);
        float r0 = (Lambda(s0) - Lambda(s1)) / h;
        (float sample, float d0, float d1, float noise) = SecondTerms(algorithm, type, t, s0, h);
        return new(sample, d0, d1, Noise: noise, R0: r0);
    }

    /// <summary>Factors of sample, D0, D1 and noise of a second-order update.</summary>
    public static (float Sample, float D0, float D1, float Noise) SecondTerms(
        DpmAlgorithm algorithm,
        DpmSolverType type,
        SignalNoise t,
        SignalNoise s,
        float h)
    {
        bool midpoint = type == DpmSolverType.Midpoint;
        switch (algorithm)
        {
            case DpmAlgorithm.DpmSolverPlusPlus:
            {
                float e = t.Alpha * (TorchRounding.Exp(-h) - 1);
                return (t.Sigma / s.Sigma, -e, midpoint ? -0.5f * e : t.Alpha * (((TorchRounding.Exp(-h) - 1) / h) + 1), 0);
            }

            case DpmAlgorithm.DpmSolver:
            {
                float e = t.Sigma * (TorchRounding.Exp(h) - 1);
                return (t.Alpha / s.Alpha, -e, midpoint ? -0.5f * e : -(t.Sigma * (((TorchRounding.Exp(h) - 1) / h) - 1)), 0);
            }

            case DpmAlgorithm.SdeDpmSolverPlusPlus:
            {
                float e = t.Alpha * (1 - TorchRounding.Exp(-2 * h));
                return (
                    t.Sigma / s.Sigma * TorchRounding.Exp(-h), e,
                    midpoint ? 0.5f * e : t.Alpha * (((1 - TorchRounding.Exp(-2 * h)) / (-2 * h)) + 1),
                    t.Sigma * MathF.Sqrt(1 - TorchRounding.Exp(-2 * h)));
            }

            default:
            {
                float e = t.Sigma * (TorchRounding.Exp(h) - 1);
                return (
                    t.Alpha / s.Alpha, -2 * e,
                    midpoint ? -e : -2 * (t.Sigma * (((TorchRounding.Exp(h) - 1) / h) - 1)),
                    t.Sigma * MathF.Sqrt(TorchRounding.Exp(2 * h) - 1));
            }
        }
    }

    /// <summary>Third order of the multistep solver.</summary>
    public static DpmUpdate Third(DpmAlgorithm algorithm, SignalNoise t, SignalNoise s0, SignalNoise s1, SignalNoise s2)
    {
        float h = Lambda(t) - Lambda(s0);
        float r0 = (Lambda(s0) - Lambda(s1)) / h;
        float r1 = (Lambda(s1) - Lambda(s2)) / h;
        (float sample, float d0, float d1, float d2, float noise) = ThirdTerms(algorithm, t, s0, h);
        return new(sample, d0, d1, d2, noise, r0, r1);
    }

    /// <summary>Factors of sample, D0, D1, D2 and noise of a third-order update.</summary>
    public static (float Sample, float D0, float D1, float D2, float Noise) ThirdTerms(
        DpmAlgorithm algorithm,
        SignalNoise t,
        SignalNoise s,
        float h)
    {
        switch (algorithm)
        {
            case DpmAlgorithm.DpmSolverPlusPlus:
            {
                float e = TorchRounding.Exp(-h) - 1;
                return (t.Sigma / s.Sigma, -(t.Alpha * e), t.Alpha * ((e / h) + 1), -(t.Alpha * (((e + h) / (h * h)) - 0.5f)), 0);
            }

            case DpmAlgorithm.DpmSolver:
            {
                float e = TorchRounding.Exp(h) - 1;
                return (t.Alpha / s.Alpha, -(t.Sigma * e), -(t.Sigma * ((e / h) - 1)), -(t.Sigma * (((e - h) / (h * h)) - 0.5f)), 0);
            }

            case DpmAlgorithm.SdeDpmSolverPlusPlus:
            {
                float e = 1 - TorchRounding.Exp(-2 * h);
                return (
                    t.Sigma / s.Sigma * TorchRounding.Exp(-h), t.Alpha * e, t.Alpha * ((e / (-2 * h)) + 1),
                    t.Alpha * (((e - (2 * h)) / (2 * h * (2 * h))) - 0.5f), t.Sigma * MathF.Sqrt(e));
            }

            default:
                throw new InvalidRequestException(
                    "solver_order",
                    "3",
                    "sde-dpmsolver has orders 1 and 2; use sde-dpmsolver++ or a lower order");
        }
    }
}

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

/// <summary>The factors of one update: x' = Sample·x + M0·m0 + M1·m1 + M2·m2 + Noise·z, m0 the newest converted output.</summary>
internal readonly record struct DpmUpdate(float Sample, float M0, float M1, float M2, float Noise)
{
    /// <summary>Applies the update in place; memory holds the outputs and, where noise counts, the draw.</summary>
    public void Apply(Span<float> sample, ReadOnlySpan<float> source, SchedulerMemory memory, int order)
    {
        switch (order)
        {
            case 1:
                LinearCombination.Write(sample, Sample, source, M0, memory.History(0));
                break;
            case 2:
                LinearCombination.Write(sample, Sample, source, M0, memory.History(0), M1, memory.History(1));
                break;
            default:
                LinearCombination.Write(sample, Sample, source, M0, memory.History(0), M1, memory.History(1), M2, memory.History(2));
                break;
        }

        if (Noise != 0)
        {
            LinearCombination.Add(sample, Noise, memory.Noise);
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
    public static float Lambda(SignalNoise level) => MathF.Log(level.Alpha) - MathF.Log(level.Sigma);

    /// <summary>First order: DPM-Solver-1, equal to DDIM.</summary>
    public static DpmUpdate First(DpmAlgorithm algorithm, SignalNoise t, SignalNoise s)
    {
        float h = Lambda(t) - Lambda(s);
        return algorithm switch
        {
            DpmAlgorithm.DpmSolverPlusPlus => new(t.Sigma / s.Sigma, -(t.Alpha * (MathF.Exp(-h) - 1)), 0, 0, 0),
            DpmAlgorithm.DpmSolver => new(t.Alpha / s.Alpha, -(t.Sigma * (MathF.Exp(h) - 1)), 0, 0, 0),
            DpmAlgorithm.SdeDpmSolverPlusPlus => new(
                t.Sigma / s.Sigma * MathF.Exp(-h), t.Alpha * (1 - MathF.Exp(-2 * h)), 0, 0, t.Sigma * MathF.Sqrt(1 - MathF.Exp(-2 * h))),
            _ => new(t.Alpha / s.Alpha, -2 * (t.Sigma * (MathF.Exp(h) - 1)), 0, 0, t.Sigma * MathF.Sqrt(MathF.Exp(2 * h) - 1)),
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
        float slope = d1 * (1 / r0);
        return new(sample, d0 + slope, -slope, 0, noise);
    }

    /// <summary>Factors of sample, D0, D1 and noise of a second-order update.</summary>
    public static (float Sample, float D0, float D1, float Noise) SecondTerms(DpmAlgorithm algorithm, DpmSolverType type, SignalNoise t, SignalNoise s, float h)
    {
        bool midpoint = type == DpmSolverType.Midpoint;
        switch (algorithm)
        {
            case DpmAlgorithm.DpmSolverPlusPlus:
            {
                float e = t.Alpha * (MathF.Exp(-h) - 1);
                return (t.Sigma / s.Sigma, -e, midpoint ? -0.5f * e : t.Alpha * (((MathF.Exp(-h) - 1) / h) + 1), 0);
            }

            case DpmAlgorithm.DpmSolver:
            {
                float e = t.Sigma * (MathF.Exp(h) - 1);
                return (t.Alpha / s.Alpha, -e, midpoint ? -0.5f * e : -(t.Sigma * (((MathF.Exp(h) - 1) / h) - 1)), 0);
            }

            case DpmAlgorithm.SdeDpmSolverPlusPlus:
            {
                float e = t.Alpha * (1 - MathF.Exp(-2 * h));
                return (
                    t.Sigma / s.Sigma * MathF.Exp(-h), e,
                    midpoint ? 0.5f * e : t.Alpha * (((1 - MathF.Exp(-2 * h)) / (-2 * h)) + 1),
                    t.Sigma * MathF.Sqrt(1 - MathF.Exp(-2 * h)));
            }

            default:
            {
                float e = t.Sigma * (MathF.Exp(h) - 1);
                return (
                    t.Alpha / s.Alpha, -2 * e,
                    midpoint ? -e : -2 * (t.Sigma * (((MathF.Exp(h) - 1) / h) - 1)),
                    t.Sigma * MathF.Sqrt(MathF.Exp(2 * h) - 1));
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

        // D1_0 = (m0 - m1)/r0, D1_1 = (m1 - m2)/r1, D1 = D1_0 + r0/(r0 + r1)·(D1_0 - D1_1), D2 = (D1_0 - D1_1)/(r0 + r1).
        float first = ((d1 * (1 + (r0 / (r0 + r1)))) + (d2 / (r0 + r1))) / r0;
        float second = ((d1 * (r0 / (r0 + r1))) + (d2 / (r0 + r1))) / r1;
        return new(sample, d0 + first, -first - second, second, noise);
    }

    /// <summary>Factors of sample, D0, D1, D2 and noise of a third-order update.</summary>
    public static (float Sample, float D0, float D1, float D2, float Noise) ThirdTerms(DpmAlgorithm algorithm, SignalNoise t, SignalNoise s, float h)
    {
        switch (algorithm)
        {
            case DpmAlgorithm.DpmSolverPlusPlus:
            {
                float e = MathF.Exp(-h) - 1;
                return (t.Sigma / s.Sigma, -(t.Alpha * e), t.Alpha * ((e / h) + 1), -(t.Alpha * (((e + h) / (h * h)) - 0.5f)), 0);
            }

            case DpmAlgorithm.DpmSolver:
            {
                float e = MathF.Exp(h) - 1;
                return (t.Alpha / s.Alpha, -(t.Sigma * e), -(t.Sigma * ((e / h) - 1)), -(t.Sigma * (((e - h) / (h * h)) - 0.5f)), 0);
            }

            case DpmAlgorithm.SdeDpmSolverPlusPlus:
            {
                float e = 1 - MathF.Exp(-2 * h);
                return (
                    t.Sigma / s.Sigma * MathF.Exp(-h), t.Alpha * e, t.Alpha * ((e / (-2 * h)) + 1),
                    t.Alpha * (((e - (2 * h)) / (2 * h * (2 * h))) - 0.5f), t.Sigma * MathF.Sqrt(e));
            }

            default:
                throw new InvalidRequestException("solver_order", "3", "sde-dpmsolver has orders 1 and 2; use sde-dpmsolver++ or a lower order");
        }
    }
}

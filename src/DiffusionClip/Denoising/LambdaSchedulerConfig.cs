using System.Globalization;

namespace DiffusionClip.Denoising;

/// <summary>
/// Options of the solvers in lambda: the DPM family, DEIS, UniPC and SA-Solver. Their samples preserve variance, or are flows.
/// </summary>
internal abstract record LambdaSchedulerConfig : SigmaSchedulerConfig
{
    /// <summary>Dynamic thresholding of x0.</summary>
    public ThresholdingOptions Threshold { get; init; } = new();

    /// <summary>Whether the last steps of short runs use lower orders.</summary>
    public bool LowerOrderFinal { get; init; } = true;

    /// <summary>Whether sigmas are those of a flow.</summary>
    public bool UseFlowSigmas { get; init; }

    /// <summary>Shift of flow sigmas.</summary>
    public double FlowShift { get; init; } = 1;

    /// <summary>What is done to x0 out of range.</summary>
    protected OriginalSampleLimit Limit => OriginalSampleLimit.Of(Threshold, null);

    /// <summary>The shift of flow sigmas in this run.</summary>
    protected static double Shift(ScheduleRequest request, bool useDynamicShifting, double flowShift)
    {
        if (request.Mu is not { } mu)
        {
            return flowShift;
        }

        return useDynamicShifting
            ? Math.Exp(mu)
            : throw OptionCheck.Invalid("mu", mu.ToString("R", CultureInfo.InvariantCulture), "set use_dynamic_shifting, or leave mu out");
    }

    /// <summary>Signal and noise of a sigma: of a flow (1 - sigma, sigma), else of unit variance.</summary>
    protected SignalNoise Level(float sigma)
    {
        if (UseFlowSigmas)
        {
            return new(1 - sigma, sigma);
        }

        float alpha = 1 / MathF.Sqrt((sigma * sigma) + 1);
        return new(alpha, sigma * alpha);
    }

    /// <summary>Timesteps and sigmas without the final level: a sigma schedule of its own, a flow's, or the training steps'.</summary>
    /// <param name="schedule">The noise schedule.</param>
    /// <param name="request">The request.</param>
    /// <param name="steps">Number of steps.</param>
    /// <param name="shift">Shift of a flow.</param>
    /// <param name="last">Training steps whose lambda is not clipped.</param>
    protected (double[] Timesteps, double[] Sigmas) SolverLayout(
        NoiseSchedule schedule,
        ScheduleRequest request,
        int steps,
        double shift,
        int last)
    {
        if (ConvertedSigmas(schedule.Sigmas[0], schedule.Sigmas[^1], steps) is { } converted)
        {
            return (
                Array.ConvertAll(
                    converted,
                    s =>
                        UseKarrasSigmas
                            ? Math.Round(SigmaSchedule.Timestep(s, schedule.LogSigmas))
                            : SigmaSchedule.Timestep(s, schedule.LogSigmas)),
                converted);
        }

        if (UseFlowSigmas)
        {
            double[] flow = FlowSigmas(steps, shift);
            return (Array.ConvertAll(flow, s => s * NumTrainTimesteps), flow);
        }

        double[] timesteps = request.Timesteps is { } custom
            ? [.. custom.Select(Math.Truncate)]
            : SpacedTimesteps.WithoutLast(TimestepSpacing, NumTrainTimesteps, last, steps, StepsOffset);
        return (timesteps, Array.ConvertAll(timesteps, t => TorchRounding.Interpolate(t, schedule.Sigmas)));
    }

    /// <summary>
    /// Sigmas with the final level of the solvers that cannot reach zero: the schedule's lowest, or the last once more where sigmas are not
    /// the training steps'.
    /// </summary>
    protected float[] WithLastRepeated(NoiseSchedule schedule, double[] sigmas) =>
        [.. sigmas.Select(s => (float)s), UsesConvertedSigmas || UseFlowSigmas ? (float)sigmas[^1] : schedule.Sigmas[0]];

    /// <summary>What the model is given: whole timesteps.</summary>
    protected static float[] WholeTimesteps(double[] timesteps) => Array.ConvertAll(timesteps, t => (float)Math.Truncate(t));

    /// <summary>Sigmas of a flow, evenly spread and shifted.</summary>
    private double[] FlowSigmas(int steps, double shift)
    {
        double[] alphas = TorchRounding.Linspace(1.0, 1.0 / NumTrainTimesteps, steps + 1);
        return [.. alphas.Skip(1).Reverse().Select(a => SigmaSchedule.Shift(1 - a, shift))];
    }

    /// <summary>Training steps whose lambda is not clipped.</summary>
    protected static int LastTimestep(NoiseSchedule schedule, double lambdaMinClipped)
    {
        int last = schedule.Length;
        for (int t = schedule.Length - 1; t >= 0; t--)
        {
            float a = schedule.AlphasCumprod[t];
            if (!(TorchRounding.Log(MathF.Sqrt(a)) - TorchRounding.Log(MathF.Sqrt(1 - a)) < lambdaMinClipped))
            {
                break;
            }

            last--;
        }

        return last;
    }
}

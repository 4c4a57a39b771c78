namespace DiffusionClip.Denoising;

/// <summary>What DPM2 and DPM2 ancestral have in common: steps with a second evaluation between two sigmas.</summary>
internal abstract record Kdpm2Config : SigmaSchedulerConfig
{
    /// <summary>Sets the defaults that differ from other schedulers'.</summary>
    protected Kdpm2Config()
    {
        BetaStart = 0.00085;
        BetaEnd = 0.012;
    }

    /// <inheritdoc/>
    protected override ReadOnlySpan<PredictionType> UnsupportedPredictionTypes => [PredictionType.Sample, PredictionType.Flow];

    /// <summary>exp of the mean of the logarithms, in torch's order of <c>lerp</c> at 0.5; 0 where either is 0.</summary>
    protected static float MiddleInLog(float start, float end)
    {
        float a = TorchRounding.Log(start);
        float b = TorchRounding.Log(end);
        return start == 0 || end == 0 ? 0 : TorchRounding.Exp(b - ((b - a) * 0.5f));
    }

    /// <summary>Timesteps, sigmas (one more, 0 the last) and the schedule's log sigmas.</summary>
    protected (float[] Timesteps, float[] Sigmas, float[] LogSigmas) LayOutSteps(ScheduleRequest request)
    {
        int steps = Check(request);
        CheckSigmaSchedule(request);
        NoiseSchedule schedule = NoiseSchedule.Create(this);
        (double[] timesteps, double[] sigmas) = LayOut(schedule, request, steps);
        return (
            Array.ConvertAll(timesteps, t => (float)(UseKarrasSigmas ? Math.Round(t) : t)),
            [.. sigmas.Select(s => (float)s), 0],
            schedule.LogSigmas);
    }

    /// <summary>The plan's layout.</summary>
    /// <param name="request">The request.</param>
    /// <param name="timesteps">The timestep of each evaluation.</param>
    /// <param name="levels">The sigma before each evaluation and after the last.</param>
    /// <param name="sigmas">The sigmas of the steps, 0 the last.</param>
    /// <param name="isStochastic">Whether steps draw noise.</param>
    protected PlanLayout Layout(ScheduleRequest request, float[] timesteps, float[] levels, float[] sigmas, bool isStochastic) => new()
    {
        Timesteps = timesteps,
        Levels = SigmaPlan.VarianceExploding(levels),
        Sigmas = [.. TwoStagePlan.Twice<float>(sigmas), 0],
        FirstEvaluation = 2 * OptionCheck.BeginIndex(request, sigmas.Length - 1),
        PredictionType = PredictionType,
        InitNoiseSigma = InitNoiseSigma(sigmas.Max()),
        IsStochastic = isStochastic,
        Kept = 1,
    };
}

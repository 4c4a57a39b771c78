using System.Globalization;

namespace DiffusionClip.Denoising;

/// <summary>
/// The settings of one scheduler, as <c>scheduler_config.json</c> holds them: property names are the file's keys in .NET casing,
/// defaults are those of diffusers. Immutable; <see cref="SchedulerCatalog"/> makes them.
/// </summary>
public abstract record SchedulerConfig
{
    /// <summary>The class name as diffusers writes it to <c>_class_name</c>, e.g. <c>EulerDiscreteScheduler</c>.</summary>
    public abstract string ClassName { get; }

    /// <summary>Builds the plan of one run.</summary>
    /// <param name="request">Steps, where to begin, and the settings of single steps.</param>
    /// <exception cref="InvalidRequestException">The request or an option cannot be used; the message names it.</exception>
    public abstract IScheduler Build(ScheduleRequest request);
}

/// <summary>What every scheduler with a discrete noise schedule is configured by.</summary>
internal abstract record BetaSchedulerConfig : SchedulerConfig
{
    /// <summary>Steps that the model was trained with.</summary>
    public int NumTrainTimesteps { get; init; } = 1000;

    /// <summary>First beta.</summary>
    public double BetaStart { get; init; } = 0.0001;

    /// <summary>Last beta.</summary>
    public double BetaEnd { get; init; } = 0.02;

    /// <summary>How beta grows in between.</summary>
    public BetaSchedule BetaSchedule { get; init; } = BetaSchedule.Linear;

    /// <summary>The betas themselves; overrides the three above.</summary>
    public IReadOnlyList<double>? TrainedBetas { get; init; }

    /// <summary>What the model predicts.</summary>
    public PredictionType PredictionType { get; init; } = PredictionType.Epsilon;

    /// <summary>Beta schedules beyond the three common ones that this scheduler knows.</summary>
    protected virtual ReadOnlySpan<BetaSchedule> FurtherBetaSchedules => [];

    /// <summary>Prediction types that this scheduler cannot read.</summary>
    protected virtual ReadOnlySpan<PredictionType> UnsupportedPredictionTypes => [PredictionType.Flow];

    /// <summary>Refuses what the scheduler cannot do; then gives the number of steps, which custom timesteps or sigmas may set.</summary>
    protected int Check(ScheduleRequest request, bool takesTimesteps = false, bool takesSigmas = false)
    {
        OptionCheck.AtLeast("num_train_timesteps", NumTrainTimesteps, 1);
        if (TrainedBetas is { } trained && trained.Count != NumTrainTimesteps)
        {
            throw OptionCheck.Invalid("trained_betas", $"{trained.Count} values", FormattableString.Invariant($"num_train_timesteps is {NumTrainTimesteps}; give as many"));
        }

        if (BetaSchedule > BetaSchedule.SquaredcosCapV2 && !FurtherBetaSchedules.Contains(BetaSchedule))
        {
            throw OptionCheck.Invalid("beta_schedule", OptionNames.Of(BetaSchedule), $"{ClassName} takes linear, scaled_linear and squaredcos_cap_v2");
        }

        if (UnsupportedPredictionTypes.Contains(PredictionType))
        {
            throw OptionCheck.Invalid("prediction_type", OptionNames.Of(PredictionType), $"{ClassName} does not read it; choose another scheduler");
        }

        return OptionCheck.Steps(request, ClassName, NumTrainTimesteps, takesTimesteps, takesSigmas);
    }
}

/// <summary>Options of the schedulers that spread their steps over sigmas.</summary>
internal abstract record SigmaSchedulerConfig : BetaSchedulerConfig
{
    /// <summary>How the steps lie on the training steps.</summary>
    public TimestepSpacing TimestepSpacing { get; init; } = TimestepSpacing.Linspace;

    /// <summary>Added to leading timesteps.</summary>
    public int StepsOffset { get; init; }

    /// <summary>Sigmas after Karras et al. 2022.</summary>
    public bool UseKarrasSigmas { get; init; }

    /// <summary>Sigmas evenly in log space.</summary>
    public bool UseExponentialSigmas { get; init; }

    /// <summary>Sigmas at the quantiles of a beta distribution.</summary>
    public bool UseBetaSigmas { get; init; }

    /// <summary>Lowest sigma of those three; null: the schedule's own. diffusers reads it from any configuration that has it.</summary>
    public double? SigmaMin { get; init; }

    /// <summary>Highest sigma of those three; null: the schedule's own.</summary>
    public double? SigmaMax { get; init; }

    /// <summary>Whether one of the three sigma schedules is asked for.</summary>
    protected bool UsesConvertedSigmas => UseKarrasSigmas || UseExponentialSigmas || UseBetaSigmas;

    /// <summary>Refuses two sigma schedules at once, and custom timesteps beside one.</summary>
    protected void CheckSigmaSchedule(ScheduleRequest request, bool others = false)
    {
        if ((UseKarrasSigmas ? 1 : 0) + (UseExponentialSigmas ? 1 : 0) + (UseBetaSigmas ? 1 : 0) > 1)
        {
            throw OptionCheck.Invalid(UseBetaSigmas ? "use_beta_sigmas" : "use_exponential_sigmas", "true", "only one of use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas can be true");
        }

        if (request.Timesteps is not null && (UsesConvertedSigmas || others))
        {
            throw OptionCheck.Invalid("timesteps", "a list", "the configuration asks for a sigma schedule of its own; turn it off or give num_inference_steps");
        }
    }

    /// <summary>Timesteps and sigmas as the k-diffusion schedulers lay them out, without the final level.</summary>
    protected (double[] Timesteps, double[] Sigmas) LayOut(NoiseSchedule schedule, ScheduleRequest request, int steps)
    {
        double[] timesteps = request.Timesteps is { } custom
            ? [.. custom.Select(t => (double)(float)t)]
            : SpacedTimesteps.Continuous(TimestepSpacing, NumTrainTimesteps, steps, StepsOffset);
        double[] sigmas = Array.ConvertAll(timesteps, t => Torch.Interpolate(t, schedule.Sigmas));
        if (ConvertedSigmas(sigmas[^1], sigmas[0], steps) is { } converted)
        {
            sigmas = converted;
            timesteps = Array.ConvertAll(sigmas, s => SigmaSchedule.Timestep(s, schedule.LogSigmas));
        }

        return (timesteps, sigmas);
    }

    /// <summary>Standard deviation of the first sample: leading timesteps do not begin at pure noise, so the signal's part is counted in.</summary>
    protected float InitNoiseSigma(float maxSigma) => TimestepSpacing == TimestepSpacing.Leading ? MathF.Sqrt((maxSigma * maxSigma) + 1) : maxSigma;

    /// <summary>The sigma schedule that is asked for, or null.</summary>
    /// <param name="ownMin">The schedule's lowest sigma.</param>
    /// <param name="ownMax">The schedule's highest sigma.</param>
    /// <param name="steps">Number of sigmas.</param>
    protected virtual double[]? ConvertedSigmas(double ownMin, double ownMax, int steps)
    {
        double low = SigmaMin ?? ownMin;
        double high = SigmaMax ?? ownMax;
        return UseKarrasSigmas ? SigmaSchedule.Karras(low, high, steps)
            : UseExponentialSigmas ? SigmaSchedule.Exponential(low, high, steps)
            : UseBetaSigmas ? SigmaSchedule.Beta(low, high, steps)
            : null;
    }
}

/// <summary>The level a schedule of sigmas ends on.</summary>
internal enum FinalSigmasType
{
    /// <summary>No noise at all.</summary>
    Zero,

    /// <summary>The noise of the first training step.</summary>
    SigmaMin,
}

/// <summary>Checks that configurations share; each error names the option as the file writes it.</summary>
internal static class OptionCheck
{
    public static InvalidRequestException Invalid(string option, string? value, string remedy) => new(option, value, remedy);

    public static void AtLeast(string option, int value, int least)
    {
        if (value < least)
        {
            throw Invalid(option, value.ToString(CultureInfo.InvariantCulture), FormattableString.Invariant($"{least} or more is needed"));
        }
    }

    public static void Within(string option, int value, int least, int most)
    {
        if (value < least || value > most)
        {
            throw Invalid(option, value.ToString(CultureInfo.InvariantCulture), FormattableString.Invariant($"{least} to {most} is needed"));
        }
    }

    public static void Within(string option, double value, double least, double most)
    {
        if (!(value >= least && value <= most))
        {
            throw Invalid(option, value.ToString("R", CultureInfo.InvariantCulture), FormattableString.Invariant($"{least} to {most} is needed"));
        }
    }

    /// <summary>Refuses models that predict a variance beside the noise.</summary>
    public static void NoVariance(string? varianceType)
    {
        if (varianceType is not null)
        {
            throw Invalid("variance_type", varianceType, "models that predict their variance are not supported; leave it out");
        }
    }

    /// <summary>The number of steps of a request: given, or as many as there are timesteps or intervals of sigmas.</summary>
    public static int Steps(ScheduleRequest request, string className, int trainTimesteps, bool takesTimesteps, bool takesSigmas)
    {
        if (request.Timesteps is not null && !takesTimesteps)
        {
            throw Invalid("timesteps", "a list", $"{className} takes num_inference_steps only");
        }

        if (request.Sigmas is not null && !takesSigmas)
        {
            throw Invalid("sigmas", "a list", $"{className} takes {(takesTimesteps ? "num_inference_steps or timesteps" : "num_inference_steps")} only");
        }

        if (request.Timesteps is { } timesteps)
        {
            if (timesteps.Count == 0 || timesteps.Any(t => !(t >= 0 && t <= trainTimesteps)))
            {
                throw Invalid("timesteps", string.Join(", ", timesteps.Select(t => t.ToString("R", CultureInfo.InvariantCulture))),
                    FormattableString.Invariant($"at least one is needed, each from 0 to {trainTimesteps}"));
            }

            return timesteps.Count;
        }

        if (request.Sigmas is { } sigmas)
        {
            if (sigmas.Count == 0 || sigmas.Any(s => !(s >= 0 && double.IsFinite(s))))
            {
                throw Invalid("sigmas", string.Join(", ", sigmas.Select(s => s.ToString("R", CultureInfo.InvariantCulture))), "finite numbers of 0 or more are needed");
            }

            return sigmas.Count;
        }

        int steps = request.NumInferenceSteps ?? throw Invalid("num_inference_steps", null, "give the number of steps");
        if (steps < 1 || steps > trainTimesteps)
        {
            throw Invalid("num_inference_steps", steps.ToString(CultureInfo.InvariantCulture),
                FormattableString.Invariant($"1 to {trainTimesteps} are possible: the model was trained with {trainTimesteps} timesteps (num_train_timesteps)"));
        }

        return steps;
    }

    /// <summary>The first step that runs.</summary>
    public static int BeginIndex(ScheduleRequest request, int steps)
    {
        if (request.BeginIndex is { } begin)
        {
            Within("begin_index", begin, 0, steps - 1);
            return begin;
        }

        Within("strength", request.Strength, 0, 1);
        int running = Math.Min((int)(steps * request.Strength), steps);
        if (running < 1)
        {
            throw Invalid("strength", request.Strength.ToString("R", CultureInfo.InvariantCulture),
                FormattableString.Invariant($"it leaves none of {steps} steps; at least {1.0 / steps:0.####} is needed, or more steps"));
        }

        return steps - running;
    }
}

namespace DiffusionClip.Denoising;

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
            throw OptionCheck.Invalid(
                "trained_betas",
                FormattableString.Invariant($"{trained.Count} values"),
                FormattableString.Invariant($"num_train_timesteps is {NumTrainTimesteps}; give as many"));
        }

        if (BetaSchedule > BetaSchedule.SquaredcosCapV2 && !FurtherBetaSchedules.Contains(BetaSchedule))
        {
            throw OptionCheck.Invalid(
                "beta_schedule", OptionNames.Of(BetaSchedule), $"{ClassName} takes linear, scaled_linear and squaredcos_cap_v2");
        }

        if (UnsupportedPredictionTypes.Contains(PredictionType))
        {
            throw OptionCheck.Invalid(
                "prediction_type", OptionNames.Of(PredictionType), $"{ClassName} does not read it; choose another scheduler");
        }

        return OptionCheck.Steps(request, ClassName, NumTrainTimesteps, takesTimesteps, takesSigmas);
    }
}

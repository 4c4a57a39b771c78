using System.Globalization;

namespace DiffusionClip.Denoising;

/// <summary>
/// Options of the schedulers of distilled consistency models, whose steps are a choice among those that they were distilled on.
/// </summary>
internal abstract record ConsistencySchedulerConfig : BetaSchedulerConfig
{
    /// <summary>Sets the defaults that these models were trained with.</summary>
    protected ConsistencySchedulerConfig()
    {
        BetaStart = 0.00085;
        BetaEnd = 0.012;
        BetaSchedule = BetaSchedule.ScaledLinear;
    }

    /// <summary>Steps of the schedule that the model was distilled on.</summary>
    public int OriginalInferenceSteps { get; init; } = 50;

    /// <summary>Clipping of x0.</summary>
    public ClippingOptions Clip { get; init; } = new();

    /// <summary>Whether a step below the first training step ends on the clean sample.</summary>
    public bool SetAlphaToOne { get; init; } = true;

    /// <summary>Kept for files that have it; the distilled schedule has no offset.</summary>
    public int StepsOffset { get; init; }

    /// <summary>Dynamic thresholding of x0.</summary>
    public ThresholdingOptions Threshold { get; init; } = new();

    /// <summary>Kept for files that have it; the distilled schedule has its own spacing.</summary>
    public TimestepSpacing TimestepSpacing { get; init; } = TimestepSpacing.Leading;

    /// <summary>Factor of timesteps in the boundary condition.</summary>
    public double TimestepScaling { get; init; } = 10;

    /// <summary>Whether betas are rescaled to a terminal SNR of zero.</summary>
    public bool RescaleBetasZeroSnr { get; init; }

    /// <summary>What is done to x0 out of range.</summary>
    protected OriginalSampleLimit Limit => OriginalSampleLimit.Of(Threshold, Clip);

    /// <summary>The timesteps: evenly chosen among those of distillation, or those given.</summary>
    /// <param name="request">The request.</param>
    /// <param name="steps">Number of steps.</param>
    /// <param name="allOfTraining">Whether to choose among all training steps instead.</param>
    protected int[] DistilledTimesteps(ScheduleRequest request, int steps, bool allOfTraining = false)
    {
        int original = request.OriginalInferenceSteps ?? OriginalInferenceSteps;
        OptionCheck.Within("original_inference_steps", original, 1, NumTrainTimesteps);
        OptionCheck.Within("original_strength", request.OriginalStrength, 0, 1);
        if (request.Timesteps is { } custom)
        {
            int[] given = [.. custom.Select(t => TimestepIndex.Of(t, NumTrainTimesteps))];
            for (int i = 1; i < given.Length; i++)
            {
                if (given[i] >= given[i - 1])
                {
                    throw OptionCheck.Invalid("timesteps", string.Join(", ", given), "they must descend");
                }
            }

            return given[(given.Length - Math.Min((int)(given.Length * request.OriginalStrength), given.Length))..];
        }

        int ratio = NumTrainTimesteps / original;
        int[] distilled = allOfTraining
            ? [.. Enumerable.Range(0, (int)(NumTrainTimesteps * request.OriginalStrength)).Reverse()]
            : [.. Enumerable.Range(1, (int)(original * request.OriginalStrength)).Select(i => (i * ratio) - 1).Reverse()];
        if (steps > distilled.Length)
        {
            throw OptionCheck.Invalid(
                "num_inference_steps",
                steps.ToString(CultureInfo.InvariantCulture),
                FormattableString.Invariant(
                    $"1 to {distilled.Length} are possible: the model was distilled on {original} steps (original_inference_steps)"));
        }

        return
        [
            .. TorchRounding
                .Linspace(0.0, distilled.Length, steps, endpoint: false)
                .Select(position => distilled[(int)Math.Floor(position)]),
        ];
    }
}

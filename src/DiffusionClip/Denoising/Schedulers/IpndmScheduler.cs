using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="IpndmScheduler"/>.</summary>
internal sealed record IpndmConfig : SchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "IPNDMScheduler";

    /// <summary>Steps that the model was trained with.</summary>
    public int NumTrainTimesteps { get; init; } = 1000;

    /// <summary>The noise factors of the steps, the last 0; null: a squared sine.</summary>
    public IReadOnlyList<double>? TrainedBetas { get; init; }

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = OptionCheck.Steps(request, ClassName, NumTrainTimesteps, takesTimesteps: false, takesSigmas: false);
        float[] sigmas;
        if (TrainedBetas is { } trained)
        {
            if (trained.Count != steps + 1)
            {
                throw OptionCheck.Invalid(
                    "trained_betas",
                    FormattableString.Invariant($"{trained.Count} values"),
                    FormattableString.Invariant($"{steps} steps need {steps + 1}"));
            }

            sigmas = [.. trained.Select(b => (float)b)];
        }
        else
        {
            sigmas = Array.ConvertAll(TorchRounding.Linspace(1f, 0f, steps + 1), t =>
            {
                float sine = MathF.Sin(t * MathF.PI / 2);
                return sine * sine;
            });
        }

        SignalNoise[] levels = Array.ConvertAll(sigmas, s => new SignalNoise(MathF.Sqrt(1 - (s * s)), s));
        return new IpndmScheduler(new PlanLayout
        {
            Timesteps = [.. levels.Take(steps).Select(l => MathF.Atan2(l.Sigma, l.Alpha) / MathF.PI * 2)],
            Levels = levels,
            FirstEvaluation = OptionCheck.BeginIndex(request, steps),
            PredictionType = PredictionType.VPrediction,
            History = 4,
            Scratch = 1,
        });
    }
}

/// <summary>
/// Improved pseudo linear multistep (Liu et al. 2022, equation 12; Zhang and Chen 2022, "iPNDM"): lower orders instead of Runge-Kutta steps
/// at the beginning.
/// </summary>
internal sealed class IpndmScheduler(PlanLayout layout) : SchedulerPlan(layout)
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
        SignalNoise to = Layout.Levels[evaluation + 1];
        Parameterization.Noise(PredictionType.VPrediction, level).Write(memory.Push(), sample, modelOutput);
        Span<float> combined = memory.Scratch(0);
        AdamsBashforth.Write(combined, memory);
        Elementwise.Apply(sample, sample, combined, new DeterministicMove(
            Parameterization.Original(PredictionType.Epsilon, level with { Alpha = Math.Max(level.Alpha, 1e-8f) }),
            Parameterization.Noise(PredictionType.Epsilon, level),
            to.Alpha,
            to.Sigma));
    }
}

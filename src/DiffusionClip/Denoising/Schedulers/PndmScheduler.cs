using System.Numerics;
using DiffusionClip.Noise;

namespace DiffusionClip.Denoising.Schedulers;

/// <summary>Settings of <see cref="PndmScheduler"/>.</summary>
internal sealed record PndmConfig : BetaSchedulerConfig
{
    /// <inheritdoc/>
    public override string ClassName => "PNDMScheduler";

    /// <summary>Whether the Runge-Kutta steps at the beginning are left out (PLMS).</summary>
    public bool SkipPrkSteps { get; init; }

    /// <summary>Whether the last step ends on the clean sample rather than on the first training step.</summary>
    public bool SetAlphaToOne { get; init; }

    /// <summary>How the steps lie on the training steps.</summary>
    public TimestepSpacing TimestepSpacing { get; init; } = TimestepSpacing.Leading;

    /// <summary>Added to leading timesteps.</summary>
    public int StepsOffset { get; init; }

    /// <inheritdoc/>
    protected override ReadOnlySpan<PredictionType> UnsupportedPredictionTypes => [PredictionType.Sample, PredictionType.Flow];

    /// <inheritdoc/>
    public override IScheduler Build(ScheduleRequest request)
    {
        int steps = Check(request);
        if (!SkipPrkSteps && steps < 4)
        {
            throw OptionCheck.Invalid(
                "num_inference_steps",
                FormattableString.Invariant($"{steps}"),
                "the Runge-Kutta steps need 4 or more; set skip_prk_steps for fewer");
        }

        float[] alphas = NoiseSchedule.Create(this).AlphasCumprod;
        int stride = NumTrainTimesteps / steps;
        int[] plain = Array.ConvertAll(
            SpacedTimesteps.Whole(TimestepSpacing, NumTrainTimesteps, steps, StepsOffset),
            t => TimestepIndex.Of(t, NumTrainTimesteps));
        int rungeKutta = 0;
        int[] timesteps;
        if (SkipPrkSteps)
        {
            // The second step is taken twice: the first time to predict, then to correct.
            timesteps = plain.Length < 2 ? plain : [plain[0], plain[1], .. plain[1..]];
        }
        else
        {
            // The four steps that the linear multistep method needs as its history take four evaluations each, the last of them none.
            int[] half = [.. plain[..4].SelectMany(t => new[] { t + (stride / 2), t }).Skip(1)];
            int[] twice = [.. half.SelectMany(t => new[] { t, t })];
            int[] first = twice[1..^1];
            rungeKutta = first.Length;
            timesteps = [.. first, .. plain[3..]];
        }

        int begin = OptionCheck.BeginIndex(request, steps);
        SignalNoise[] levels = [.. timesteps.Select(t => Level(alphas[t])), Level(Target(timesteps[^1] - stride))];
        return new PndmScheduler(
            new PlanLayout
            {
                Timesteps = Array.ConvertAll(timesteps, t => (float)t),
                Levels = levels,
                FirstEvaluation = begin,
                PredictionType = PredictionType,
                History = 4,
                Kept = SkipPrkSteps ? 1 : 2,
                Scratch = 1,
            },
            alphas,
            Target(-1),
            timesteps,
            rungeKutta,
            stride);

        float Target(int t) => t >= 0 ? alphas[t] : SetAlphaToOne ? 1 : alphas[0];
        static SignalNoise Level(float alphaCumprod) => new(MathF.Sqrt(alphaCumprod), MathF.Sqrt(1 - alphaCumprod));
    }
}

/// <summary>
/// Pseudo numerical methods (Liu et al. 2022, algorithm 2, equations 9 to 12): optionally pseudo Runge-Kutta steps, then pseudo linear
/// multistep. Without the former the first multistep step is corrected once, which takes an evaluation of its own.
/// </summary>
internal sealed class PndmScheduler(PlanLayout layout, float[] alphas, float finalAlpha, int[] timesteps, int rungeKutta, int stride)
    : SchedulerPlan(layout)
{
    private const int KeptSample = 0;
    private const int KeptSum = 1;

    /// <inheritdoc/>
    public override bool IsBoundary(int evaluation)
    {
        base.IsBoundary(evaluation);
        int position = evaluation - FirstEvaluation;
        return evaluation == Evaluations
            || (rungeKutta > 0 ? position <= 0 || position >= rungeKutta || position % 4 == 0 : position != 1);
    }

    /// <inheritdoc/>
    protected override void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise)
    {
        // The reference counts from where a run begins, also when that is not the first timestep.
        int position = evaluation - FirstEvaluation;
        if (position >= 0 && position < rungeKutta)
        {
            StepRungeKutta(modelOutput, timesteps[evaluation], position, sample, memory);
        }
        else
        {
            StepMultistep(modelOutput, timesteps[evaluation], position, sample, memory);
        }
    }

    private void StepRungeKutta(ReadOnlySpan<float> modelOutput, int timestep, int position, Span<float> sample, SchedulerMemory memory)
    {
        int from = timesteps[position / 4 * 4];
        int to = timestep - (position % 2 != 0 ? 0 : stride / 2);
        Span<float> start = memory.Kept(KeptSample);
        Span<float> sum = memory.Kept(KeptSum);
        switch (position % 4)
        {
            case 0:
                LinearCombination.Write(sum, 1f / 6, modelOutput);
                modelOutput.CopyTo(memory.Push());
                sample.CopyTo(start);
                Transfer(sample, start, modelOutput, from, to);
                break;
            case 3:
                LinearCombination.Add(sum, 1f / 6, modelOutput);
                Transfer(sample, start, sum, from, to);
                break;
            default:
                LinearCombination.Add(sum, 1f / 3, modelOutput);
                Transfer(sample, start, modelOutput, from, to);
                break;
        }
    }

    private void StepMultistep(ReadOnlySpan<float> modelOutput, int timestep, int position, Span<float> sample, SchedulerMemory memory)
    {
        if (rungeKutta == 0 && position == 1 && memory.Steps == 1)
        {
            // Correct the first step with the mean of both ends.
            Span<float> mean = memory.Scratch(0);
            LinearCombination.Write(mean, 0.5f, modelOutput, 0.5f, memory.History(0));
            Transfer(sample, memory.Kept(KeptSample), mean, timestep + stride, timestep);
            return;
        }

        modelOutput.CopyTo(memory.Push());
        if (memory.Steps == 0)
        {
            sample.CopyTo(memory.Kept(KeptSample));
        }

        int to = timestep - stride;
        Span<float> combined = memory.Scratch(0);
        AdamsBashforth.Write(combined, memory);
        Transfer(sample, sample, combined, timestep, to);
    }

    // Equation 11: the transfer part.
    private void Transfer(Span<float> destination, ReadOnlySpan<float> sample, ReadOnlySpan<float> output, int from, int to)
    {
        float alpha = alphas[from];
        float target = to >= 0 ? alphas[to] : finalAlpha;
        float beta = 1 - alpha;
        Elementwise.Apply(destination, sample, output, new TransferPart(
            Parameterization.Noise(Layout.PredictionType, new(MathF.Sqrt(alpha), MathF.Sqrt(beta))),
            MathF.Sqrt(target / alpha),
            target - alpha,
            (alpha * MathF.Sqrt(1 - target)) + MathF.Sqrt(alpha * beta * target)));
    }

    private readonly struct TransferPart(Parameterization noise, float ofSample, float difference, float denominator) : IBinaryKernel
    {
        private readonly Parameterization _noise = noise;
        private readonly float _ofSample = ofSample;
        private readonly float _difference = difference;
        private readonly float _denominator = denominator;

        public Vector<float> Invoke(Vector<float> x, Vector<float> y) =>
            (x * _ofSample) - (_noise.Invoke(x, y) * _difference / new Vector<float>(_denominator));
    }
}

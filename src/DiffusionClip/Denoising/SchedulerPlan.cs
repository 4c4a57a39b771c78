using System.Buffers;
using System.Runtime.CompilerServices;
using DiffusionClip.Noise;

namespace DiffusionClip.Denoising;

/// <summary>What a plan is made of, as its configuration lays it out.</summary>
internal sealed record PlanLayout
{
    /// <summary>The timestep of each evaluation.</summary>
    public required float[] Timesteps { get; init; }

    /// <summary>Levels before each evaluation and after the last: one more than timesteps.</summary>
    public required SignalNoise[] Levels { get; init; }

    /// <summary>The first evaluation that runs.</summary>
    public required int FirstEvaluation { get; init; }

    /// <summary>How the model's output is read.</summary>
    public required PredictionType PredictionType { get; init; }

    /// <summary>Standard deviation of the first sample.</summary>
    public float InitNoiseSigma { get; init; } = 1;

    /// <summary>Noise levels in the reference's own terms; empty where it has none.</summary>
    public float[] Sigmas { get; init; } = [];

    /// <summary>What is done to a predicted x0 out of range.</summary>
    public OriginalSampleLimit Limit { get; init; }

    /// <summary>Whether steps draw noise.</summary>
    public bool IsStochastic { get; init; }

    /// <summary>Model outputs to remember.</summary>
    public int History { get; init; }

    /// <summary>Further vectors to remember.</summary>
    public int Kept { get; init; }

    /// <summary>Scratch vectors of a step, beyond the two that limiting x0 takes.</summary>
    public int Scratch { get; init; }
}

/// <summary>What all plans have in common. A scheduler adds its step, and what else differs.</summary>
internal abstract class SchedulerPlan(PlanLayout layout) : IScheduler
{
    /// <summary>First of the two scratch vectors that limiting x0 takes.</summary>
    protected int LimitScratch { get; } = layout.Scratch;

    /// <inheritdoc/>
    public int Evaluations => Layout.Timesteps.Length;

    /// <inheritdoc/>
    public int FirstEvaluation => Layout.FirstEvaluation;

    /// <inheritdoc/>
    public float InitNoiseSigma => Layout.InitNoiseSigma;

    /// <inheritdoc/>
    public ReadOnlySpan<float> Timesteps => Layout.Timesteps;

    /// <inheritdoc/>
    public ReadOnlySpan<SignalNoise> Levels => Layout.Levels;

    /// <inheritdoc/>
    public PredictionType PredictionType => Layout.PredictionType;

    /// <inheritdoc/>
    public bool IsStochastic => Layout.IsStochastic;

    /// <summary>Noise levels in the reference's own terms; empty where it has none.</summary>
    public ReadOnlySpan<float> Sigmas => Layout.Sigmas;

    /// <summary>What the plan was made of.</summary>
    protected PlanLayout Layout { get; } = layout;

    /// <inheritdoc/>
    public virtual bool IsBoundary(int evaluation)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(evaluation);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(evaluation, Evaluations);
        return true;
    }

    /// <inheritdoc/>
    public virtual int StepEnd(int evaluation)
    {
        CheckEvaluation(evaluation);
        return evaluation + 1;
    }

    /// <inheritdoc/>
    public SchedulerState CreateState(int length) =>
        new SchedulerMemory(length, Layout.History, Layout.Kept, Layout.IsStochastic, Layout.Scratch + (Layout.Limit.IsActive ? 2 : 0));

    /// <inheritdoc/>
    public virtual void ScaleModelInput(ReadOnlySpan<float> sample, int evaluation, Span<float> destination)
    {
        CheckEvaluation(evaluation);
        sample.CopyTo(destination);
    }

    /// <inheritdoc/>
    public void Step(ReadOnlySpan<float> modelOutput, int evaluation, Span<float> sample, SchedulerState state, NoiseSource noise)
    {
        CheckEvaluation(evaluation);
        if (state is not SchedulerMemory memory || memory.Length != sample.Length || modelOutput.Length != sample.Length)
        {
            throw new ArgumentException(
                FormattableString.Invariant(
                    $"Sample of {sample.Length}, model output of {modelOutput.Length} and state do not fit together."),
                nameof(state));
        }

        memory.Begin(evaluation);
        Step(modelOutput, evaluation, sample, memory, noise);
        memory.End();
    }

    /// <inheritdoc/>
    public virtual void AddNoise(ReadOnlySpan<float> clean, ReadOnlySpan<float> noise, int evaluation, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(evaluation);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(evaluation, Evaluations);
        SignalNoise level = Layout.Levels[evaluation];
        LinearCombination.Write(destination, level.Alpha, clean, level.Sigma, noise);
    }

    /// <inheritdoc/>
    public virtual void PredictOriginal(
        ReadOnlySpan<float> modelOutput,
        ReadOnlySpan<float> sample,
        int evaluation,
        Span<float> destination)
    {
        CheckEvaluation(evaluation);
        Original(evaluation).Write(destination, sample, modelOutput);
        if (Layout.Limit.IsActive)
        {
            float[] scratch = ArrayPool<float>.Shared.Rent(destination.Length);
            Layout.Limit.Apply(destination, scratch.AsSpan(0, destination.Length));
            ArrayPool<float>.Shared.Return(scratch);
        }
    }

    /// <summary>The algorithm's step.</summary>
    protected abstract void Step(
        ReadOnlySpan<float> modelOutput,
        int evaluation,
        Span<float> sample,
        SchedulerMemory memory,
        NoiseSource noise);

    /// <summary>How x0 follows from the sample before an evaluation and the model's output there.</summary>
    protected virtual Parameterization Original(int evaluation) =>
        Parameterization.Original(Layout.PredictionType, Layout.Levels[evaluation]);

    /// <summary>Writes x0, limited; uses the scratch vectors of limiting when there is a limit.</summary>
    protected void WriteOriginal(
        Span<float> destination,
        ReadOnlySpan<float> modelOutput,
        ReadOnlySpan<float> sample,
        int evaluation,
        SchedulerMemory memory)
    {
        Original(evaluation).Write(destination, sample, modelOutput);
        if (Layout.Limit.IsActive)
        {
            Layout.Limit.Apply(destination, memory.Scratch(LimitScratch + 1));
        }
    }

    /// <summary>Writes what solvers in lambda remember: x0, or the noise (of the thresholded x0 where that is asked for).</summary>
    protected void WriteConverted(
        Span<float> destination,
        ReadOnlySpan<float> modelOutput,
        ReadOnlySpan<float> sample,
        int evaluation,
        SchedulerMemory memory,
        bool predictsData)
    {
        SignalNoise level = Layout.Levels[evaluation];
        if (predictsData)
        {
            WriteOriginal(destination, modelOutput, sample, evaluation, memory);
        }
        else if (Layout.Limit.IsActive)
        {
            WriteOriginal(destination, modelOutput, sample, evaluation, memory);
            LinearCombination.Write(destination, 1 / level.Sigma, sample, -level.Alpha / level.Sigma, destination);
        }
        else
        {
            Parameterization.Noise(Layout.PredictionType, level).Write(destination, sample, modelOutput);
        }
    }

    /// <summary>Refuses an evaluation that the plan does not have.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected void CheckEvaluation(int evaluation)
    {
        if ((uint)evaluation >= (uint)Layout.Timesteps.Length)
        {
            ThrowEvaluation(evaluation);
        }
    }

    private void ThrowEvaluation(int evaluation) =>
        throw new ArgumentOutOfRangeException(
            nameof(evaluation),
            evaluation,
            FormattableString.Invariant($"The plan has evaluations 0 to {Evaluations - 1}."));
}

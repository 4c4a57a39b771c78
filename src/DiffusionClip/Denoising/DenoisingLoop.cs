using System.Numerics.Tensors;
using DiffusionClip.Runtime;

namespace DiffusionClip.Denoising;

/// <summary>
/// Runs groups of candidates through the denoiser: scale the input, evaluate, guide, step, hooks. All buffers are made once; an
/// evaluation allocates nothing.
/// </summary>
internal sealed class DenoisingLoop : IDisposable, IPreviewSource
{
    private readonly IScheduler _scheduler;
    private readonly ConditioningSchedule _conditioning;
    private readonly IGuidancePlan _guidance;
    private readonly bool _batched;
    private readonly LatentShape _shape;
    private readonly float[] _output;
    private readonly float[] _before;
    private readonly float[] _original;
    private readonly IRunObserver? _observer;
    private readonly Func<ReadOnlyMemory<float>, RgbImage> _decodePreview;
    private readonly CancellationToken _abort;
    private readonly CancellationTokenRegistration _registration;

    // Batched guidance takes two rows a candidate; the other two one, and the negative side runs only in guided evaluations.
    private readonly IDenoiserBinding? _pairs;
    private readonly IDenoiserBinding? _positive;
    private readonly IDenoiserBinding? _negative;
    private int _previewEvaluation = -1;

    /// <summary>Binds buffers for one plan.</summary>
    public DenoisingLoop(
        IDenoiser denoiser,
        LatentShape shape,
        IScheduler scheduler,
        ConditioningSchedule conditioning,
        IGuidancePlan guidance,
        ExecutionPlan plan,
        IRunObserver? observer,
        Func<ReadOnlyMemory<float>, RgbImage> decodePreview,
        CancellationToken abort)
    {
        _scheduler = scheduler;
        _conditioning = conditioning;
        _guidance = guidance;
        _shape = shape;
        _observer = observer;
        _decodePreview = decodePreview;
        _abort = abort;
        _batched = guidance.IsActive && plan.BatchedGuidance;
        GroupSize = _batched ? Math.Max(1, plan.RowsPerRun / 2) : plan.RowsPerRun;
        _output = new float[shape.Length];
        _before = new float[shape.Length];
        _original = new float[shape.Length];
        bool isAlwaysGuided = true;
        for (int evaluation = scheduler.FirstEvaluation; evaluation < scheduler.Evaluations; evaluation++)
        {
            isAlwaysGuided &= guidance.At(evaluation).IsActive;
        }

        try
        {
            _pairs = _batched ? denoiser.Bind(shape, 2 * GroupSize, conditioning.SequenceLength) : null;
            _positive = !_batched || !isAlwaysGuided ? denoiser.Bind(shape, GroupSize, conditioning.SequenceLength) : null;
            _negative = guidance.IsActive && !_batched ? denoiser.Bind(shape, GroupSize, conditioning.SequenceLength) : null;
        }
        catch
        {
            Unbind();
            throw;
        }

        _registration = abort.UnsafeRegister(static loop => ((DenoisingLoop)loop!).Terminate(), this);
    }

    /// <summary>Candidates that share a run.</summary>
    public int GroupSize { get; }

    /// <summary>Shape of a sample.</summary>
    public LatentShape Shape => _shape;

    /// <summary>
    /// Runs a group from where it stands to an evaluation. All members stand at the same one, but for those that failed before.
    /// </summary>
    /// <param name="group">At most <see cref="GroupSize"/> candidates; a smaller group leaves the other rows idle.</param>
    /// <param name="from">The first evaluation that is run.</param>
    /// <param name="until">The first evaluation that is not run.</param>
    /// <param name="shouldStop">Asked before each evaluation.</param>
    /// <param name="atBoundary">Called at each boundary that the group has come to, with the next evaluation; null: not at all.</param>
    /// <returns>False if it stopped on the way.</returns>
    public bool Run(ReadOnlySpan<Trajectory> group, int from, int until, Func<bool> shouldStop, Action<int>? atBoundary = null)
    {
        for (int evaluation = from; evaluation < until; evaluation++)
        {
            _abort.ThrowIfCancellationRequested();
            if (shouldStop())
            {
                return false;
            }

            Evaluate(group, evaluation);
            bool keepOriginal = evaluation == until - 1 && until < _scheduler.Evaluations;
            int alive = 0;
            for (int row = 0; row < group.Length; row++)
            {
                Trajectory trajectory = group[row];
                if (trajectory.Failure is not null)
                {
                    continue;
                }

                Step(trajectory, row, evaluation, keepOriginal);
                alive += trajectory.Failure is null ? 1 : 0;
            }

            if (alive == 0)
            {
                return true;
            }

            if (atBoundary is not null && _scheduler.IsBoundary(evaluation + 1))
            {
                atBoundary(evaluation + 1);
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public RgbImage? DecodePreview(CandidateId candidate)
    {
        if (_previewEvaluation < 0 || !_scheduler.IsBoundary(_previewEvaluation))
        {
            return null;
        }

        float[] original = new float[_shape.Length];
        _scheduler.PredictOriginal(_output, _before, _previewEvaluation, original);
        return _decodePreview(original);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _registration.Dispose();
        Unbind();
    }

    private void Unbind()
    {
        _pairs?.Dispose();
        _positive?.Dispose();
        _negative?.Dispose();
    }

    private void Evaluate(ReadOnlySpan<Trajectory> group, int evaluation)
    {
        ConditioningSchedule.Segment text = _conditioning.At(evaluation);
        bool isGuided = _guidance.At(evaluation).IsActive;
        for (int row = 0; row < GroupSize; row++)
        {
            // Idle rows repeat the last candidate: their output is not read.
            Trajectory trajectory = group[Math.Min(row, group.Length - 1)];
            if (isGuided && _batched)
            {
                WriteRow(_pairs!, 2 * row, trajectory, evaluation, text.Negative!);
                _pairs!.SetConditioning((2 * row) + 1, text.Positive);
                _pairs.Sample(2 * row).CopyTo(_pairs.Sample((2 * row) + 1));
                continue;
            }

            WriteRow(_positive!, row, trajectory, evaluation, text.Positive);
            if (isGuided)
            {
                _negative!.SetConditioning(row, text.Negative!);
                _positive!.Sample(row).CopyTo(_negative.Sample(row));
            }
        }

        float timestep = _scheduler.Timesteps[evaluation];
        try
        {
            if (isGuided && _batched)
            {
                _pairs!.Run(timestep);
                return;
            }

            _positive!.Run(timestep);
            if (isGuided)
            {
                _negative!.Run(timestep);
            }
        }
        catch (OperationCanceledException) when (_abort.IsCancellationRequested)
        {
            throw new OperationCanceledException(_abort);
        }
    }

    private void WriteRow(IDenoiserBinding binding, int row, Trajectory trajectory, int evaluation, TextConditioning conditioning)
    {
        binding.SetConditioning(row, conditioning);
        Span<float> input = binding.Sample(row);
        _scheduler.ScaleModelInput(trajectory.Sample, evaluation, input[.._shape.Length]);
        trajectory.Origin.ExtraChannels.CopyTo(input[_shape.Length..]);
    }

    private void Step(Trajectory trajectory, int row, int evaluation, bool keepOriginal)
    {
        ReadOnlySpan<float> output = Output(row, evaluation);
        bool isBoundary = _scheduler.IsBoundary(evaluation);
        bool wantsOriginal = false;
        foreach (IStepHookState hook in trajectory.Hooks)
        {
            wantsOriginal |= hook.WantsOriginal(evaluation);
        }

        ReadOnlySpan<float> original = [];
        if (isBoundary && (wantsOriginal || trajectory.Origin.WantsOriginal(evaluation)))
        {
            _scheduler.PredictOriginal(output, trajectory.Sample, evaluation, _original);
            original = _original;
        }

        if (keepOriginal)
        {
            trajectory.Original = new float[_shape.Length];
            _scheduler.PredictOriginal(output, trajectory.Sample, evaluation, trajectory.Original);
        }

        if (_observer is not null)
        {
            trajectory.Sample.CopyTo(_before, 0);
        }

        _scheduler.Step(output, evaluation, trajectory.Sample, trajectory.State, trajectory.Noise);
        var step = new CompletedStep
        {
            Evaluation = evaluation,
            Original = original,
            Level = _scheduler.Levels[evaluation + 1],
            Sample = trajectory.Sample,
        };
        foreach (IStepHookState hook in trajectory.Hooks)
        {
            hook.AfterStep(step);
        }

        trajectory.Origin.AfterStep(step);
        trajectory.Evaluation = evaluation + 1;
        trajectory.EvaluationsDone++;

        // A sum is not finite as soon as one value is not; overflow of finite latents is as useless.
        if (!float.IsFinite(TensorPrimitives.Sum<float>(trajectory.Sample)))
        {
            trajectory.Failure = $"the latents are not finite after evaluation {evaluation + 1} of {_scheduler.Evaluations}";
        }

        if (_observer is not null)
        {
            _previewEvaluation = evaluation;
            float timestep = _scheduler.Timesteps[evaluation];
            _observer.OnStep(new StepUpdate(trajectory.Id, evaluation + 1, _scheduler.Evaluations, timestep, trajectory.Sample, this));
            _previewEvaluation = -1;
        }
    }

    /// <summary>The model's output for a row, after guidance.</summary>
    private ReadOnlySpan<float> Output(int row, int evaluation)
    {
        GuidanceSettings guidance = _guidance.At(evaluation);
        if (!guidance.IsActive)
        {
            ReadOnlySpan<float> output = _positive!.ModelOutput(row)[.._shape.Length];
            if (_observer is null)
            {
                return output;
            }

            output.CopyTo(_output);
            return _output;
        }

        ReadOnlySpan<float> positive = (_batched ? _pairs!.ModelOutput((2 * row) + 1) : _positive!.ModelOutput(row))[.._shape.Length];
        ReadOnlySpan<float> negative = (_batched ? _pairs!.ModelOutput(2 * row) : _negative!.ModelOutput(row))[.._shape.Length];
        Guidance.Combine(negative, positive, guidance.Scale, _output);
        if (guidance.Rescale > 0)
        {
            Guidance.Rescale(_output, positive, guidance.Rescale);
        }

        return _output;
    }

    private void Terminate()
    {
        _pairs?.Terminate();
        _positive?.Terminate();
        _negative?.Terminate();
    }
}

using System.Numerics.Tensors;
using DiffusionClip.Conditioning;
using DiffusionClip.Runtime;
using DiffusionClip.Selection;

namespace DiffusionClip.Denoising;

/// <summary>How strongly guidance leads, and how much of its output is rescaled.</summary>
internal readonly record struct GuidanceSettings(float Scale, float Rescale)
{
    /// <summary>Whether the negative side has to be evaluated at all.</summary>
    public bool IsActive => Scale > 1;
}

/// <summary>
/// Runs groups of candidates through the denoiser: scale the input, evaluate, guide, step. All buffers are made once;
/// an evaluation allocates nothing.
/// </summary>
internal sealed class DenoisingLoop : IDisposable, IPreviewSource
{
    private readonly IScheduler _scheduler;
    private readonly ConditioningSchedule _conditioning;
    private readonly GuidanceSettings _guidance;
    private readonly IDenoiserBinding _binding;
    private readonly IDenoiserBinding? _negativeBinding;
    private readonly bool _batched;
    private readonly LatentShape _shape;
    private readonly float[] _guided;
    private readonly float[] _before;
    private readonly IRunObserver? _observer;
    private readonly Func<ReadOnlyMemory<float>, RgbImage> _decodePreview;
    private readonly CancellationToken _abort;
    private readonly CancellationTokenRegistration _registration;
    private int _previewEvaluation = -1;

    /// <summary>Binds buffers for one plan.</summary>
    public DenoisingLoop(
        IDenoiser denoiser,
        LatentShape shape,
        IScheduler scheduler,
        ConditioningSchedule conditioning,
        GuidanceSettings guidance,
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
        bool guided = guidance.IsActive;
        _batched = guided && plan.BatchedGuidance;
        GroupSize = _batched ? Math.Max(1, plan.RowsPerRun / 2) : plan.RowsPerRun;
        _binding = denoiser.Bind(shape, _batched ? 2 * GroupSize : GroupSize, conditioning.SequenceLength);
        _negativeBinding = guided && !_batched ? denoiser.Bind(shape, GroupSize, conditioning.SequenceLength) : null;
        _guided = new float[shape.Length];
        _before = new float[shape.Length];
        _registration = abort.UnsafeRegister(static loop => ((DenoisingLoop)loop!).Terminate(), this);
    }

    /// <summary>Candidates that share a run.</summary>
    public int GroupSize { get; }

    /// <summary>Shape of a sample.</summary>
    public LatentShape Shape => _shape;

    /// <summary>Runs a group from where it stands to an evaluation. All members stand at the same one, but for those that failed before.</summary>
    /// <param name="group">At most <see cref="GroupSize"/> candidates; a smaller group leaves the other rows idle.</param>
    /// <param name="from">The first evaluation that is run.</param>
    /// <param name="until">The first evaluation that is not run.</param>
    /// <param name="shouldStop">Asked before each evaluation.</param>
    /// <param name="atBoundary">Told at each boundary that the group has come to, with the next evaluation; null: nobody listens.</param>
    /// <returns>False if it stopped on the way.</returns>
    public bool Run(ReadOnlySpan<Candidate> group, int from, int until, Func<bool> shouldStop, Action<int>? atBoundary = null)
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
                Candidate candidate = group[row];
                if (candidate.Failure is not null)
                {
                    continue;
                }

                Step(candidate, row, evaluation, keepOriginal);
                alive += candidate.Failure is null ? 1 : 0;
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
        _scheduler.PredictOriginal(_guided, _before, _previewEvaluation, original);
        return _decodePreview(original);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _registration.Dispose();
        _binding.Dispose();
        _negativeBinding?.Dispose();
    }

    private void Evaluate(ReadOnlySpan<Candidate> group, int evaluation)
    {
        ConditioningSchedule.Segment text = _conditioning.At(evaluation);
        int stride = _batched ? 2 : 1;
        for (int row = 0; row < GroupSize; row++)
        {
            // Idle rows repeat the last candidate: their output is not read.
            Candidate candidate = group[Math.Min(row, group.Length - 1)];
            if (_batched)
            {
                WriteRow(_binding, 2 * row, candidate, evaluation, text.Negative!);
                _binding.SetConditioning((2 * row) + 1, text.Positive);
                _binding.Sample(2 * row).CopyTo(_binding.Sample((2 * row) + 1));
            }
            else
            {
                WriteRow(_binding, row * stride, candidate, evaluation, text.Positive);
                if (_negativeBinding is { } negative)
                {
                    negative.SetConditioning(row, text.Negative!);
                    _binding.Sample(row).CopyTo(negative.Sample(row));
                }
            }
        }

        float timestep = _scheduler.Timesteps[evaluation];
        try
        {
            _binding.Run(timestep);
            _negativeBinding?.Run(timestep);
        }
        catch (OperationCanceledException) when (_abort.IsCancellationRequested)
        {
            throw new OperationCanceledException(_abort);
        }
    }

    private void WriteRow(IDenoiserBinding binding, int row, Candidate candidate, int evaluation, TextConditioning conditioning)
    {
        binding.SetConditioning(row, conditioning);
        Span<float> input = binding.Sample(row);
        _scheduler.ScaleModelInput(candidate.Sample, evaluation, input[.._shape.Length]);
        candidate.Origin.ExtraChannels.CopyTo(input[_shape.Length..]);
    }

    private void Step(Candidate candidate, int row, int evaluation, bool keepOriginal)
    {
        ReadOnlySpan<float> output;
        if (!_guidance.IsActive)
        {
            output = _binding.ModelOutput(row)[.._shape.Length];
            if (_observer is not null)
            {
                output.CopyTo(_guided);
            }
        }
        else
        {
            ReadOnlySpan<float> positive = _batched ? _binding.ModelOutput((2 * row) + 1) : _binding.ModelOutput(row);
            ReadOnlySpan<float> negative = _batched ? _binding.ModelOutput(2 * row) : _negativeBinding!.ModelOutput(row);
            Guidance.Combine(negative[.._shape.Length], positive[.._shape.Length], _guidance.Scale, _guided);
            if (_guidance.Rescale > 0)
            {
                Guidance.Rescale(_guided, positive[.._shape.Length], _guidance.Rescale);
            }

            output = _guided;
        }

        if (keepOriginal)
        {
            candidate.Original = new float[_shape.Length];
            _scheduler.PredictOriginal(output, candidate.Sample, evaluation, candidate.Original);
        }

        if (_observer is not null)
        {
            candidate.Sample.CopyTo(_before, 0);
        }

        _scheduler.Step(output, evaluation, candidate.Sample, candidate.State, candidate.Noise);
        candidate.Origin.AfterStep(evaluation, candidate.Sample);
        candidate.Evaluation = evaluation + 1;
        candidate.EvaluationsDone++;

        // A sum is not finite as soon as one value is not; overflow of finite latents is as useless.
        if (!float.IsFinite(TensorPrimitives.Sum<float>(candidate.Sample)))
        {
            candidate.Failure = $"the latents are not finite after evaluation {evaluation + 1} of {_scheduler.Evaluations}";
        }

        if (_observer is not null)
        {
            _previewEvaluation = evaluation;
            _observer.OnStep(new StepUpdate(candidate.Id, evaluation + 1, _scheduler.Evaluations, _scheduler.Timesteps[evaluation], candidate.Sample, this));
            _previewEvaluation = -1;
        }
    }

    private void Terminate()
    {
        _binding.Terminate();
        _negativeBinding?.Terminate();
    }
}

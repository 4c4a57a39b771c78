using System.Diagnostics;
using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Resampling;

namespace DiffusionClip.Worker.Jobs.Running;

/// <summary>Makes events and measurements of what happens in a run. Never blocks.</summary>
internal sealed class JobObserver(JobFeed feed, JobTelemetry telemetry, IImageCodec codec, TimeSpan previewInterval, TimeProvider time)
    : IRunObserver
{
    private const int PreviewSide = 256;
    private const double LargestPreviewShare = 0.01;
    private const double DenoisingShare = 0.95;

    private readonly Dictionary<int, long> _previewed = [];
    private readonly Activity? _span = Activity.Current;
    private readonly long _began = time.GetTimestamp();
    private long _previewing;
    private long _lastStep;
    private long _done;
    private long _started;
    private long _skipped;
    private int _each;
    private int _encoding;

    /// <inheritdoc/>
    public void OnStage(in StageUpdate update)
    {
        feed.Add(
            JobEventKind.Stage,
            new JobEventData { Stage = update.Stage, Cause = update.Cause, Seconds = update.Elapsed?.TotalSeconds },
            ((int)update.Stage * 4) + ((int)update.Cause * 2) + (update.Elapsed is null ? 0 : 1));
        if (update.Elapsed is not { } elapsed)
        {
            _lastStep = update.Stage == Stage.Denoising ? time.GetTimestamp() : _lastStep;
            return;
        }

        string stage = update.Stage.ToString().ToLowerInvariant(), cause = update.Cause.ToString().ToLowerInvariant();
        telemetry.Stage(stage, cause, elapsed);
        if (_span is not null)
        {
            DateTimeOffset end = time.GetUtcNow();
            using Activity? activity = JobTelemetry.Spans.StartActivity(
                stage,
                ActivityKind.Internal,
                _span.Context,
                startTime: end - elapsed);
            activity?.SetTag("cause", cause);
        }
    }

    /// <inheritdoc/>
    public void OnStep(in StepUpdate update)
    {
        long now = time.GetTimestamp();
        if (_lastStep != 0)
        {
            telemetry.Step(time.GetElapsedTime(_lastStep, now));
        }

        _lastStep = now;
        _each = update.Evaluations;
        _done++;
        int candidate = update.Candidate.Value;
        feed.Add(
            JobEventKind.Step,
            new JobEventData
            {
                Candidate = candidate,
                Evaluation = update.Evaluation,
                Evaluations = update.Evaluations,
                Progress = Advance(),
            },
            candidate);
        if (IsPreviewDue(candidate, now))
        {
            _previewed[candidate] = now;
            RgbImage? preview = update.DecodePreview();
            Interlocked.Add(ref _previewing, time.GetTimestamp() - now);
            if (preview is not null)
            {
                Show(candidate, update.Evaluation, preview);
            }
        }
    }

    /// <inheritdoc/>
    public void OnCandidate(CandidateUpdate update)
    {
        switch (update.Event)
        {
            case CandidateEvent.Started:
                _started++;
                _skipped += update.Evaluation;
                break;
            case CandidateEvent.Finished or CandidateEvent.Stopped or CandidateEvent.Failed:
                _skipped += Math.Max(0, _each - update.Evaluation);
                break;
        }

        if (update is { Event: CandidateEvent.Finished, Score: { } score })
        {
            telemetry.Score(score);
        }

        int candidate = update.Candidate.Value;
        feed.Add(JobEventKind.Candidate, new JobEventData
        {
            Candidate = candidate,
            Event = update.Event,
            Parent = update.Parent?.Value,
            Seed = update.Seed,
            Evaluation = update.Evaluation,
            Score = update.Score,
            Reason = update.Reason,
            Progress = Advance(),
        });
        if (update is { Event: CandidateEvent.Decoded, Image: { } image } && previewInterval > TimeSpan.Zero && feed.IsWatched)
        {
            Show(candidate, update.Evaluation, image);
        }
    }

    /// <inheritdoc/>
    public void OnMove(SearchMove move) => feed.Add(JobEventKind.Move, move switch
    {
        SearchMove.Advance advance when advance.Branches.All(branch => branch.Parent is null) => new JobEventData
        {
            Move = "start",
            Candidates = [.. Enumerable.Range((int)_started, advance.Branches.Count)],
            Until = advance.Branches[0].Until,
        },
        SearchMove.Advance advance => new JobEventData
        {
            Move = "advance",
            Candidates = [.. advance.Branches.Where(branch => branch.Parent is not null).Select(branch => branch.Parent!.Value.Value)],
            Until = advance.Branches.Max(branch => branch.Until),
        },
        SearchMove.Finish finish => new JobEventData { Move = "finish", Candidates = [.. finish.Kept.Select(kept => kept.Value)] },
        _ => new JobEventData(),
    });

    // A fork adds to what is to be done: what is shown never goes back.
    private double Advance()
    {
        long all = Math.Max(_done, (_started * _each) - _skipped);
        double progress = all > 0 ? Math.Round(DenoisingShare * _done / all, 4) : 0;
        return feed.Progress = Math.Max(feed.Progress, progress);
    }

    private bool IsPreviewDue(int candidate, long now) =>
        previewInterval > TimeSpan.Zero
        && feed.IsWatched
        && (!_previewed.TryGetValue(candidate, out long before) || time.GetElapsedTime(before, now) >= previewInterval)
        && Volatile.Read(ref _previewing) <= LargestPreviewShare * (now - _began)
        && Volatile.Read(ref _encoding) < 8;

    private void Show(int candidate, int evaluation, RgbImage image)
    {
        Interlocked.Increment(ref _encoding);
        _ = Task.Run(() =>
        {
            long since = time.GetTimestamp();
            try
            {
                int longer = Math.Max(image.Width, image.Height);
                RgbImage small =
                    longer <= PreviewSide
                        ? image
                        : Resampler.Resize(
                            image,
                            Math.Max(1, image.Width * PreviewSide / longer),
                            Math.Max(1, image.Height * PreviewSide / longer),
                            ResamplingFilter.Box);
                feed.Add(
                    JobEventKind.Preview,
                    new JobEventData
                    {
                        Candidate = candidate,
                        Evaluation = evaluation,
                        Image = $"data:image/png;base64,{Convert.ToBase64String(codec.EncodePng(small))}",
                    },
                    candidate);
            }
            finally
            {
                Interlocked.Add(ref _previewing, time.GetTimestamp() - since);
                Interlocked.Decrement(ref _encoding);
            }
        });
    }
}

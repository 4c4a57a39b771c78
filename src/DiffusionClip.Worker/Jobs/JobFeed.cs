using System.Runtime.CompilerServices;

namespace DiffusionClip.Worker.Jobs;

/// <summary>
/// A job's recent events, for its watchers. Writing never waits: of each candidate only the latest step and preview are kept and
/// of each stage the latest beginning and end, so a slow watcher sees fewer of them, and steps alone wake watchers ten times a second at
/// most; of the rest the oldest go beyond a bound. Thread-safe.
/// </summary>
/// <param name="firstNumber">Number of the first event.</param>
/// <param name="time">The clock.</param>
internal sealed class JobFeed(long firstNumber, TimeProvider time)
{
    private readonly long _first = firstNumber;

    private const int Capacity = 4096;

    private static readonly TimeSpan _stepsWakeAfter = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly SortedDictionary<long, JobEvent> _events = [];
    private readonly Dictionary<(JobEventKind Kind, int Of), long> _latest = [];
    private readonly TaskCompletionSource<Job> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _next = firstNumber;
    private int _watchers;
    private bool _closed;
    private double _progress;
    private long _woken;

    /// <summary>Whether there are watchers.</summary>
    public bool IsWatched => Volatile.Read(ref _watchers) > 0;

    /// <summary>Where the job stands, 0 to 1.</summary>
    public double Progress
    {
        get => Volatile.Read(ref _progress);
        set => Volatile.Write(ref _progress, value);
    }

    /// <summary>Completes with the job when it is over; fails when the process is about to end before.</summary>
    public Task<Job> Ended => _ended.Task;

    /// <summary>Adds an event.</summary>
    /// <param name="kind">What happened.</param>
    /// <param name="data">The particulars.</param>
    /// <param name="latestOf">Of events of this kind with this number only the latest is kept; null: all are.</param>
    public void Add(JobEventKind kind, JobEventData data, int? latestOf = null)
    {
        TaskCompletionSource? news;
        lock (_gate)
        {
            news = Append(kind, data, latestOf);
        }

        news?.TrySetResult();
    }

    /// <summary>The job is over: watchers get what is left, the files of its pictures, which can be fetched by now, and end.</summary>
    public void End(Job job)
    {
        foreach (CandidateReport candidate in job.Result?.Report?.Candidates ?? [])
        {
            if (job.Result!.Images.FirstOrDefault(image => image.Index == candidate.Index) is { } image)
            {
                Add(JobEventKind.Candidate, new JobEventData
                {
                    Candidate = candidate.Index,
                    Event = CandidateEvent.Finished,
                    Seed = candidate.Seed,
                    Evaluation = candidate.Evaluations,
                    Score = candidate.Score,
                    Sha256 = image.Sha256,
                });
            }
        }

        Close(new JobEventData { State = job.State, Reason = job.Reason, Progress = job.State == JobState.Done ? 1 : Progress });
        _ended.TrySetResult(job);
    }

    /// <summary>The process is about to end: watchers get the remaining events and end; waiting calls fail.</summary>
    public void Abandon()
    {
        Close(null);
        _ended.TrySetException(new DrainingException());
        _ = _ended.Task.Exception;
    }

    /// <summary>Events above a number, then as they come, until the job is over.</summary>
    public async IAsyncEnumerable<JobEvent> WatchAsync(long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _watchers);
        try
        {
            while (true)
            {
                JobEvent[] events;
                Task news;
                bool closed;
                lock (_gate)
                {
                    events = after < _first ? [.. _events.Values] : [.. _events.Values.SkipWhile(item => item.Number <= after)];
                    news = _news.Task;
                    closed = _closed;
                }

                foreach (JobEvent item in events)
                {
                    after = item.Number;
                    yield return item;
                }

                if (events.Length > 0)
                {
                    continue;
                }

                if (closed)
                {
                    yield break;
                }

                await news.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _watchers);
        }
    }

    private TaskCompletionSource? Append(JobEventKind kind, JobEventData data, int? latestOf)
    {
        if (_closed)
        {
            return null;
        }

        long number = _next++;
        if (latestOf is { } of)
        {
            if (_latest.TryGetValue((kind, of), out long before))
            {
                _events.Remove(before);
            }

            _latest[(kind, of)] = number;
        }

        _events.Add(number, new JobEvent(number, time.GetUtcNow(), kind, data));
        if (_events.Count > Capacity)
        {
            _events.Remove(_events.First().Key);
        }

        if (kind == JobEventKind.Step && time.GetElapsedTime(_woken) < _stepsWakeAfter)
        {
            return null;
        }

        _woken = time.GetTimestamp();
        TaskCompletionSource news = _news;
        _news = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return news;
    }

    private void Close(JobEventData? last)
    {
        TaskCompletionSource? news = null, then;
        lock (_gate)
        {
            if (last is not null)
            {
                news = Append(JobEventKind.State, last, null);
            }

            _closed = true;
            then = _news;
        }

        news?.TrySetResult();
        then.TrySetResult();
    }
}

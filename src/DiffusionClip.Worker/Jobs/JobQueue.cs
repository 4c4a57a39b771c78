using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using DiffusionClip.Onnx;
using DiffusionClip.Runtime;
using DiffusionClip.Worker.Jobs.Artifacts;
using DiffusionClip.Worker.Jobs.Ledger;
using DiffusionClip.Worker.Jobs.Running;

namespace DiffusionClip.Worker.Jobs;

/// <summary>The queue: the ledger says what is, the scheduler what is next, feeds carry events to the watchers.</summary>
internal sealed class JobQueue : IJobQueue
{
    private const int FeedsOfEnded = 256;

    private readonly JobLedger _ledger;
    private readonly JobIntake _intake;
    private readonly ArtifactStore _artifacts;
    private readonly JobTelemetry _telemetry;
    private readonly QueueOptions _options;
    private readonly TimeProvider _time;
    private readonly JobScheduler _scheduler;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _work = new(0);
    private readonly ConcurrentDictionary<string, JobFeed> _feeds = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _ended = new();
    private readonly ConcurrentDictionary<string, RunningJob> _running = new(StringComparer.Ordinal);
    private volatile bool _draining;
    private double _secondsPerJob = 5;

    /// <summary>Opens the queue with what the process before left in it.</summary>
    public JobQueue(
        JobLedger ledger,
        JobIntake intake,
        ArtifactStore artifacts,
        JobTelemetry telemetry,
        IModelStore models,
        OnnxOptions runtime,
        WorkerOptions options,
        TimeProvider time)
    {
        _ledger = ledger;
        _intake = intake;
        _artifacts = artifacts;
        _telemetry = telemetry;
        _options = options.Queue;
        _time = time;
        _scheduler = new JobScheduler(_options.SameModelRun, runtime.MemoryBudget ?? HalfOfMemory);
        foreach (QueuedJob job in ledger.RecoverAsync().GetAwaiter().GetResult())
        {
            _scheduler.Add(job);
        }

        _telemetry.Observe(Waiting, () => models is OnnxModelStore store ? store.Loaded : 0);
    }

    /// <summary>Half of the memory that this process may use.</summary>
    public static long HalfOfMemory => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2;

    /// <summary>Whether nothing is accepted any more.</summary>
    public bool IsDraining => _draining;

    /// <inheritdoc/>
    public async Task<Job> SubmitAsync(JobSubmission submission, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(submission);
        RequireOpen();
        string identity = JobIntake.Identify(submission);
        if (submission.IdempotencyKey is { Length: > 0 } key && _ledger.FindByKey(submission.Caller, key, identity) is { } known)
        {
            return WithProgress(known);
        }

        await _artifacts.RequireDiskAsync(cancellationToken).ConfigureAwait(false);
        LedgerEntry entry = await _intake.PrepareAsync(submission, identity, RetryAfter(), cancellationToken).ConfigureAwait(false);
        RequireOpen();
        Job job = await _ledger.AcceptAsync(entry, (_, queued) => Enqueue(queued)).WaitAsync(cancellationToken).ConfigureAwait(false);
        return WithProgress(job);
    }

    /// <inheritdoc/>
    public Job? Find(string caller, string id) => UlidSource.IsId(id) && _ledger.Find(caller, id) is { } job ? WithProgress(job) : null;

    /// <inheritdoc/>
    public IReadOnlyList<Job> List(string caller, string? before = null, int limit = 50, IReadOnlyCollection<JobState>? states = null)
    {
        if (limit is < 1 or > 200)
        {
            throw new InvalidRequestException(
                "limit",
                limit.ToString(System.Globalization.CultureInfo.InvariantCulture),
                "it lies from 1 to 200");
        }

        if (before is not null && !UlidSource.IsId(before))
        {
            throw new InvalidRequestException("before", before, "give the id of a job");
        }

        return [.. _ledger.List(caller, before, limit, states).Select(WithProgress)];
    }

    /// <inheritdoc/>
    public async Task<CancelOutcome> CancelAsync(string caller, string id, CancelKind how = CancelKind.Abort)
    {
        if (!UlidSource.IsId(id))
        {
            return CancelOutcome.Unknown;
        }

        (CancelOutcome outcome, _) = await _ledger.CancelAsync(caller, id, how, done =>
        {
            if (done is { Outcome: CancelOutcome.Cancelled, Job: { } cancelled })
            {
                lock (_gate)
                {
                    _scheduler.Remove(id);
                }

                Over(cancelled);
            }
            else if (done.Outcome == CancelOutcome.Stopping && _running.TryGetValue(id, out RunningJob? running))
            {
                running.Stop(how);
            }
        }).ConfigureAwait(false);
        return outcome;
    }

    /// <inheritdoc/>
    public async Task<Job> WaitAsync(string caller, string id, CancellationToken cancellationToken)
    {
        Job job = Find(caller, id) ?? throw Unknown(id);
        if (job.IsOver)
        {
            return job;
        }

        JobFeed feed = FeedOf(job);
        return Find(caller, id) is { IsOver: true } over ? over : await feed.Ended.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<JobEvent> WatchAsync(
        string caller,
        string id,
        long after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Job job = Find(caller, id) ?? throw Unknown(id);
        if (!job.IsOver || _feeds.ContainsKey(id))
        {
            JobFeed feed = FeedOf(job);

            // It may have ended between the query and the feed; a feed that has ended already is left alone.
            if (Find(caller, id) is { IsOver: true } over)
            {
                feed.End(over);
            }

            await foreach (JobEvent item in feed.WatchAsync(after, cancellationToken).ConfigureAwait(false))
            {
                yield return item;
            }

            yield break;
        }

        long number = Math.Max(after + 1, FirstNumber(id));
        yield return new JobEvent(
            number,
            job.EndedAt ?? job.AcceptedAt,
            JobEventKind.State,
            new JobEventData
            {
                State = job.State,
                Reason = job.Reason,
                Progress = job.Progress,
            });
    }

    /// <inheritdoc/>
    public QueueStatus Status(string caller)
    {
        (int queued, int running, int ownQueued, int ownRunning) = _ledger.Count(caller);
        return new QueueStatus(queued, running, ownQueued, ownRunning, _options.Capacity, _options.CallerCapacity);
    }

    /// <summary>Waits until there may be something to run.</summary>
    public Task WorkAsync(CancellationToken cancellationToken) => _work.WaitAsync(TimeSpan.FromSeconds(5), cancellationToken);

    /// <summary>The next job to run now, if there is one.</summary>
    public QueuedJob? TryTake()
    {
        lock (_gate)
        {
            return _draining ? null : _scheduler.TryTake();
        }
    }

    /// <summary>From queued to running.</summary>
    /// <returns>Null if its caller was faster and cancelled it.</returns>
    public async Task<(StartedJob Started, JobFeed Feed)?> StartAsync(QueuedJob queued, RunningJob running)
    {
        _running[queued.Id] = running;
        JobFeed? feed = null;
        StartedJob? started = await _ledger.StartAsync(queued.Id, begun =>
        {
            if (begun is not null)
            {
                feed = FeedOf(begun.Job, begun.Epoch);
                feed.Add(JobEventKind.State, new JobEventData { State = JobState.Running, Progress = feed.Progress });
            }
        }).ConfigureAwait(false);
        if (started is null)
        {
            return null;
        }

        _telemetry.Started(_time.GetUtcNow() - started.Job.AcceptedAt);
        if (started.Finish)
        {
            running.Stop(CancelKind.Finish);
        }

        return (started, feed!);
    }

    /// <summary>From running to an end.</summary>
    public async Task EndAsync(Job job, JobState state, string? reason, JobResult? result, string? cacheKey, TimeSpan elapsed)
    {
        await _ledger.EndAsync(job.Id, job.Attempts, state, reason, result, cacheKey, over =>
        {
            if (over is not null)
            {
                Over(over);
            }
        }).ConfigureAwait(false);
        _secondsPerJob += 0.2 * (elapsed.TotalSeconds - _secondsPerJob);
    }

    /// <summary>From running back to queued, for the next process.</summary>
    public Task LeaveAsync(Job job, string reason) => _ledger.RequeueAsync(job.Id, job.Attempts, reason, left =>
    {
        if (left is not null && _feeds.TryGetValue(job.Id, out JobFeed? feed))
        {
            feed.Add(JobEventKind.State, new JobEventData { State = JobState.Queued, Reason = reason, Progress = 0 });
        }
    });

    /// <summary>A job that was taken is out of the process's hands; another may fit now.</summary>
    public void Release(string id)
    {
        _running.TryRemove(id, out _);
        lock (_gate)
        {
            _scheduler.End(id);
        }

        _work.Release();
    }

    /// <summary>Accepts and takes nothing any more.</summary>
    public void Close() => _draining = true;

    /// <summary>Jobs that run.</summary>
    public IReadOnlyCollection<RunningJob> Running => [.. _running.Values];

    /// <summary>Ends every watch and every wait: the process is about to end.</summary>
    public void Abandon()
    {
        foreach (JobFeed feed in _feeds.Values)
        {
            feed.Abandon();
        }
    }

    private static KeyNotFoundException Unknown(string id) => new($"{InvalidRequestException.Quote(id)}: you have no such job");

    private void RequireOpen()
    {
        if (_draining)
        {
            throw new DrainingException();
        }
    }

    private void Enqueue(QueuedJob queued)
    {
        lock (_gate)
        {
            _scheduler.Add(queued);
        }

        _work.Release();
    }

    private int Waiting()
    {
        lock (_gate)
        {
            return _scheduler.Count;
        }
    }

    private void Over(Job job)
    {
        _telemetry.Ended(job.Kind, job.State);
        if (!_feeds.TryGetValue(job.Id, out JobFeed? feed))
        {
            return;
        }

        feed.End(job);
        _ended.Enqueue(job.Id);
        while (_ended.Count > FeedsOfEnded && _ended.TryDequeue(out string? oldest))
        {
            _feeds.TryRemove(oldest, out _);
        }
    }

    private Job WithProgress(Job job) =>
        job.State == JobState.Running && _feeds.TryGetValue(job.Id, out JobFeed? feed) ? job with { Progress = feed.Progress } : job;

    // How long the queue takes for as many jobs as run at once.
    private TimeSpan RetryAfter() => TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(_secondsPerJob), 1, 300));

    private JobFeed FeedOf(Job job, long? epoch = null)
    {
        if (_feeds.TryGetValue(job.Id, out JobFeed? known))
        {
            return known;
        }

        var feed = new JobFeed(FirstNumber(job.Id, epoch), _time);
        feed.Add(JobEventKind.State, new JobEventData { State = JobState.Queued, Progress = 0 });
        return _feeds.GetOrAdd(job.Id, feed);
    }

    // Each process has numbers of its own, above those of the processes before; readers in JavaScript have 53 bits.
    private long FirstNumber(string id, long? epoch = null) => ((_ledger.Epoch - (epoch ?? _ledger.EpochOf(id))) << 32) + 1;
}

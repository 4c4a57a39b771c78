using System.Diagnostics;
using DiffusionClip.Worker.Jobs.Ledger;
using DiffusionClip.Worker.Jobs.Running;

namespace DiffusionClip.Worker.Jobs;

/// <summary>Takes jobs, runs them and writes down how they ended; at the end of the process drains.</summary>
internal sealed partial class JobDispatcher(
    JobQueue queue,
    JobRunner runner,
    SnapshotStore snapshots,
    MachinePaths paths,
    WorkerOptions options,
    IHostApplicationLifetime lifetime,
    TimeProvider time,
    ILogger<JobDispatcher> logger
) : IHostedLifecycleService
{
    private static readonly TimeSpan LeaveTimeout = TimeSpan.FromSeconds(5);

    // An aborted evaluation ends soon, but a process that ends before it does crashes in the runtime's native code.
    private static readonly TimeSpan AbortTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan WriteAgainAfter = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task[] _loops = [];
    private CancellationTokenRegistration _stopping;
    private int _isDraining;

    /// <summary>What a job that did not end before the process did waits again for.</summary>
    public const string ShutDown = "the worker shut down while it ran";

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _loops = [.. Enumerable.Range(0, options.Queue.Concurrency).Select(_ => Task.Run(TakeAsync, CancellationToken.None))];

        // At once, not when this service's turn has come.
        _stopping = lifetime.ApplicationStopping.Register(Drain);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Holds up the end of all services: while jobs drain, the web server keeps reporting that it is not ready.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        Drain();
        await _drained.Task.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <inheritdoc/>
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _drained.Task.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _stopping.DisposeAsync().ConfigureAwait(false);
    }

    private void Drain()
    {
        if (Interlocked.Exchange(ref _isDraining, 1) == 0)
        {
            _ = Task.Run(DrainAsync);
        }
    }

    private async Task DrainAsync()
    {
        try
        {
            queue.Close();
            await _stop.CancelAsync().ConfigureAwait(false);
            Task ended = Task.WhenAll(_loops);
            DrainBegins(logger, queue.Running.Count);
            await Wait(options.Queue.DrainTimeout).ConfigureAwait(false);

            // What is not over by now is written down at its next boundary, or left.
            foreach (RunningJob job in queue.Running)
            {
                job.Park();
            }

            await Wait(LeaveTimeout).ConfigureAwait(false);
            foreach (RunningJob job in queue.Running)
            {
                job.Leave();
            }

            await Wait(AbortTimeout).ConfigureAwait(false);
            async Task Wait(TimeSpan timeout) =>
                await ended.WaitAsync(timeout, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        finally
        {
            queue.Abandon();
            _drained.TrySetResult();
        }
    }

    private async Task TakeAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            if (queue.TryTake() is not { } queued)
            {
                await queue.WorkAsync(_stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }

            try
            {
                await RunAsync(queued).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                // The ledger could not be asked, or a bug: this job is tried again by the next process, the others go on.
                JobLost(logger, exception, queued.Id);
            }
            finally
            {
                queue.Release(queued.Id);
            }
        }
    }

    private async Task RunAsync(QueuedJob queued)
    {
        using var running = new RunningJob();
        (StartedJob Started, JobFeed Feed)? begun;
        while (true)
        {
            try
            {
                begun = await queue.StartAsync(queued, running).ConfigureAwait(false);
                break;
            }
            catch (StorageException exception)
            {
                WriteFailed(logger, exception, queued.Id);
                await Task.Delay(WriteAgainAfter, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (_stop.IsCancellationRequested)
                {
                    return;
                }
            }
        }

        if (begun is not var (started, feed))
        {
            return;
        }

        Job job = started.Job;
        long since = time.GetTimestamp();
        using Activity? span = JobTelemetry.Spans.StartActivity("job");
        span?.SetTag("job.id", job.Id).SetTag("job.kind", LedgerReading.Word(job.Kind)).SetTag("job.attempt", job.Attempts);
        JobStarted(logger, job.Id, LedgerReading.Word(job.Kind), job.Attempts);
        JobState state = JobState.Done;
        string? reason = null, cacheKey = null;
        JobResult? result = null;
        try
        {
            (result, cacheKey) = await runner.RunAsync(started, running, feed).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (running.IsCancelled)
        {
            (state, reason) = (JobState.Cancelled, JobLedger.CancelledByCaller);
        }
        catch (OperationCanceledException) when (running.IsParking)
        {
            await WriteAsync(job.Id, () => queue.LeaveAsync(job, ShutDown)).ConfigureAwait(false);
            JobLeft(logger, job.Id);
            return;
        }
        catch (Exception exception)
        {
            (state, reason) = (JobState.Failed, paths.Hide(FailureReason.Of(exception)));
            span?.SetStatus(ActivityStatusCode.Error, exception.GetType().Name);
            JobFailed(logger, job.Id, exception.GetType().Name);
        }

        TimeSpan elapsed = time.GetElapsedTime(since);
        await WriteAsync(job.Id, async () =>
        {
            try
            {
                await queue.EndAsync(job, state, reason, result, cacheKey, elapsed).ConfigureAwait(false);
            }
            catch (StorageException exception) when (state == JobState.Done)
            {
                // A result that cannot be written fails the job; the failure needs less room.
                (state, reason, result, cacheKey) = (JobState.Failed, paths.Hide(FailureReason.Of(exception)), null, null);
                throw;
            }
        }).ConfigureAwait(false);
        snapshots.Remove(job.Id);
        JobEnded(logger, job.Id, LedgerReading.Word(state), elapsed.TotalSeconds);
    }

    /// <summary>Writes until it is written: an outcome that is only in memory would be lost with the process.</summary>
    private async Task WriteAsync(string id, Func<Task> write)
    {
        while (true)
        {
            try
            {
                await write().ConfigureAwait(false);
                return;
            }
            catch (StorageException exception) when (!_drained.Task.IsCompleted)
            {
                WriteFailed(logger, exception, id);
                await Task.Delay(WriteAgainAfter, time, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Job {Id} ({Kind}) started, attempt {Attempt}")]
    private static partial void JobStarted(ILogger logger, string id, string kind, int attempt);

    [LoggerMessage(Level = LogLevel.Information, Message = "Job {Id} {State} after {Seconds:F2} s")]
    private static partial void JobEnded(ILogger logger, string id, string state, double seconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Job {Id} failed: {Kind}")]
    private static partial void JobFailed(ILogger logger, string id, string kind);

    [LoggerMessage(Level = LogLevel.Information, Message = "Job {Id} left for the next process")]
    private static partial void JobLeft(ILogger logger, string id);

    [LoggerMessage(Level = LogLevel.Error, Message = "Job {Id} could not be followed to its end")]
    private static partial void JobLost(ILogger logger, Exception exception, string id);

    [LoggerMessage(Level = LogLevel.Error, Message = "The state of job {Id} cannot be written down now; it is tried again")]
    private static partial void WriteFailed(ILogger logger, Exception exception, string id);

    [LoggerMessage(Level = LogLevel.Information, Message = "Draining, {Count} jobs run")]
    private static partial void DrainBegins(ILogger logger, int count);
}

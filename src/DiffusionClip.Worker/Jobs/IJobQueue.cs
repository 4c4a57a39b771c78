namespace DiffusionClip.Worker.Jobs;

/// <summary>The durable queue: what every interface hands its jobs to. Thread-safe.</summary>
public interface IJobQueue
{
    /// <summary>Writes a job down; it is accepted when the task completes.</summary>
    /// <param name="submission">The job. Pictures it names have to be in the artefact store.</param>
    /// <param name="cancellationToken">Gives up waiting for the write; the job may then be there or not.</param>
    /// <returns>The job; the earlier one where the idempotency key is known and the body the same.</returns>
    /// <exception cref="InvalidRequestException">A field cannot be used.</exception>
    /// <exception cref="ModelFolderException">The model cannot be used.</exception>
    /// <exception cref="QueueFullException">The caller's share or the whole queue is full.</exception>
    /// <exception cref="IdempotencyConflictException">The idempotency key came with another body.</exception>
    /// <exception cref="StorageException">It cannot be written down now.</exception>
    /// <exception cref="DrainingException">The process is about to end.</exception>
    Task<Job> SubmitAsync(JobSubmission submission, CancellationToken cancellationToken = default);

    /// <summary>A job of a caller; null where there is none, also if it is another caller's.</summary>
    Job? Find(string caller, string id);

    /// <summary>A caller's jobs, newest first.</summary>
    /// <param name="caller">The caller.</param>
    /// <param name="before">Only jobs accepted before this one (its id); null: from the newest.</param>
    /// <param name="limit">How many at most, 1 to 200.</param>
    /// <param name="states">In these states; null: any.</param>
    IReadOnlyList<Job> List(string caller, string? before = null, int limit = 50, IReadOnlyCollection<JobState>? states = null);

    /// <summary>Asks for a job's end: a queued one is cancelled at once, a running one within an evaluation.</summary>
    /// <param name="caller">The caller.</param>
    /// <param name="id">The job.</param>
    /// <param name="how">Abort frees everything; finish keeps the best so far and ends as done.</param>
    /// <exception cref="StorageException">It cannot be written down now.</exception>
    Task<CancelOutcome> CancelAsync(string caller, string id, CancelKind how = CancelKind.Abort);

    /// <summary>Waits for a job's end.</summary>
    /// <exception cref="KeyNotFoundException">The caller has no such job.</exception>
    Task<Job> WaitAsync(string caller, string id, CancellationToken cancellationToken);

    /// <summary>
    /// What happens to a job: what was after <paramref name="after"/> and is still known, then as it happens, until the job is over.
    /// </summary>
    /// <param name="caller">The caller.</param>
    /// <param name="id">The job.</param>
    /// <param name="after">Number of the last event seen; 0: from the beginning.</param>
    /// <param name="cancellationToken">Stops watching.</param>
    /// <exception cref="KeyNotFoundException">The caller has no such job.</exception>
    IAsyncEnumerable<JobEvent> WatchAsync(string caller, string id, long after, CancellationToken cancellationToken);

    /// <summary>What the queue holds now.</summary>
    QueueStatus Status(string caller);
}

/// <summary>A job to be accepted.</summary>
/// <param name="Caller">The caller.</param>
/// <param name="Kind">What it does.</param>
/// <param name="Body">What it works on.</param>
public sealed record JobSubmission(string Caller, JobKind Kind, JobBody Body)
{
    /// <summary>Whether a caller waits.</summary>
    public JobPriority Priority { get; init; } = JobPriority.Interactive;

    /// <summary>The caller's name for this submission: sent again it means the same job.</summary>
    public string? IdempotencyKey { get; init; }
}

/// <summary>How a running job ends.</summary>
public enum CancelKind
{
    /// <summary>At once, without a result.</summary>
    Abort,

    /// <summary>With the best so far.</summary>
    Finish,
}

/// <summary>What asking for a job's end led to.</summary>
public enum CancelOutcome
{
    /// <summary>The caller has no such job.</summary>
    Unknown,

    /// <summary>It was queued and is cancelled.</summary>
    Cancelled,

    /// <summary>It runs and will end within an evaluation.</summary>
    Stopping,

    /// <summary>It had been cancelled before.</summary>
    AlreadyCancelled,

    /// <summary>It had reached another end before.</summary>
    Over,
}

/// <summary>What the queue holds.</summary>
/// <param name="Queued">Waiting jobs of all callers.</param>
/// <param name="Running">Running jobs of all callers.</param>
/// <param name="OwnQueued">Waiting jobs of the caller.</param>
/// <param name="OwnRunning">The caller's that run.</param>
/// <param name="Capacity">Most jobs that wait.</param>
/// <param name="CallerCapacity">Most jobs of one caller that wait.</param>
public sealed record QueueStatus(int Queued, int Running, int OwnQueued, int OwnRunning, int Capacity, int CallerCapacity);

/// <summary>The queue takes no more for now.</summary>
public sealed class QueueFullException(bool ofCaller, TimeSpan retryAfter)
    : DiffusionClipException(
        ofCaller ? "you have as many jobs waiting as one caller may; wait for some to end" : "the queue is full; try again later")
{
    /// <summary>Whether the caller's share is full (429), not the whole queue (503).</summary>
    public bool OfCaller { get; } = ofCaller;

    /// <summary>When it is worth trying again.</summary>
    public TimeSpan RetryAfter { get; } = retryAfter;
}

/// <summary>An idempotency key came again with another body.</summary>
public sealed class IdempotencyConflictException(string jobId)
    : DiffusionClipException($"Idempotency-Key: the same key was used for job {jobId} with another body; use a new key")
{
    /// <summary>The job that has the key.</summary>
    public string JobId { get; } = jobId;
}

/// <summary>Something cannot be written down: the disk is full, read-only or gone.</summary>
public sealed class StorageException(string message, Exception? innerException = null) : DiffusionClipException(message, innerException)
{
    /// <summary>Whether there is no space left (507), rather than no access (503).</summary>
    public bool IsFull { get; init; }
}

/// <summary>The process is about to end and accepts nothing.</summary>
public sealed class DrainingException() : DiffusionClipException("the worker is shutting down; try again when it is back");

using System.Globalization;
using System.Text;
using System.Text.Json;
using DiffusionClip.Files;
using Microsoft.Data.Sqlite;

namespace DiffusionClip.Worker.Jobs.Ledger;

/// <summary>
/// Every job and every change of its state, in SQLite with a write-ahead log that is synced at each commit. A change is one guarded
/// UPDATE (it names the state that it expects) and one row of its own with time and reason. Thread-safe.
/// </summary>
internal sealed class JobLedger : IDisposable
{
    private const string ByKey = $"SELECT {LedgerReading.Columns}, submitted_sha256 FROM jobs WHERE caller = ?1 AND idempotency_key = ?2";

    private readonly LedgerWriter _writer;
    private readonly LedgerReader _reader;
    private readonly TimeProvider _time;
    private readonly UlidSource _ids;
    private readonly QueueOptions _options;

    /// <summary>Opens the ledger and makes it if it is not there.</summary>
    /// <exception cref="InvalidRequestException">The file is another program's, a newer build's, damaged or cannot be written.</exception>
    public JobLedger(DataFolder folder, WorkerOptions options, TimeProvider time)
    {
        _time = time;
        _options = options.Queue;
        _ids = new UlidSource(time);

        // Not shared: what happened to the writer's connection must not outlive it.
        var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder
            {
                DataSource = folder.Ledger,
                DefaultTimeout = 10,
                Pooling = false,
            }.ToString());
        try
        {
            connection.Open();
            Pragma(connection, "PRAGMA journal_mode = WAL");
            Pragma(connection, "PRAGMA synchronous = FULL");
            Pragma(connection, "PRAGMA journal_size_limit = 16777216");
            LedgerSchema.Prepare(connection, folder.Ledger);
            AtomicFile.SyncFolder(folder.Path);
        }
        catch (Exception exception) when (exception is SqliteException or IOException)
        {
            connection.Dispose();
            string problem = exception is SqliteException sqlite ? LedgerReading.Fault(folder.Ledger, sqlite).Message : exception.Message;
            throw new InvalidRequestException("Worker:DataFolder", folder.Path, problem);
        }
        catch
        {
            connection.Dispose();
            throw;
        }

        _writer = new LedgerWriter(connection, folder.Ledger);
        _reader = new LedgerReader(folder.Ledger);
    }

    /// <summary>The reason of a job that its caller wanted no more.</summary>
    public const string CancelledByCaller = "cancelled by its caller";

    /// <summary>How often a process opened this ledger, this one included.</summary>
    public long Epoch { get; private set; }

    /// <summary>
    /// Takes over what the process before left: a job that was running waits again, unless starting it ended the process too often. To be
    /// called once, before anything else.
    /// </summary>
    /// <returns>Every job that waits, in the order of acceptance.</returns>
    public async Task<IReadOnlyList<QueuedJob>> RecoverAsync() => await _writer.WriteAsync(writer =>
    {
        writer.Execute("UPDATE process SET epoch = epoch + 1");
        Epoch = (long)writer.Scalar("SELECT epoch FROM process")!;
        if (writer.Scalar("SELECT max(id) FROM jobs") is string last)
        {
            _ids.StartAbove(last);
        }

        foreach ((string id, int attempts, int crashes, string? stop) in writer.Query(
            "SELECT id, attempts, crashes, stop FROM jobs WHERE state = 'running'",
            row => (row.GetString(0), row.GetInt32(1), row.GetInt32(2) + 1, LedgerReading.Text(row, 3))))
        {
            writer.Execute("UPDATE jobs SET crashes = ?2 WHERE id = ?1", id, crashes);
            if (stop == "abort")
            {
                End(writer, id, attempts, JobState.Cancelled, CancelledByCaller, null, null);
            }
            else if (crashes >= _options.MaxAttempts)
            {
                End(writer, id, attempts, JobState.SetAside, Invariant($"starting it ended the process {crashes} times"), null, null);
            }
            else
            {
                Requeue(writer, id, attempts, Invariant($"the process ended while it ran (start {attempts})"));
            }
        }

                return writer.Query(
                    "SELECT id, caller, priority, model, model_bytes, crashes FROM jobs WHERE state = 'queued' ORDER BY id",
                    row => new QueuedJob(
                        row.GetString(0),
                        row.GetString(1),
                        LedgerReading.Word<JobPriority>(row.GetString(2)),
                        row.GetString(3),
                        row.GetInt64(4))
                    {
                        RunsAlone = row.GetInt32(5) > 0,
                    });
            })
            .ConfigureAwait(false);

    /// <summary>Accepts a job, or finds the one that the idempotency key stands for.</summary>
    /// <param name="entry">The job.</param>
    /// <param name="committed">Called with the job after the commit, if it is new.</param>
    /// <exception cref="QueueFullException">The caller's share or the whole queue is full.</exception>
    /// <exception cref="IdempotencyConflictException">The key stands for another body.</exception>
    /// <exception cref="StorageException">It cannot be written.</exception>
    public async Task<Job> AcceptAsync(LedgerEntry entry, Action<Job, QueuedJob> committed)
    {
        // Made here: the writer is one thread.
        string body = JsonSerializer.Serialize(entry.Body, DiffusionClipJson.Compact);
        (Job job, _) = await _writer.WriteAsync(
            writer =>
            {
                if (entry.IdempotencyKey is { } key && Known(writer, entry.Caller, key, entry.SubmittedSha256) is { } known)
                {
                    return (known, false);
                }

                if ((long)writer.Scalar("SELECT count(*) FROM jobs WHERE state = 'queued' AND caller = ?1", entry.Caller)! >= _options.CallerCapacity)
                {
                    throw new QueueFullException(ofCaller: true, entry.RetryAfter);
                }

                if ((long)writer.Scalar("SELECT count(*) FROM jobs WHERE state = 'queued'")! >= _options.Capacity)
                {
                    throw new QueueFullException(ofCaller: false, entry.RetryAfter);
                }

                foreach (string input in entry.Inputs)
                {
                    // Retention may have taken it since it was looked at.
                    if (writer.Scalar("SELECT 1 FROM artifacts WHERE sha256 = ?1", input) is null)
                    {
                        throw new InvalidRequestException("images", input, "there is no such artefact of yours; upload the picture first");
                    }
                }

                string id = _ids.Next();
                long now = Now();
                writer.Execute(
                    """
                    INSERT INTO jobs(id, caller, kind, priority, state, model, model_bytes, body, submitted_sha256, idempotency_key, pinned, epoch, accepted_at)
                    VALUES(?1, ?2, ?3, ?4, 'queued', ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                    """,
                    id, entry.Caller, LedgerReading.Word(entry.Kind), LedgerReading.Word(entry.Priority), entry.Model, entry.ModelBytes, body,
                    entry.SubmittedSha256, entry.IdempotencyKey, entry.Body.Pinned ? 1 : 0, Epoch, now);
                Note(writer, id, null, JobState.Queued, 0, null, now);
                foreach (string input in entry.Inputs)
                {
                    Use(writer, id, input);
                }

                return (new Job
                {
                    Id = id,
                    Caller = entry.Caller,
                    Kind = entry.Kind,
                    Priority = entry.Priority,
                    State = JobState.Queued,
                    Body = entry.Body,
                    AcceptedAt = LedgerReading.Time(now),
                }, true);
            },
            accepted =>
            {
                if (accepted.Item2)
                {
                    committed(accepted.Item1, new QueuedJob(accepted.Item1.Id, entry.Caller, entry.Priority, entry.Model, entry.ModelBytes));
                }
            }).ConfigureAwait(false);
        return job;
    }

    /// <summary>The job that an idempotency key stands for; null where it is new.</summary>
    /// <exception cref="IdempotencyConflictException">The key stands for another body.</exception>
    public Job? FindByKey(string caller, string key, string submittedSha256) =>
        _reader.Query(ByKey, row => Same(row, submittedSha256), caller, key).SingleOrDefault();

    /// <summary>From queued to running.</summary>
    /// <returns>The job; null if it is queued no more.</returns>
    public Task<StartedJob?> StartAsync(string id, Action<StartedJob?> committed) => _writer.WriteAsync(
        writer =>
        {
            long now = Now();
            if (writer.Execute("UPDATE jobs SET state = 'running', attempts = attempts + 1, started_at = ?2 WHERE id = ?1 AND state = 'queued'", id, now) == 0)
            {
                return null;
            }

            StartedJob started = writer.Query(
                $"SELECT {LedgerReading.Columns}, epoch, crashes, stop FROM jobs WHERE id = ?1",
                row => new StartedJob(LedgerReading.Job(row), row.GetInt64(12), row.GetInt32(13), LedgerReading.Text(row, 14) == "finish"),
                id)[0];
            Note(writer, id, JobState.Queued, JobState.Running, started.Job.Attempts, null, now);
            return started;
        },
        committed);

    /// <summary>From running to an end.</summary>
    /// <returns>The job as it is now; null if it was not running in this attempt.</returns>
    public Task<Job?> EndAsync(
        string id,
        int attempt,
        JobState state,
        string? reason,
        JobResult? result,
        string? cacheKey,
        Action<Job?> committed)
    {
        string? json = result is null ? null : JsonSerializer.Serialize(result, DiffusionClipJson.Compact);
        string[] outputs = result is null
            ? []
            : [.. result.Images.Select(image => image.Sha256).Append(result.ContactSheet).OfType<string>()];
        return _writer.WriteAsync(
            writer =>
            {
                if (!End(writer, id, attempt, state, reason, json, cacheKey))
                {
                    return null;
                }

                foreach (string output in outputs)
                {
                    Use(writer, id, output);
                }

                return Read(writer, id);
            },
            committed);
    }

    /// <summary>From running back to queued: the process is about to end, and that is not the job's fault.</summary>
    public Task<Job?> RequeueAsync(string id, int attempt, string reason, Action<Job?> committed) =>
        _writer.WriteAsync(writer => Requeue(writer, id, attempt, reason) ? Read(writer, id) : null, committed);

    /// <summary>The job got further than ever: its starts so far count no more as having led nowhere.</summary>
    public Task NoteProgressAsync(string id) =>
        _writer.WriteAsync(writer => writer.Execute("UPDATE jobs SET crashes = 0 WHERE id = ?1 AND crashes > 0", id));

    /// <summary>Asks for a job's end.</summary>
    public Task<(CancelOutcome Outcome, Job? Job)> CancelAsync(string caller, string id, CancelKind how, Action<(CancelOutcome Outcome, Job? Job)> committed) => _writer.WriteAsync(
        writer =>
        {
            if (writer.Scalar("SELECT state FROM jobs WHERE id = ?1 AND caller = ?2", id, caller) is not string state)
            {
                return (CancelOutcome.Unknown, null);
            }

                switch (LedgerReading.Word<JobState>(state))
                {
                    case JobState.Queued:
                        long now = Now();
                        writer.Execute(
                            "UPDATE jobs SET state = 'cancelled', reason = ?3, ended_at = ?2 WHERE id = ?1 AND state = 'queued'",
                            id,
                            now,
                            CancelledByCaller);
                        Note(
                            writer,
                            id,
                            JobState.Queued,
                            JobState.Cancelled,
                            (int)(long)writer.Scalar("SELECT attempts FROM jobs WHERE id = ?1", id)!,
                            CancelledByCaller,
                            now);
                        return (CancelOutcome.Cancelled, Read(writer, id));
                    case JobState.Running:
                        // Written down, so that a crash in between does not bring the job back. An abort stands above a finish.
                        writer.Execute(
                            "UPDATE jobs SET stop = ?2 WHERE id = ?1 AND state = 'running' AND coalesce(stop, '') <> 'abort'",
                            id,
                            how == CancelKind.Abort ? "abort" : "finish");
                        return (CancelOutcome.Stopping, null);
                    case JobState.Cancelled:
                        return (CancelOutcome.AlreadyCancelled, null);
                    default:
                        return (CancelOutcome.Over, (Job?)null);
                }
            },
            committed);

    /// <summary>A job of a caller; null where there is none.</summary>
    public Job? Find(string caller, string id) =>
        _reader
            .Query($"SELECT {LedgerReading.Columns} FROM jobs WHERE id = ?1 AND caller = ?2", LedgerReading.Job, id, caller)
            .SingleOrDefault();

    /// <summary>In which process a job was accepted.</summary>
    public long EpochOf(string id) => _reader.Query("SELECT epoch FROM jobs WHERE id = ?1", row => row.GetInt64(0), id).SingleOrDefault();

    /// <summary>A caller's jobs, newest first.</summary>
    public IReadOnlyList<Job> List(string caller, string? before, int limit, IReadOnlyCollection<JobState>? states)
    {
        var text = new StringBuilder($"SELECT {LedgerReading.Columns} FROM jobs WHERE caller = ?1 AND id < ?2");
        if (states is not null)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $" AND state IN ({string.Join(", ", states.Distinct().Select(state => $"'{LedgerReading.Word(state)}'"))})");
        }

        text.Append(" ORDER BY id DESC LIMIT ?3");
        return _reader.Query(text.ToString(), LedgerReading.Job, caller, before ?? "~", limit);
    }

    /// <summary>The newest job of a caller that is done and has the key; null where there is none.</summary>
    public Job? FindCached(string caller, string cacheKey) =>
        _reader
            .Query(
                $"SELECT {LedgerReading.Columns} FROM jobs WHERE caller = ?1 AND cache_key = ?2 AND state = 'done' ORDER BY id DESC LIMIT 1",
                LedgerReading.Job,
                caller,
                cacheKey)
            .SingleOrDefault();

    /// <summary>Waiting and running jobs of all callers and of one.</summary>
    public (int Queued, int Running, int OwnQueued, int OwnRunning) Count(string caller) => _reader.Query(
        """
        SELECT (SELECT count(*) FROM jobs WHERE state = 'queued'),
               (SELECT count(*) FROM jobs WHERE state = 'running'),
               (SELECT count(*) FROM jobs WHERE state = 'queued' AND caller = ?1),
               (SELECT count(*) FROM jobs WHERE state = 'running' AND caller = ?1)
        """,
        row => (row.GetInt32(0), row.GetInt32(1), row.GetInt32(2), row.GetInt32(3)),
        caller)[0];

    /// <summary>Every change of a job's state, oldest first.</summary>
    public IReadOnlyList<JobTransition> Transitions(string id) => _reader.Query(
        "SELECT at, from_state, to_state, attempt, reason FROM transitions WHERE job = ?1 ORDER BY number",
        row => new JobTransition(
            LedgerReading.Time(row.GetInt64(0)),
            row.IsDBNull(1) ? null : LedgerReading.Word<JobState>(row.GetString(1)),
            LedgerReading.Word<JobState>(row.GetString(2)),
            row.GetInt32(3),
            LedgerReading.Text(row, 4)),
        id);

    /// <summary>Notes an artefact's file.</summary>
    public Task AddArtifactAsync(string sha256, long bytes) =>
        _writer.WriteAsync(writer =>
            writer.Execute(
                "INSERT INTO artifacts(sha256, bytes, at) VALUES(?1, ?2, ?3) ON CONFLICT(sha256) DO UPDATE SET at = excluded.at",
                sha256,
                bytes,
                Now()));

    /// <summary>Notes that a caller uploaded an artefact.</summary>
    public Task OwnAsync(string caller, string sha256) =>
        _writer.WriteAsync(writer =>
            writer.Execute(
                "INSERT INTO owners(sha256, caller, at) VALUES(?1, ?2, ?3) ON CONFLICT(sha256, caller) DO UPDATE SET at = excluded.at",
                sha256,
                caller,
                Now()));

    /// <summary>Whether a caller uploaded an artefact or has a job that made or names it.</summary>
    public bool IsVisible(string caller, string sha256) => Any(
        """
        SELECT 1 WHERE EXISTS(SELECT 1 FROM owners WHERE sha256 = ?1 AND caller = ?2)
            OR EXISTS(SELECT 1 FROM uses JOIN jobs ON jobs.id = uses.job WHERE uses.sha256 = ?1 AND jobs.caller = ?2)
        """,
        sha256, caller);

    /// <summary>Whether an artefact's file is noted.</summary>
    public bool IsArtifact(string sha256) => Any("SELECT 1 FROM artifacts WHERE sha256 = ?1", sha256);

    /// <summary>Whether a job waits or runs.</summary>
    public bool IsAlive(string id) => Any("SELECT 1 FROM jobs WHERE id = ?1 AND state IN ('queued', 'running')", id);

    /// <summary>Makes a change of the tables of artefacts and old jobs.</summary>
    public Task<T> WriteAsync<T>(Func<LedgerWriter, T> change) => _writer.WriteAsync(change);

    /// <summary>Milliseconds since 1970.</summary>
    public long Now() => _time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <inheritdoc/>
    public void Dispose()
    {
        _writer.Dispose();
        _reader.Dispose();
    }

    private bool Any(string text, params ReadOnlySpan<object?> parameters) => _reader.Query(text, _ => true, parameters).Count > 0;

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    private bool End(LedgerWriter writer, string id, int attempt, JobState state, string? reason, string? result, string? cacheKey)
    {
        long now = Now();
        if (
            writer.Execute(
                "UPDATE jobs SET state = ?3, reason = ?4, result = ?5, cache_key = ?6, ended_at = ?7 WHERE id = ?1 AND attempts = ?2 AND state = 'running'",
                id,
                attempt,
                LedgerReading.Word(state),
                reason,
                result,
                cacheKey,
                now
            ) == 0)
        {
            return false;
        }

        Note(writer, id, JobState.Running, state, attempt, reason, now);
        return true;
    }

    private bool Requeue(LedgerWriter writer, string id, int attempt, string reason)
    {
        if (writer.Execute("UPDATE jobs SET state = 'queued' WHERE id = ?1 AND attempts = ?2 AND state = 'running'", id, attempt) == 0)
        {
            return false;
        }

        Note(writer, id, JobState.Running, JobState.Queued, attempt, reason, Now());
        return true;
    }

    private static void Note(LedgerWriter writer, string id, JobState? from, JobState to, int attempt, string? reason, long now) =>
        writer.Execute(
            "INSERT INTO transitions(job, number, at, from_state, to_state, attempt, reason) VALUES(?1, (SELECT count(*) + 1 FROM transitions WHERE job = ?1), ?2, ?3, ?4, ?5, ?6)",
            id, now, from is { } state ? LedgerReading.Word(state) : null, LedgerReading.Word(to), attempt, reason);

    private static void Use(LedgerWriter writer, string id, string sha256) =>
        writer.Execute("INSERT OR IGNORE INTO uses(sha256, job) VALUES(?1, ?2)", sha256, id);

    private static Job Read(LedgerWriter writer, string id) =>
        writer.Query($"SELECT {LedgerReading.Columns} FROM jobs WHERE id = ?1", LedgerReading.Job, id)[0];

    private static Job? Known(LedgerWriter writer, string caller, string key, string submittedSha256) =>
        writer.Query(ByKey, row => Same(row, submittedSha256), caller, key).SingleOrDefault();

    private static Job Same(SqliteDataReader row, string submittedSha256) =>
        row.GetString(12) == submittedSha256 ? LedgerReading.Job(row) : throw new IdempotencyConflictException(row.GetString(0));

    private static void Pragma(SqliteConnection connection, string text)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = text;
        command.ExecuteNonQuery();
    }
}

/// <summary>A job about to be written down.</summary>
internal sealed record LedgerEntry
{
    public required string Caller { get; init; }

    public required JobKind Kind { get; init; }

    public required JobPriority Priority { get; init; }

    /// <summary>The body as it will run.</summary>
    public required JobBody Body { get; init; }

    /// <summary>SHA-256 of the submission as it came.</summary>
    public required string SubmittedSha256 { get; init; }

    public string? IdempotencyKey { get; init; }

    /// <summary>The model that it needs most.</summary>
    public required string Model { get; init; }

    /// <summary>Estimated memory of its models.</summary>
    public required long ModelBytes { get; init; }

    /// <summary>Artefacts that it reads.</summary>
    public required IReadOnlyList<string> Inputs { get; init; }

    /// <summary>When another try is worth it if the queue is full.</summary>
    public required TimeSpan RetryAfter { get; init; }
}

/// <summary>A job that was started.</summary>
/// <param name="Job">The job.</param>
/// <param name="Epoch">The process that accepted it.</param>
/// <param name="Crashes">Starts so far that led nowhere because the process ended.</param>
/// <param name="Finish">Whether its caller had asked for what is there.</param>
internal sealed record StartedJob(Job Job, long Epoch, int Crashes, bool Finish);

/// <summary>A change of a job's state.</summary>
/// <param name="At">When.</param>
/// <param name="From">The state before; null at the beginning.</param>
/// <param name="To">The state after.</param>
/// <param name="Attempt">Which start of the job.</param>
/// <param name="Reason">Why.</param>
internal sealed record JobTransition(DateTimeOffset At, JobState? From, JobState To, int Attempt, string? Reason);

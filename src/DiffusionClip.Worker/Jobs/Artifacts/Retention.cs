using DiffusionClip.Worker.Jobs.Ledger;
using DiffusionClip.Worker.Jobs.Running;

namespace DiffusionClip.Worker.Jobs.Artifacts;

/// <summary>
/// Removes jobs that are over, and unreferenced artefacts: by age, and the oldest first while all artefacts together are too
/// large. Never what is pinned, and never what a job that waits or runs needs.
/// </summary>
internal sealed partial class Retention(
    JobLedger ledger,
    ArtifactStore artifacts,
    SnapshotStore snapshots,
    WorkerOptions options,
    TimeProvider time,
    ILogger<Retention> logger
) : BackgroundService
{
    private const int JobsAtOnce = 100;
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);

    /// <summary>Removes what may go.</summary>
    /// <returns>How many jobs and how many files went.</returns>
    public async Task<(int Jobs, int Files)> RunAsync(CancellationToken cancellationToken)
    {
        int jobs = 0, files = 0;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            (int gone, IReadOnlyList<string> orphans, bool more) = await ledger.WriteAsync(Step).ConfigureAwait(false);
            foreach (string orphan in orphans)
            {
                await artifacts.RemoveAsync(orphan).ConfigureAwait(false);
            }

            (jobs, files) = (jobs + gone, files + orphans.Count);
            if (!more)
            {
                return (jobs, files);
            }
        }
    }

    /// <summary>Removes what a process left that ended at a bad moment.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        snapshots.Sweep(ledger.IsAlive);
        int removed = await artifacts.SweepAsync(ledger.IsArtifact, cancellationToken).ConfigureAwait(false);
        if (removed > 0)
        {
            Swept(logger, removed);
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Aside from the start.
        await Task.Yield();
        using var timer = new PeriodicTimer(Interval, time);
        bool swept = false;
        do
        {
            try
            {
                if (!swept)
                {
                    await SweepAsync(stoppingToken).ConfigureAwait(false);
                    swept = true;
                }

                (int jobs, int files) = await RunAsync(stoppingToken).ConfigureAwait(false);
                if (jobs + files > 0)
                {
                    Removed(logger, jobs, files);
                }
            }
            catch (Exception exception)
                when (exception is StorageException or IOException or UnauthorizedAccessException or DrainingException)
            {
                Failed(logger, exception);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
    }

    private (int Jobs, IReadOnlyList<string> Orphans, bool More) Step(LedgerWriter writer)
    {
        long oldest = ledger.Now() - (long)options.Retention.Age.TotalMilliseconds;
        List<string> expired = writer.Query(
            $"SELECT id FROM jobs WHERE ended_at < ?1 AND pinned = 0 ORDER BY ended_at LIMIT {JobsAtOnce}",
            row => row.GetString(0),
            oldest);
        expired.ForEach(id => Delete(writer, id));
        writer.Execute("DELETE FROM owners WHERE at < ?1", oldest);
        bool more = expired.Count == JobsAtOnce;
        var orphans = new List<string>(Orphans(writer));

        // Uploads that no job names go like jobs: the oldest first.
        while (!more && Bytes(writer) > options.Retention.TotalBytes)
        {
            if (expired.Count >= JobsAtOnce)
            {
                more = true;
                break;
            }

            (string? job, long ended) = First(
                writer,
                "SELECT id, ended_at FROM jobs WHERE ended_at IS NOT NULL AND pinned = 0 AND EXISTS(SELECT 1 FROM uses WHERE job = jobs.id) ORDER BY ended_at LIMIT 1"
            );
            (string? upload, long uploaded) = First(
                writer,
                "SELECT sha256, min(at) FROM owners WHERE NOT EXISTS(SELECT 1 FROM uses WHERE sha256 = owners.sha256) GROUP BY sha256 ORDER BY 2",
                artifacts.IsFresh);
            if (upload is not null && uploaded < ended)
            {
                writer.Execute("DELETE FROM owners WHERE sha256 = ?1", upload);
            }
            else if (job is not null)
            {
                Delete(writer, job);
                expired.Add(job);
            }
            else
            {
                break;
            }

            orphans.AddRange(Orphans(writer));
        }

        return (expired.Count, orphans, more);
    }

    private static (string? Name, long At) First(LedgerWriter writer, string text, Func<string, bool>? skip = null) =>
        writer.Query(text, row => (row.GetString(0), row.GetInt64(1))).FirstOrDefault(row => skip?.Invoke(row.Item1) != true)
            is { Item1: not null } found
            ? found
            : (null, long.MaxValue);

    private static long Bytes(LedgerWriter writer) => (long)(writer.Scalar("SELECT sum(bytes) FROM artifacts") ?? 0L);

    private static void Delete(LedgerWriter writer, string id)
    {
        writer.Execute("DELETE FROM uses WHERE job = ?1", id);
        writer.Execute("DELETE FROM transitions WHERE job = ?1", id);
        writer.Execute("DELETE FROM jobs WHERE id = ?1 AND ended_at IS NOT NULL", id);
    }

    // What was put lately is about to be named.
    private List<string> Orphans(LedgerWriter writer)
    {
        List<string> orphans =
        [
            .. writer
                .Query(
                    "SELECT sha256 FROM artifacts WHERE NOT EXISTS(SELECT 1 FROM uses WHERE sha256 = artifacts.sha256) AND NOT EXISTS(SELECT 1 FROM owners WHERE sha256 = artifacts.sha256)",
                    row => row.GetString(0))
                .Where(sha256 => !artifacts.IsFresh(sha256)),
        ];
        orphans.ForEach(sha256 => writer.Execute("DELETE FROM artifacts WHERE sha256 = ?1", sha256));
        return orphans;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Retention removed {Jobs} jobs and {Files} files")]
    private static partial void Removed(ILogger logger, int jobs, int files);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Files} files were left over by a process that ended, and are removed")]
    private static partial void Swept(ILogger logger, int files);

    [LoggerMessage(Level = LogLevel.Error, Message = "Retention could not do its work; it tries again")]
    private static partial void Failed(ILogger logger, Exception exception);
}

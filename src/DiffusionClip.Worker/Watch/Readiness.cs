using System.Globalization;
using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker.Watch;

/// <summary>Whether jobs can be taken and done now.</summary>
internal sealed class Readiness(ModelWarmUp models, JobQueue queue, MachinePaths paths, DataFolder folder, DiskProbe askDisk, WorkerOptions options, IHostApplicationLifetime lifetime, TimeProvider time) : IDisposable
{
    // Whoever asks often gets an answer that is so old at most; a disk that does not answer for so long is not ready.
    private static readonly TimeSpan _freshness = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim _probing = new(1);
    private Task<DiskState>? _probe;
    private DiskState? _disk;
    private long _probedAt;

    /// <summary>What stands in the way of each part; null values: nothing.</summary>
    public async Task<ReadinessReport> CheckAsync(CancellationToken cancellationToken)
    {
        bool isDraining = queue.IsDraining || lifetime.ApplicationStopping.IsCancellationRequested;
        DiskState disk = await DiskAsync(cancellationToken).ConfigureAwait(false);
        string? draining = isDraining ? "shutting down" : null;
        return new ReadinessReport(
            draining is null && models.Problem is null && disk.Folder is null && disk.Space is null,
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["models"] = models.Problem is { } problem ? paths.Hide(problem) : "ok",
                ["queue"] = draining ?? disk.Folder ?? "ok",
                ["disk"] = disk.Space ?? "ok",
            });
    }

    /// <inheritdoc/>
    public void Dispose() => _probing.Dispose();

    private async Task<DiskState> DiskAsync(CancellationToken cancellationToken)
    {
        await _probing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_disk is { } known && time.GetElapsedTime(_probedAt) < _freshness)
            {
                return known;
            }

            // One that hangs stays the only one.
            _probe ??= Task.Factory.StartNew(Probe, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            try
            {
                _disk = await _probe.WaitAsync(_patience, cancellationToken).ConfigureAwait(false);
                _probe = null;
            }
            catch (TimeoutException)
            {
                _disk = new DiskState("the data folder does not answer", null);
            }

            _probedAt = time.GetTimestamp();
            return _disk;
        }
        finally
        {
            _probing.Release();
        }
    }

    private DiskState Probe()
    {
        try
        {
            long free = askDisk(folder.Path);
            return new DiskState(File.Exists(folder.Ledger) ? null : "the ledger was removed; restart the worker", free < options.Retention.FreeBytes
                ? string.Create(CultureInfo.InvariantCulture, $"{free >> 20} MiB are free, {options.Retention.FreeBytes >> 20} are needed")
                : null);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return new DiskState($"the data folder cannot be written ({exception.GetType().Name})", null);
        }
    }

    /// <summary>Writes a file into a folder and removes it.</summary>
    /// <returns>How many bytes are free.</returns>
    public static long Ask(string folder)
    {
        string file = Path.Combine(folder, ".ready-" + Guid.NewGuid().ToString("N"));
        using (new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose))
        {
        }

        return new DriveInfo(folder).AvailableFreeSpace;
    }

    private sealed record DiskState(string? Folder, string? Space);
}

/// <summary>Whether a folder can be written, and its free bytes; may take for ever.</summary>
/// <exception cref="IOException">It cannot be written.</exception>
internal delegate long DiskProbe(string folder);

/// <summary>Whether jobs can be taken and done.</summary>
/// <param name="Ready">Whether they can.</param>
/// <param name="Checks">Models, queue and disk: <c>ok</c>, or what stands in the way.</param>
public sealed record ReadinessReport(bool Ready, IReadOnlyDictionary<string, string> Checks);

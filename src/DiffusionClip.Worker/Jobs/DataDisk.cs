using System.Globalization;

namespace DiffusionClip.Worker.Jobs;

/// <summary>
/// Whether the data folder takes writes now. However many requests, the disk is probed once a second at most, by one thread; one that does
/// not answer for two seconds (a network file system that stalls) is out of order, and blocks only that thread.
/// </summary>
internal sealed class DataDisk(DataFolder folder, DiskProbe ask, WorkerOptions options, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan _freshness = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim _asking = new(1);
    private Task<DiskState>? _answer;
    private DiskState? _known;
    private long _knownAt;

    /// <summary>How it stands.</summary>
    public async Task<DiskState> StateAsync(CancellationToken cancellationToken)
    {
        await _asking.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_known is { } known && time.GetElapsedTime(_knownAt) < _freshness)
            {
                return known;
            }

            // One that hangs stays the only one.
            _answer ??= Task.Factory.StartNew(Ask, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            try
            {
                _known = await _answer.WaitAsync(_timeout, time, cancellationToken).ConfigureAwait(false);
                _answer = null;
            }
            catch (TimeoutException)
            {
                _known = new DiskState("the data folder does not answer", null);
            }

            _knownAt = time.GetTimestamp();
            return _known;
        }
        finally
        {
            _asking.Release();
        }
    }

    /// <summary>Refuses what would have to be written, before waiting for a disk that is full or stalled.</summary>
    /// <exception cref="StorageException">Nothing can be written, or little is free.</exception>
    public async Task RequireAsync(CancellationToken cancellationToken)
    {
        DiskState state = await StateAsync(cancellationToken).ConfigureAwait(false);
        if ((state.Problem ?? state.Space) is { } problem)
        {
            throw new StorageException($"{folder.Path}: {problem}") { IsFull = state.Problem is null };
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _asking.Dispose();

    private DiskState Ask()
    {
        try
        {
            long free = ask(folder.Path);
            return new DiskState(
                File.Exists(folder.Ledger) ? null : "the ledger was removed; restart the worker",
                free < options.Retention.FreeBytes
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"no space left on the disk ({free >> 20} MiB are free, and {options.Retention.FreeBytes >> 20} MiB have to stay so); free some"
                    )
                    : null);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return DurableFile.Fault(folder.Path, exception).IsFull
                ? new DiskState(null, "no space left on the disk; free some")
                : new DiskState($"the data folder cannot be written ({exception.GetType().Name})", null);
        }
    }

    /// <summary>Writes a file into a folder and removes it.</summary>
    /// <returns>How many bytes are free.</returns>
    public static long Write(string folder)
    {
        string file = Path.Combine(folder, ".ready-" + Guid.NewGuid().ToString("N"));
        using (new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose))
        {
        }

        return new DriveInfo(folder).AvailableFreeSpace;
    }
}

/// <summary>Measures a folder's free bytes by a write; may block for ever.</summary>
/// <exception cref="IOException">It cannot be written.</exception>
internal delegate long DiskProbe(string folder);

/// <summary>How the data folder's disk stands.</summary>
/// <param name="Problem">Why nothing can be written; null if it can.</param>
/// <param name="Space">What of its room is missing; null if there is enough.</param>
internal sealed record DiskState(string? Problem, string? Space);

using DiffusionClip.Files;

namespace DiffusionClip.Worker.Jobs;

/// <summary>
/// Files of the data folder: on the disk, name and content, when a call returns; failures say what they mean for a caller.
/// </summary>
internal static class DurableFile
{
    /// <summary>Writes a file. What was there under the name is replaced in one step.</summary>
    /// <exception cref="StorageException">It cannot be written; nothing half-written stays.</exception>
    public static async Task WriteAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        try
        {
            MakeFolder(path);
            await AtomicFile.WriteAsync(path, content, Durability.Name, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Fault(path, exception);
        }
    }

    /// <inheritdoc cref="WriteAsync"/>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        try
        {
            MakeFolder(path);
            AtomicFile.Write(path, content, Durability.Name);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Fault(path, exception);
        }
    }

    /// <summary>Removes a file if it is there and can be removed.</summary>
    public static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // What cannot be removed now is swept away later.
        }
    }

    /// <summary>The exception that callers see for a failed access.</summary>
    public static StorageException Fault(string path, Exception exception)
    {
        bool full = IsFull(exception);
        return new StorageException(
            full
                ? $"{Path.GetDirectoryName(path)}: no space left on the disk; free some"
                : $"{path}: cannot be written ({exception.Message})",
            exception)
        {
            IsFull = full,
        };
    }

    private static void MakeFolder(string path)
    {
        string folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder);
            AtomicFile.SyncFolder(Path.GetDirectoryName(folder)!);
        }
    }

    // ENOSPC and EDQUOT; Windows' ERROR_DISK_FULL and ERROR_HANDLE_DISK_FULL.
    private static bool IsFull(Exception exception) => OperatingSystem.IsWindows()
        ? (exception.HResult & 0xFFFF) is 112 or 39
        : exception.HResult is 28 or 122 || exception.Message.Contains("No space left", StringComparison.Ordinal);
}

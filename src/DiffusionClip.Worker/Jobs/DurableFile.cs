using System.Globalization;
using System.Runtime.InteropServices;

namespace DiffusionClip.Worker.Jobs;

/// <summary>Files that are whole or not there: written to a temporary name, synced, renamed, and the folder synced too.</summary>
internal static partial class DurableFile
{
    /// <summary>The end of temporary names: what is left over of a process that ended is swept away at the next start.</summary>
    public const string TemporaryExtension = ".tmp";

    private static long _number;

    /// <summary>Writes a file. What was there under the name is replaced in one step.</summary>
    /// <exception cref="StorageException">It cannot be written; nothing half-written stays.</exception>
    public static async Task WriteAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        string aside = Aside(path);
        try
        {
            MakeFolder(path);
            var file = new FileStream(aside, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
            await using (file.ConfigureAwait(false))
            {
                await file.WriteAsync(content, cancellationToken).ConfigureAwait(false);
                file.Flush(flushToDisk: true);
            }

            cancellationToken.ThrowIfCancellationRequested();
            Commit(aside, path);
        }
        catch (Exception exception)
        {
            throw Undo(aside, path, exception);
        }
    }

    /// <inheritdoc cref="WriteAsync"/>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        string aside = Aside(path);
        try
        {
            MakeFolder(path);
            using (var file = new FileStream(aside, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            Commit(aside, path);
        }
        catch (Exception exception)
        {
            throw Undo(aside, path, exception);
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

    /// <summary>What a failed access means for who asked.</summary>
    public static StorageException Fault(string path, Exception exception)
    {
        bool full = IsFull(exception);
        return new StorageException(
            full ? $"{Path.GetDirectoryName(path)}: no space left on the disk; free some" : $"{path}: cannot be written ({exception.Message})", exception) { IsFull = full };
    }

    private static string Aside(string path) =>
        string.Create(CultureInfo.InvariantCulture, $"{path}.{Environment.ProcessId}-{Interlocked.Increment(ref _number)}{TemporaryExtension}");

    private static void MakeFolder(string path)
    {
        string folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder);
            SyncFolder(Path.GetDirectoryName(folder)!);
        }
    }

    private static void Commit(string aside, string path)
    {
        File.Move(aside, path, overwrite: true);
        SyncFolder(Path.GetDirectoryName(path)!);
    }

    private static Exception Undo(string aside, string path, Exception exception)
    {
        Remove(aside);
        return exception is IOException or UnauthorizedAccessException ? Fault(path, exception) : exception;
    }

    // ENOSPC and EDQUOT; Windows' ERROR_DISK_FULL and ERROR_HANDLE_DISK_FULL.
    private static bool IsFull(Exception exception) => OperatingSystem.IsWindows()
        ? (exception.HResult & 0xFFFF) is 112 or 39
        : exception.HResult is 28 or 122 || exception.Message.Contains("No space left", StringComparison.Ordinal);

    /// <summary>Makes names in a folder durable; where the system has no such call, it does so itself.</summary>
    public static void SyncFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        int descriptor = Open(folder, 0);
        if (descriptor < 0)
        {
            throw new IOException($"{folder}: cannot be opened (error {Marshal.GetLastPInvokeError()})");
        }

        // File systems that cannot sync folders say EINVAL: nothing to be done about it.
        _ = Sync(descriptor);
        _ = Close(descriptor);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}

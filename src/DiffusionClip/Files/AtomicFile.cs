using System.Globalization;
using System.Runtime.InteropServices;

namespace DiffusionClip.Files;

/// <summary>
/// A file that is whole or not there: written aside in the same folder, flushed, then renamed. What is not committed is removed on
/// disposal.
/// </summary>
public sealed partial class AtomicFile : IDisposable, IAsyncDisposable
{
    /// <summary>The end of temporary names.</summary>
    public const string TemporaryExtension = ".tmp";

    private static readonly string _mark = string.Create(CultureInfo.InvariantCulture, $".{Environment.ProcessId}-");

    private readonly string _path;
    private readonly Durability _durability;
    private readonly FileStream _content;
    private string? _aside;

    private AtomicFile(string path, Durability durability)
    {
        _path = Path.GetFullPath(path);
        _durability = durability;

        // The random part tells apart processes of equal number that share a folder, as in containers.
        string random = Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture)[..8];
        _aside = Path.Combine(Path.GetDirectoryName(_path)!, $".{Path.GetFileName(_path)}{_mark}{random}{TemporaryExtension}");
        _content = new FileStream(_aside, FileMode.CreateNew, FileAccess.Write, FileShare.None);
    }

    /// <summary>Where the content is written.</summary>
    public Stream Content => _content;

    /// <summary>Begins a file.</summary>
    /// <param name="path">Its name once it is committed; the folder has to be there.</param>
    /// <param name="durability">What it has to outlast.</param>
    /// <exception cref="IOException">Nothing can be written there.</exception>
    /// <exception cref="UnauthorizedAccessException">Nothing may be written there.</exception>
    public static AtomicFile Begin(string path, Durability durability = Durability.Content) => new(path, durability);

    /// <summary>Writes a file in one call; what was there under the name is replaced in one step.</summary>
    /// <param name="path">Its name; the folder has to be there.</param>
    /// <param name="content">The content.</param>
    /// <param name="durability">What it has to outlast.</param>
    /// <exception cref="IOException">It cannot be written; what was there is as it was.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written; what was there is as it was.</exception>
    public static void Write(string path, ReadOnlySpan<byte> content, Durability durability = Durability.Content)
    {
        using AtomicFile file = Begin(path, durability);
        file._content.Write(content);
        file.Commit(overwrite: true);
    }

    /// <inheritdoc cref="Write"/>
    /// <param name="path">Its name; the folder has to be there.</param>
    /// <param name="content">The content.</param>
    /// <param name="durability">What it has to outlast.</param>
    /// <param name="cancellationToken">Stops it; what was there is as it was.</param>
    public static async Task WriteAsync(
        string path,
        ReadOnlyMemory<byte> content,
        Durability durability = Durability.Content,
        CancellationToken cancellationToken = default)
    {
        AtomicFile file = Begin(path, durability);
        await using (file.ConfigureAwait(false))
        {
            await file._content.WriteAsync(content, cancellationToken).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            file.Commit(overwrite: true);
        }
    }

    /// <summary>Replaces the content of a file that is there: its permissions stay, and a link still leads to it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="content">The content.</param>
    /// <exception cref="IOException">It cannot be written; the file is as it was.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written; the file is as it was.</exception>
    public static void Replace(string path, ReadOnlySpan<byte> content)
    {
        string target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);
        using AtomicFile file = Begin(target);
        file._content.Write(content);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file._content.SafeFileHandle, File.GetUnixFileMode(target));
        }

        file.Commit(overwrite: true);
    }

    /// <summary>Makes a new file; a name that is taken gets a number.</summary>
    /// <param name="folder">Where; it has to be there.</param>
    /// <param name="name">The name wanted.</param>
    /// <param name="content">The content.</param>
    /// <returns>The file's path.</returns>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static string Create(string folder, string name, ReadOnlySpan<byte> content)
    {
        using AtomicFile file = Begin(Path.Combine(folder, name));
        file._content.Write(content);
        file.Finish();
        return FreeName.Take(folder, name, path => file.Rename(path, overwrite: false));
    }

    /// <summary>Gives the file its name.</summary>
    /// <param name="overwrite">Whether a file of that name is replaced.</param>
    /// <exception cref="IOException">The content cannot be written, or the name is taken.</exception>
    public void Commit(bool overwrite)
    {
        ObjectDisposedException.ThrowIf(_aside is null, this);
        Finish();
        Rename(_path, overwrite);
    }

    /// <summary>Removes what was not committed.</summary>
    public void Dispose()
    {
        if (_aside is { } aside)
        {
            _aside = null;
            Discard(aside);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Whether a file is what a process that ended left behind; one that this process is writing is not.</summary>
    /// <param name="path">The file.</param>
    public static bool IsLeftover(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return path.EndsWith(TemporaryExtension, StringComparison.Ordinal)
            && !Path.GetFileName(path).Contains(_mark, StringComparison.Ordinal);
    }

    /// <summary>Puts the names in a folder on the disk; where the system has no such call, it does so by itself.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="IOException">The folder cannot be opened.</exception>
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

        // File systems that cannot sync folders answer EINVAL: nothing can be done about it.
        _ = Sync(descriptor);
        _ = Close(descriptor);
    }

    private void Finish()
    {
        if (_durability != Durability.Process)
        {
            _content.Flush(flushToDisk: true);
        }

        _content.Dispose();
    }

    private void Rename(string path, bool overwrite)
    {
        File.Move(_aside!, path, overwrite);
        _aside = null;
        if (_durability == Durability.Name)
        {
            SyncFolder(Path.GetDirectoryName(path)!);
        }
    }

    private void Discard(string aside)
    {
        try
        {
            _content.Dispose();
        }
        catch (IOException)
        {
            // A full disk, which the write has reported already.
        }

        try
        {
            File.Delete(aside);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The error that led here matters more than a temporary file left behind.
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}

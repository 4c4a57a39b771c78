using DiffusionClip.Files;

namespace DiffusionClip.Worker.Jobs;

/// <summary>The folder of the ledger, the artefacts and the snapshots, held by one process at a time.</summary>
internal sealed class DataFolder : IDisposable
{
    private const string LockName = "worker.lock";

    private readonly FileStream _lock;

    /// <summary>Takes the folder; makes it if it is not there.</summary>
    /// <exception cref="InvalidRequestException">It cannot be written, or another worker has it; names the folder.</exception>
    public DataFolder(WorkerOptions options)
    {
        Path = System.IO.Path.GetFullPath(options.DataFolder);
        try
        {
            Directory.CreateDirectory(Path);
            Directory.CreateDirectory(Artifacts);
            Directory.CreateDirectory(Snapshots);
            Probe(Artifacts);
            Probe(Snapshots);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new InvalidRequestException(
                "Worker:DataFolder",
                Path,
                $"it has to be a folder that can be written ({exception.Message})");
        }

        try
        {
            _lock = new FileStream(
                System.IO.Path.Combine(Path, LockName),
                FileMode.OpenOrCreate,
                FileAccess.ReadWrite,
                FileShare.None,
                bufferSize: 0);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new InvalidRequestException(
                "Worker:DataFolder",
                Path,
                $"it has to be a folder that can be written ({exception.Message})");
        }
        catch (IOException)
        {
            throw new InvalidRequestException(
                "Worker:DataFolder",
                Path,
                "another worker uses it; stop that one, or give each its own folder");
        }
    }

    /// <summary>Absolute path.</summary>
    public string Path { get; }

    /// <summary>The ledger's file.</summary>
    public string Ledger => System.IO.Path.Combine(Path, "ledger.db");

    /// <summary>Folder of the artefacts.</summary>
    public string Artifacts => System.IO.Path.Combine(Path, "artifacts");

    /// <summary>Folder of the snapshots.</summary>
    public string Snapshots => System.IO.Path.Combine(Path, "snapshots");

    /// <summary>Folder of embeddings that were computed before.</summary>
    public string Embeddings => System.IO.Path.Combine(Path, "embeddings");

    /// <summary>Free bytes of its disk.</summary>
    public long FreeBytes => new DriveInfo(Path).AvailableFreeSpace;

    /// <summary>Gives the folder back.</summary>
    public void Dispose() => _lock.Dispose();

    private static void Probe(string folder)
    {
        string probe = System.IO.Path.Combine(folder, $"{Environment.ProcessId}{AtomicFile.TemporaryExtension}");
        using (File.Create(probe))
        {
        }

        File.Delete(probe);
    }
}

namespace DiffusionClip.Worker.Jobs;

/// <summary>
/// Files by the SHA-256 of their bytes. Written to a temporary name, synced and renamed: what is there is whole. Thread-safe.
/// </summary>
public interface IArtifactStore
{
    /// <summary>Keeps a file.</summary>
    /// <param name="content">Its bytes.</param>
    /// <param name="mediaType">One of the fixed types: image/png, image/jpeg, image/webp, application/json.</param>
    /// <param name="cancellationToken">Gives up; nothing half-written stays.</param>
    /// <returns>Its SHA-256, 64 lower-case hex digits.</returns>
    /// <exception cref="StorageException">It cannot be written.</exception>
    Task<string> PutAsync(ReadOnlyMemory<byte> content, string mediaType, CancellationToken cancellationToken = default);

    /// <summary>Refuses what a request wants kept, before waiting for a disk that is full or stalled.</summary>
    /// <exception cref="StorageException">Nothing can be written, or little is free.</exception>
    Task RequireDiskAsync(CancellationToken cancellationToken = default);

    /// <summary>A file's bytes and type; null where there is none, or the name is not a SHA-256.</summary>
    Task<Artifact?> FindAsync(string sha256, CancellationToken cancellationToken = default);

    /// <summary>Whether a caller may see a file: it uploaded it, or one of its jobs made or names it.</summary>
    bool IsVisible(string caller, string sha256);

    /// <summary>Notes that a caller uploaded a file.</summary>
    Task OwnAsync(string caller, string sha256);
}

/// <summary>A kept file.</summary>
/// <param name="Sha256">Its name.</param>
/// <param name="MediaType">Its type.</param>
/// <param name="Content">Its bytes.</param>
public sealed record Artifact(string Sha256, string MediaType, ReadOnlyMemory<byte> Content);

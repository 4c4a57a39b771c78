using System.Security.Cryptography;
using DiffusionClip.Files;
using DiffusionClip.Imaging;
using DiffusionClip.Worker.Jobs.Ledger;

namespace DiffusionClip.Worker.Jobs.Artifacts;

/// <summary>
/// Artefacts as files <c>ab/abcdef….png</c>: the folder by the first two digits, the name by all of them, the ending by the type. Links are
/// not followed. The ledger holds which caller may see what.
/// </summary>
internal sealed class ArtifactStore(DataFolder folder, DataDisk disk, JobLedger ledger, WorkerOptions options, TimeProvider time)
    : IArtifactStore
{
    private static readonly (string MediaType, string Extension, ImageFileFormat? Format)[] Types =
    [
        ("image/png", ".png", ImageFileFormat.Png),
        ("image/jpeg", ".jpg", ImageFileFormat.Jpeg),
        ("image/webp", ".webp", ImageFileFormat.WebP),
        ("application/json", ".json", null),
    ];

    // Writing and removing one name exclude each other.
    private readonly SemaphoreSlim[] _stripes = [.. Enumerable.Range(0, 64).Select(_ => new SemaphoreSlim(1, 1))];
    private readonly Dictionary<string, long> _fresh = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();

    /// <summary>How long an unreferenced artefact is kept: a job or an upload may be about to refer to it.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromHours(1);

    /// <inheritdoc/>
    public async Task<string> PutAsync(ReadOnlyMemory<byte> content, string mediaType, CancellationToken cancellationToken = default)
    {
        (_, string extension, ImageFileFormat? format) = Array.Find(Types, type => type.MediaType == mediaType)
            is { MediaType: not null } known
            ? known
            : throw new InvalidRequestException(
                "media type",
                mediaType,
                $"kept are {string.Join(", ", Types.Select(type => type.MediaType))}");
        if (format is not null && ImageHeader.FormatOf(content.Span) != format)
        {
            throw new InvalidRequestException("media type", mediaType, "the file's first bytes are those of something else");
        }

        string sha256 = Convert.ToHexStringLower(SHA256.HashData(content.Span));
        SemaphoreSlim stripe = Stripe(sha256);
        await stripe.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            Touch(sha256);
            string path = PathOf(sha256, extension);
            if (!IsRegular(path, out long length) || length != content.Length)
            {
                RequireSpace(content.Length);
                await DurableFile.WriteAsync(path, content, cancellationToken).ConfigureAwait(false);
            }

            await ledger.AddArtifactAsync(sha256, content.Length).ConfigureAwait(false);
        }
        finally
        {
            stripe.Release();
        }

        return sha256;
    }

    /// <inheritdoc/>
    public Task RequireDiskAsync(CancellationToken cancellationToken = default) => disk.RequireAsync(cancellationToken);

    /// <inheritdoc/>
    public async Task<Artifact?> FindAsync(string sha256, CancellationToken cancellationToken = default)
    {
        if (!IsSha256(sha256))
        {
            return null;
        }

        foreach ((string mediaType, string extension, _) in Types)
        {
            string path = PathOf(sha256, extension);
            if (IsRegular(path, out _))
            {
                try
                {
                    return new Artifact(sha256, mediaType, await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false));
                }
                catch (FileNotFoundException)
                {
                    // Retention was faster.
                }
                catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
                {
                    throw new StorageException($"{path}: cannot be read ({exception.Message})", exception);
                }
            }
        }

        return null;
    }

    /// <summary>The end of a file's name by its media type, e.g. <c>.jpg</c>.</summary>
    public static string ExtensionOf(string mediaType) => Array.Find(Types, type => type.MediaType == mediaType).Extension ?? "";

    /// <summary>Whether a file is there.</summary>
    public bool Exists(string sha256) => IsSha256(sha256) && Array.Exists(Types, type => IsRegular(PathOf(sha256, type.Extension), out _));

    /// <summary>Whether a file is there; if it is, it stays for the grace, to be named by a job.</summary>
    public bool Hold(string sha256)
    {
        Touch(sha256);
        return Exists(sha256);
    }

    /// <inheritdoc/>
    public bool IsVisible(string caller, string sha256) => IsSha256(sha256) && ledger.IsVisible(caller, sha256);

    /// <inheritdoc/>
    public Task OwnAsync(string caller, string sha256)
    {
        Touch(sha256);
        return ledger.OwnAsync(caller, sha256);
    }

    /// <summary>Whether something was put or named within the grace; measured without the wall clock.</summary>
    public bool IsFresh(string sha256)
    {
        lock (_gate)
        {
            return _fresh.TryGetValue(sha256, out long since) && time.GetElapsedTime(since) < Grace;
        }
    }

    /// <summary>Removes a file, unless it was put again meanwhile.</summary>
    public async Task RemoveAsync(string sha256)
    {
        SemaphoreSlim stripe = Stripe(sha256);
        await stripe.WaitAsync().ConfigureAwait(false);
        try
        {
            if (!IsFresh(sha256))
            {
                Array.ForEach(Types, type => DurableFile.Remove(PathOf(sha256, type.Extension)));
            }
        }
        finally
        {
            stripe.Release();
        }
    }

    /// <summary>
    /// Removes what processes left that ended while they wrote: temporary files, and files that the ledger does not know.
    /// </summary>
    /// <param name="isKnown">Whether the ledger knows an artefact.</param>
    /// <param name="cancellationToken">Stops between files.</param>
    /// <returns>How many files were removed.</returns>
    public async Task<int> SweepAsync(Func<string, bool> isKnown, CancellationToken cancellationToken)
    {
        int removed = 0;
        foreach (
            string path in Directory.EnumerateFiles(
                folder.Artifacts,
                "*",
                new EnumerationOptions
                {
                    RecurseSubdirectories = true,
                    MaxRecursionDepth = 1,
                    AttributesToSkip = FileAttributes.ReparsePoint,
                }))
        {
            cancellationToken.ThrowIfCancellationRequested();
            string name = Path.GetFileNameWithoutExtension(path);
            if (AtomicFile.IsLeftover(path))
            {
                DurableFile.Remove(path);
                removed++;
            }
            else if (IsSha256(name) && !isKnown(name) && !IsFresh(name))
            {
                await RemoveAsync(name).ConfigureAwait(false);
                removed++;
            }
        }

        return removed;
    }

    /// <summary>Whether a text is 64 lower-case hex digits.</summary>
    public static bool IsSha256(string? text) => text is { Length: 64 } && text.All(char.IsAsciiHexDigitLower);

    // Refuses to write where little is free.
    private void RequireSpace(long bytes)
    {
        long free;
        try
        {
            free = folder.FreeBytes;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"{folder.Path}: {exception.Message}", exception);
        }

        if (free - bytes < options.Retention.FreeBytes)
        {
            throw new StorageException(
                FormattableString.Invariant(
                    $"{folder.Path}: no space left on the disk ({free} bytes are free, and {options.Retention.FreeBytes} have to stay so); free some"
                ))
            {
                IsFull = true,
            };
        }
    }

    private void Touch(string sha256)
    {
        lock (_gate)
        {
            _fresh[sha256] = time.GetTimestamp();
            if (_fresh.Count > 100_000)
            {
                foreach (
                    string old in _fresh.Where(entry => time.GetElapsedTime(entry.Value) >= Grace).Select(entry => entry.Key).ToArray())
                {
                    _fresh.Remove(old);
                }
            }
        }
    }

    private SemaphoreSlim Stripe(string sha256) => _stripes[Convert.ToInt32(sha256[..2], 16) % _stripes.Length];

    private string PathOf(string sha256, string extension) => Path.Combine(folder.Artifacts, sha256[..2], sha256 + extension);

    // Neither the file nor its folder may be a link: write access here must not give read access elsewhere.
    private static bool IsRegular(string path, out long length)
    {
        var file = new FileInfo(path);
        bool regular =
            file.Exists
            && file.LinkTarget is null
            && (file.Attributes & (FileAttributes.ReparsePoint | FileAttributes.Device)) == 0
            && file.Directory!.LinkTarget is null;
        length = regular ? file.Length : 0;
        return regular;
    }
}

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using DiffusionClip.Files;

namespace DiffusionClip.Scoring;

/// <summary>
/// Embeddings in memory up to a bound, and in a folder if one is given: one small file per picture, written aside and
/// renamed, so that processes may share it and none is ever torn.
/// </summary>
internal sealed class EmbeddingCache : IEmbeddingCache
{
    private readonly Dictionary<string, ReadOnlyMemory<float>> _memory = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();
    private readonly Lock _lock = new();
    private readonly int _width;
    private readonly int _capacity;
    private readonly string? _folder;

    /// <summary>Creates a cache for one model.</summary>
    /// <param name="model">What the vectors depend on: the model's hash, preprocessing and precision.</param>
    /// <param name="width">Values of a vector; files of another length are not read.</param>
    /// <param name="folder">Where vectors are kept between runs; null: nowhere.</param>
    /// <param name="capacity">Vectors held in memory; the oldest are dropped beyond.</param>
    public EmbeddingCache(string model, int width, string? folder, int capacity = 16_384)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        _width = width;
        _capacity = capacity;
        _folder = folder is null
            ? null
            : Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(model)))[..32]);
    }

    /// <inheritdoc/>
    public bool TryGet(string contentHash, out ReadOnlyMemory<float> embeds)
    {
        lock (_lock)
        {
            if (_memory.TryGetValue(contentHash, out embeds))
            {
                return true;
            }
        }

        if (_folder is not null && ReadFile(PathOf(contentHash)) is { } vector)
        {
            embeds = vector;
            Remember(contentHash, embeds);
            return true;
        }

        return false;
    }

    /// <inheritdoc/>
    public void Add(string contentHash, ReadOnlyMemory<float> embeds)
    {
        if (embeds.Length != _width)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"{embeds.Length} values; the cache holds vectors of {_width}."),
                nameof(embeds));
        }

        if (!Remember(contentHash, embeds) || _folder is null)
        {
            return;
        }

        try
        {
            string path = PathOf(contentHash);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            AtomicFile.Write(path, MemoryMarshal.AsBytes(embeds.Span), Durability.Process);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // A cache that cannot be written is slow, not wrong.
        }
    }

    // Spread over 256 folders: large flat ones are slow on some file systems.
    private string PathOf(string contentHash) => Path.Combine(_folder!, contentHash[..2], contentHash + ".f32");

    // A file cut short, say by a full disk, is as good as none.
    private float[]? ReadFile(string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists || file.Length != (long)_width * sizeof(float))
            {
                return null;
            }

            byte[] bytes = File.ReadAllBytes(path);
            return bytes.Length == _width * sizeof(float) ? MemoryMarshal.Cast<byte, float>(bytes).ToArray() : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private bool Remember(string contentHash, ReadOnlyMemory<float> embeds)
    {
        lock (_lock)
        {
            if (!_memory.TryAdd(contentHash, embeds))
            {
                return false;
            }

            _order.Enqueue(contentHash);
            if (_order.Count > _capacity)
            {
                _memory.Remove(_order.Dequeue());
            }

            return true;
        }
    }
}

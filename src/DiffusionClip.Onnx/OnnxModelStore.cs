using System.Globalization;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace DiffusionClip.Onnx;

/// <summary>The model store on ONNX Runtime.</summary>
public sealed partial class OnnxModelStore : IModelStore
{
    private readonly OnnxOptions _options;
    private readonly OnnxEnvironment _environment;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Dictionary<ModelKey, Entry> _entries = [];
    private readonly List<Task<LoadedModel>> _loads = [];
    private long _clock;
    private bool _disposed;

    /// <summary>Creates a store, and with the first one the runtime environment of the process.</summary>
    /// <param name="options">How models are run; copied.</param>
    /// <param name="logger">Where loading and evicting is logged; null: nowhere.</param>
    /// <exception cref="InvalidRequestException">An option is out of range.</exception>
    public OnnxModelStore(OnnxOptions options, ILogger<OnnxModelStore>? logger = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = new() { Provider = ExecutionProviders.Parse(options.Provider), Threads = options.Threads, Spinning = options.Spinning, KeepLoaded = options.KeepLoaded, MemoryBudget = options.MemoryBudget };
        _logger = logger ?? NullLogger<OnnxModelStore>.Instance;
        _environment = OnnxEnvironment.Get(_options, _logger);
    }

    /// <inheritdoc/>
    public string Runtime => $"ONNX Runtime {_environment.Version}";

    /// <inheritdoc/>
    public int Threads => _environment.Threads;

    /// <summary>How many models are loaded or loading now.</summary>
    public int Loaded
    {
        get
        {
            lock (_gate)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>
    /// Memory that a model takes once it is loaded, about: one and a half times its files. Weights are held once; graphs, folded constants and
    /// the arenas that loading and running leave behind come on top.
    /// </summary>
    /// <param name="folder">The model's folder.</param>
    /// <exception cref="ModelFolderException">A graph is damaged, or its external data leads out of the folder.</exception>
    public static long EstimateBytes(ModelFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        long bytes = folder.Files.Sum(file => new FileInfo(folder.PathOf(file)) is { Exists: true } info ? Target(info) is FileInfo { Exists: true } target ? target.Length : 0 : 0);
        return bytes + (bytes / 2);
    }

    /// <inheritdoc/>
    public async Task<GeneratorLease> LeaseGeneratorAsync(DiffusionFolder folder, string? provider, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(folder);
        (Entry entry, LoadedModel model) = await LeaseAsync(folder, provider, chosen => LoadedGenerator.LoadAsync(folder, chosen, _environment), cancellationToken).ConfigureAwait(false);
        return new OnnxGeneratorLease((LoadedGenerator)model, () => Return(entry));
    }

    /// <inheritdoc/>
    public async Task<ClipLease> LeaseScorerAsync(ClipFolder folder, string? provider, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(folder);
        (Entry entry, LoadedModel model) = await LeaseAsync(folder, provider, chosen => LoadedClip.LoadAsync(folder, chosen, _environment), cancellationToken).ConfigureAwait(false);
        return new OnnxClipLease((LoadedClip)model, () => Return(entry));
    }

    /// <summary>
    /// Frees every model that nobody leases; the others are freed when their last lease is given back. Waits for loads that are under
    /// way, also those that nobody waits for any more: a process that ends during one crashes in the runtime's native code.
    /// </summary>
    public void Dispose()
    {
        List<Entry> idle;
        Task[] loads;
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            idle = [.. _entries.Values.Where(entry => entry.Leases == 0)];
            idle.ForEach(entry => _entries.Remove(entry.Key));
            loads = [.. _loads];
        }

        idle.ForEach(Free);
        Task.WhenAll(loads).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).GetAwaiter().GetResult();
    }

    private async Task<(Entry Entry, LoadedModel Model)> LeaseAsync(
        ModelFolder folder, string? provider, Func<ProviderInUse, Task<LoadedModel>> load, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ProviderInUse chosen = Choose(provider);
        var key = new ModelKey(folder.Path, Revision(folder), chosen.Name);
        long bytes = EstimateBytes(folder);
        Entry? entry;
        List<Entry> evicted = [];
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_entries.TryGetValue(key, out entry) || entry.Model.IsFaulted)
            {
                evicted = Evict(bytes);
                entry = new(key, bytes);
                _entries[key] = entry;

                // Off this thread: sessions load synchronously, for seconds if the model is large.
                entry.Model = Task.Run(() => LoadAsync(folder, chosen, load), CancellationToken.None);
                _loads.Add(entry.Model);
                _ = entry.Model.ContinueWith(EndLoad, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }

            entry.Leases++;
        }

        evicted.ForEach(Free);
        try
        {
            return (entry, await entry.Model.WaitAsync(cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            Return(entry);
            throw;
        }
    }

    private async Task<LoadedModel> LoadAsync(ModelFolder folder, ProviderInUse chosen, Func<ProviderInUse, Task<LoadedModel>> load)
    {
        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        LoadedModel model = await load(chosen).ConfigureAwait(false);
        ModelLoaded(_logger, folder.Id, chosen.Name, System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalSeconds);
        return model;
    }

    private void EndLoad(Task<LoadedModel> load)
    {
        lock (_gate)
        {
            _loads.Remove(load);
        }
    }

    private ProviderInUse Choose(string? provider) => ExecutionProviders.Choose(
        provider ?? _options.Provider,
        candidate =>
        {
            using var _ = OnnxSession.CreateOptions(candidate, _environment);
        },
        ExecutionProviders.Available());

    private void Return(Entry entry)
    {
        List<Entry> evicted = [];
        lock (_gate)
        {
            entry.LastUsed = ++_clock;
            if (--entry.Leases > 0)
            {
                return;
            }

            bool failed = entry.Model.IsFaulted || entry.Model.IsCanceled;
            if (_disposed || failed)
            {
                // A failed load is forgotten: the folder may be mended before the next try.
                if (_entries.GetValueOrDefault(entry.Key) == entry)
                {
                    _entries.Remove(entry.Key);
                }

                evicted.Add(entry);
            }
            else
            {
                evicted.AddRange(Evict(0));
            }
        }

        evicted.ForEach(Free);
    }

    // Who nobody uses goes, the longest unused first: beyond the number kept, and until there is room.
    private List<Entry> Evict(long room)
    {
        Entry[] idle = [.. _entries.Values.Where(entry => entry.Leases == 0).OrderByDescending(entry => entry.LastUsed)];
        List<Entry> evicted = [.. idle.Skip(_options.KeepLoaded)];
        long loaded = _entries.Values.Sum(entry => entry.Bytes) - evicted.Sum(entry => entry.Bytes);
        foreach (Entry entry in idle.Take(_options.KeepLoaded).Reverse().TakeWhile(_ => loaded + room > (_options.MemoryBudget ?? long.MaxValue)))
        {
            evicted.Add(entry);
            loaded -= entry.Bytes;
        }

        evicted.ForEach(entry => _entries.Remove(entry.Key));
        return evicted;
    }

    private void Free(Entry entry)
    {
        // A load that nobody waits for any more ends later; a failed one has nothing to free.
        _ = entry.Model.ContinueWith(
            loaded =>
            {
                if (loaded.IsCompletedSuccessfully)
                {
                    loaded.GetAwaiter().GetResult().Dispose();
                    ModelFreed(_logger, Path.GetFileName(entry.Key.Path));
                }
                else
                {
                    _ = loaded.Exception;
                }
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    private static FileSystemInfo Target(FileSystemInfo info) => info.LinkTarget is null ? info : info.ResolveLinkTarget(returnFinalTarget: true) ?? info;

    // A model replaced on disk is another model; whoever leased the old one keeps it.
    private static string Revision(ModelFolder folder)
    {
        var revision = new System.Text.StringBuilder();
        foreach (string file in folder.Files)
        {
            string path = folder.PathOf(file);
            FileSystemInfo info = new FileInfo(path);
            info = Target(info);
            revision.Append(CultureInfo.InvariantCulture, $"{file}|{(info as FileInfo is { Exists: true } known ? known.Length : -1)}|{info.LastWriteTimeUtc.Ticks}\n");
        }

        return revision.ToString();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Model {Id} loaded on {Provider} in {Seconds:F2} s")]
    private static partial void ModelLoaded(ILogger logger, string id, string provider, double seconds);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Model {Id} freed")]
    private static partial void ModelFreed(ILogger logger, string id);

    private sealed record ModelKey(string Path, string Revision, string Provider);

    private sealed class Entry(ModelKey key, long bytes)
    {
        public ModelKey Key { get; } = key;

        public long Bytes { get; } = bytes;

        public Task<LoadedModel> Model { get; set; } = null!;

        public int Leases { get; set; }

        public long LastUsed { get; set; }
    }
}

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
    private readonly OnnxModelLoader[] _loaders;
    private readonly Lock _gate = new();
    private readonly Dictionary<ModelKey, Entry> _entries = [];
    private readonly List<Task> _loads = [];
    private long _clock;
    private bool _disposed;

    /// <summary>Creates a store, and with the first one the runtime environment of the process.</summary>
    /// <param name="options">How models are run; copied.</param>
    /// <param name="loaders">The kinds of models it loads.</param>
    /// <param name="logger">Where loading and evicting is logged; null: nowhere.</param>
    /// <exception cref="InvalidRequestException">An option is out of range.</exception>
    public OnnxModelStore(OnnxOptions options, IEnumerable<OnnxModelLoader> loaders, ILogger<OnnxModelStore>? logger = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loaders);
        _loaders = [.. loaders];
        options.Validate();
        _options = new()
        {
            Provider = ExecutionProviders.Parse(options.Provider),
            Threads = options.Threads,
            Spinning = options.Spinning,
            KeepLoaded = options.KeepLoaded,
            MemoryBudget = options.MemoryBudget,
        };
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
    /// Memory that a model takes once it is loaded, about: one and a half times its files. Weights are held once; graphs, folded constants
    /// and the arenas that loading and running leave behind come on top.
    /// </summary>
    /// <param name="folder">The model's folder.</param>
    /// <exception cref="ModelFolderException">A graph is damaged, or its external data leads out of the folder.</exception>
    public static long EstimateBytes(ModelFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        long bytes = folder.Files.Sum(file =>
            Target(new FileInfo(folder.PathOf(file))) is FileInfo { Exists: true } info ? info.Length : 0);
        return bytes + (bytes / 2);
    }

    /// <inheritdoc/>
    public async Task<TLease> LeaseAsync<TLease>(ModelSpec spec, CancellationToken cancellationToken)
        where TLease : ModelLease
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(spec.Folder);
        cancellationToken.ThrowIfCancellationRequested();
        OnnxModelLoader loader = LoaderOf(spec.Folder, typeof(TLease));
        if (spec.Adapters.Count > 0)
        {
            throw new InvalidRequestException("adapters", spec.Adapters[0].Path, "this build merges none into a model; leave them out");
        }

        Task<Entry> admission;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);

            // The state of each file is read from the disk: not on the caller's thread.
            admission = Task.Run(() => Admit(loader, spec), CancellationToken.None);
            Track(admission);
        }

        Entry entry = await AdmittedAsync(admission, cancellationToken).ConfigureAwait(false);
        try
        {
            LoadedModel model = await entry.Model.WaitAsync(cancellationToken).ConfigureAwait(false);
            return (TLease)model.Lend(() => Return(entry));
        }
        catch
        {
            Return(entry);
            throw;
        }
    }

    /// <summary>
    /// Frees every model without a lease; the others are freed when their last lease is given back. Waits for loads that are under
    /// way, also those that no caller waits for any more: a process that ends during one crashes in the runtime's native code.
    /// </summary>
    public void Dispose()
    {
        List<Entry> idle;
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            idle = [.. _entries.Values.Where(entry => entry.Leases == 0)];
            idle.ForEach(entry => _entries.Remove(entry.Key));
        }

        idle.ForEach(Free);
        Task[] loads;
        do
        {
            // A lease that was being admitted may have begun another load.
            lock (_gate)
            {
                loads = [.. _loads.Where(work => !work.IsCompleted)];
            }

            Task.WhenAll(loads)
                .ContinueWith(
                    static _ => { },
                    CancellationToken.None,
                    TaskContinuationOptions.ExecuteSynchronously,
                    TaskScheduler.Default)
                .GetAwaiter()
                .GetResult();
        } while (loads.Length > 0);
    }

    private OnnxModelLoader LoaderOf(ModelFolder folder, Type lease) =>
        Array.Find(_loaders, loader => loader.Lease == lease && loader.Takes(folder))
        ?? throw new InvalidRequestException(
            "model",
            folder.Id,
            Array.FindAll(_loaders, loader => loader.Lease == lease) is { Length: > 0 } those
                ? $"it is a {folder.Kind}; expected {string.Join(" or ", those.Select(loader => loader.Loads))}"
                : $"no loader of this build gives a {lease.Name}");

    private (ModelKey Key, ProviderInUse Provider, long Bytes) Identify(OnnxModelLoader loader, ModelSpec spec)
    {
        ProviderInUse provider = Choose(spec.Provider);
        string precision = spec.Folder.Precision;
        if (spec.Precision is { } asked && asked != precision)
        {
            throw new InvalidRequestException("precision", asked, $"{spec.Folder.Id} is {precision}; this build converts no weights");
        }

        var key = new ModelKey(
            loader.Lease,
            spec.Folder.Path,
            spec.Revision ?? Revision(spec.Folder),
            string.Join(
                '\n',
                spec.Adapters.Select(adapter => string.Create(CultureInfo.InvariantCulture, $"{adapter.Scale:R} {adapter.Path}"))),
            provider.Name,
            precision);
        return (key, provider, EstimateBytes(spec.Folder));
    }

    // Finds the model's entry, or makes it and begins to load; with a lease counted for the caller.
    private Entry Admit(OnnxModelLoader loader, ModelSpec spec)
    {
        (ModelKey key, ProviderInUse provider, long bytes) = Identify(loader, spec);
        Entry? entry;
        List<Entry> evicted = [];
        lock (_gate)
        {
            if (!_entries.TryGetValue(key, out entry) || entry.Model.IsFaulted)
            {
                evicted = Evict(bytes);
                entry = new(key, bytes);
                _entries[key] = entry;
                entry.Model = Task.Run(() => LoadAsync(loader, spec, provider), CancellationToken.None);
                Track(entry.Model);
            }

            entry.Leases++;
        }

        evicted.ForEach(Free);
        return entry;
    }

    // A caller that stops waiting gives back what it is admitted to later.
    private async Task<Entry> AdmittedAsync(Task<Entry> admission, CancellationToken cancellationToken)
    {
        try
        {
            return await admission.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _ = admission.ContinueWith(
                late => Return(late.GetAwaiter().GetResult()),
                CancellationToken.None,
                TaskContinuationOptions.OnlyOnRanToCompletion,
                TaskScheduler.Default);
            throw;
        }
    }

    private async Task<LoadedModel> LoadAsync(OnnxModelLoader loader, ModelSpec spec, ProviderInUse provider)
    {
        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        LoadedModel model = await loader.LoadAsync(spec, provider, _environment).ConfigureAwait(false);
        ModelLoaded(_logger, spec.Folder.Id, provider.Name, System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalSeconds);
        return model;
    }

    // Called under the gate.
    private void Track(Task work)
    {
        _loads.Add(work);
        _ = work.ContinueWith(EndLoad, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    private void EndLoad(Task work)
    {
        lock (_gate)
        {
            _loads.Remove(work);
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

    // Evicts models without a lease, least recently used first: beyond the number kept, and until there is room.
    private List<Entry> Evict(long room)
    {
        Entry[] idle = [.. _entries.Values.Where(entry => entry.Leases == 0).OrderByDescending(entry => entry.LastUsed)];
        List<Entry> evicted = [.. idle.Skip(_options.KeepLoaded)];
        long loaded = _entries.Values.Sum(entry => entry.Bytes) - evicted.Sum(entry => entry.Bytes);
        foreach (
            Entry entry in idle.Take(_options.KeepLoaded)
                .Reverse()
                .TakeWhile(_ => loaded + room > (_options.MemoryBudget ?? long.MaxValue)))
        {
            evicted.Add(entry);
            loaded -= entry.Bytes;
        }

        evicted.ForEach(entry => _entries.Remove(entry.Key));
        return evicted;
    }

    private void Free(Entry entry)
    {
        // A load that no caller waits for any more ends later; a failed one has nothing to free.
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

    private static FileSystemInfo Target(FileSystemInfo info) =>
        info.LinkTarget is null ? info : info.ResolveLinkTarget(returnFinalTarget: true) ?? info;

    // A model replaced on disk is another model; leases of the old one keep it.
    private static string Revision(ModelFolder folder)
    {
        var revision = new System.Text.StringBuilder();
        foreach (string file in folder.Files)
        {
            string path = folder.PathOf(file);
            FileSystemInfo info = new FileInfo(path);
            info = Target(info);
            revision.Append(
                CultureInfo.InvariantCulture,
                $"{file}|{(info as FileInfo is { Exists: true } known ? known.Length : -1)}|{info.LastWriteTimeUtc.Ticks}\n");
        }

        return revision.ToString();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Model {Id} loaded on {Provider} in {Seconds:F2} s")]
    private static partial void ModelLoaded(ILogger logger, string id, string provider, double seconds);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Model {Id} freed")]
    private static partial void ModelFreed(ILogger logger, string id);

    private sealed record ModelKey(Type Lease, string Path, string Revision, string Adapters, string Provider, string Precision);

    private sealed class Entry(ModelKey key, long bytes)
    {
        public ModelKey Key { get; } = key;

        public long Bytes { get; } = bytes;

        public Task<LoadedModel> Model { get; set; } = null!;

        public int Leases { get; set; }

        public long LastUsed { get; set; }
    }
}

using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Onnx;

/// <summary>
/// A loaded graph. Reference-counted: runs and buffers keep it alive, also after it was disposed.
/// On the CPU any number of threads may run it at once; DirectML gets one run at a time, and a session for each shape.
/// </summary>
internal sealed class OnnxSession : IDisposable
{
    // Shapes of one graph that stay loaded: guidance batched and split, and the same at another size.
    private const int KeptShapes = 4;

    // kOrtSessionOptionsModelExternalInitializersFileFolderPath.
    private const string ExternalDataFolder = "session.model_external_initializers_file_folder_path";

    private readonly Lock? _oneAtATime;
    private readonly Lock _gate = new();
    private readonly Func<IReadOnlyDictionary<string, long>, OnnxSession>? _loadShape;

    // The last used last.
    private readonly List<(string Key, OnnxSession Session)> _shapes = [];
    private int _references = 1;
    private bool _disposed;

    private OnnxSession(
        string path,
        InferenceSession session,
        string provider,
        Func<IReadOnlyDictionary<string, long>, OnnxSession>? loadShape)
    {
        Path = path;
        Inner = session;
        Provider = provider;
        _loadShape = loadShape;
        _oneAtATime = provider == ExecutionProviders.DirectMl ? new() : null;
        Inputs = [.. session.InputMetadata.Select(Port.Of)];
        Outputs = [.. session.OutputMetadata.Select(Port.Of)];
    }

    /// <summary>Path of the graph.</summary>
    public string Path { get; }

    /// <summary>Provider that runs it.</summary>
    public string Provider { get; }

    /// <summary>Whether its inputs and outputs are read from host memory as they lie.</summary>
    public bool IsHost => Provider == ExecutionProviders.Cpu;

    /// <summary>Inputs in the graph's order.</summary>
    public IReadOnlyList<Port> Inputs { get; }

    /// <summary>Outputs in the graph's order.</summary>
    public IReadOnlyList<Port> Outputs { get; }

    /// <summary>The runtime's session; only between <see cref="Acquire"/> and <see cref="Release"/>.</summary>
    public InferenceSession Inner { get; }

    /// <summary>Loads a graph.</summary>
    /// <param name="path">The graph.</param>
    /// <param name="provider">Provider that runs it.</param>
    /// <param name="environment">The process's environment.</param>
    /// <exception cref="ModelFolderException">ONNX Runtime refuses the graph.</exception>
    public static OnnxSession Load(string path, string provider, OnnxEnvironment environment) =>
        Load(GraphSource.OfFile(path), provider, environment);

    /// <summary>Loads a graph.</summary>
    /// <param name="source">Where it comes from.</param>
    /// <param name="provider">Provider that runs it.</param>
    /// <param name="environment">The process's environment.</param>
    /// <exception cref="ModelFolderException">ONNX Runtime refuses the graph.</exception>
    public static OnnxSession Load(GraphSource source, string provider, OnnxEnvironment environment) =>
        Load(source, provider, environment, fixShapes: provider == ExecutionProviders.DirectMl);

    /// <summary>Loads a graph, with a session for each shape it runs with or one for all.</summary>
    internal static OnnxSession Load(GraphSource source, string provider, OnnxEnvironment environment, bool fixShapes) => fixShapes

        // This one only says what the graph's ports are; those that run are made when a shape is known.
        ? Create(
            source, ExecutionProviders.Cpu, environment, GraphOptimizationLevel.ORT_DISABLE_ALL, [],
            dimensions => Create(source, provider, environment, GraphOptimizationLevel.ORT_ENABLE_ALL, dimensions, null))
        : Create(source, provider, environment, GraphOptimizationLevel.ORT_ENABLE_ALL, [], null);

    private static OnnxSession Create(
        GraphSource source,
        string provider,
        OnnxEnvironment environment,
        GraphOptimizationLevel optimization,
        IEnumerable<KeyValuePair<string, long>> dimensions,
        Func<IReadOnlyDictionary<string, long>, OnnxSession>? loadShape)
    {
        using SessionOptions options = CreateOptions(provider, environment);
        options.GraphOptimizationLevel = optimization;
        foreach ((string name, long size) in dimensions)
        {
            options.AddFreeDimensionOverrideByName(name, size);
        }

        try
        {
            return new(source.Path, Open(source, options), provider, loadShape);
        }
        catch (OnnxRuntimeException exception)
        {
            throw new ModelFolderException(
                source.Path,
                $"ONNX Runtime cannot load it: {exception.Message.ReplaceLineEndings(" ")}",
                exception);
        }
    }

    private static InferenceSession Open(GraphSource source, SessionOptions options)
    {
        if (source.Bytes is not { } bytes)
        {
            return new InferenceSession(source.Path, options);
        }

        // A graph from memory has no path: the runtime is given the folder of its external data.
        options.AddSessionConfigEntry(ExternalDataFolder, System.IO.Path.GetDirectoryName(source.Path)!);
        return new InferenceSession(bytes, options);
    }

    /// <summary>Options of every session.</summary>
    internal static SessionOptions CreateOptions(string provider, OnnxEnvironment environment)
    {
        var options = new SessionOptions();
        try
        {
            if (environment.HasGlobalPool)
            {
                options.DisablePerSessionThreads();
            }
            else
            {
                options.IntraOpNumThreads = environment.Threads;
            }

            ExecutionProviders.SetUp(options, provider);
            return options;
        }
        catch
        {
            options.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The session that runs inputs of these shapes: this one, or on DirectML one of its own for them. Acquired for the caller.
    /// </summary>
    /// <param name="inputs">Inputs and their shapes.</param>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public OnnxSession ForShapes(IEnumerable<(Port Port, long[] Shape)> inputs)
    {
        if (_loadShape is null)
        {
            Acquire();
            return this;
        }

        var dimensions = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach ((Port port, long[] shape) in inputs)
        {
            for (int axis = 0; axis < shape.Length; axis++)
            {
                if (port.Fixed(axis) is null && port.Symbols.ElementAtOrDefault(axis) is { Length: > 0 } symbol)
                {
                    dimensions[symbol] = shape[axis];
                }
            }
        }

        string key = string.Join(',', dimensions);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            int at = _shapes.FindIndex(shape => shape.Key == key);
            OnnxSession session = at < 0 ? _loadShape(dimensions) : _shapes[at].Session;
            if (at >= 0)
            {
                _shapes.RemoveAt(at);
            }

            _shapes.Add((key, session));
            session.Acquire();
            if (_shapes.Count > KeptShapes)
            {
                _shapes[0].Session.Dispose();
                _shapes.RemoveAt(0);
            }

            return session;
        }
    }

    /// <summary>Shapes that have a session of their own now.</summary>
    internal int Shapes => _shapes.Count;

    /// <summary>Keeps the session alive until <see cref="Release"/>.</summary>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public void Acquire()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _references++;
        }
    }

    /// <summary>Lets go what <see cref="Acquire"/> kept.</summary>
    public void Release()
    {
        lock (_gate)
        {
            if (--_references > 0)
            {
                return;
            }
        }

        Inner.Dispose();
    }

    /// <summary>Frees the session once its last run has ended.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            _shapes.ForEach(shape => shape.Session.Dispose());
            _shapes.Clear();
        }

        Release();
    }

    /// <summary>Runs the graph on what is bound; allocates nothing.</summary>
    public void Run(RunOptions options, OrtIoBinding binding)
    {
        if (_oneAtATime is null)
        {
            Inner.RunWithBinding(options, binding);
            return;
        }

        lock (_oneAtATime)
        {
            binding.SynchronizeBoundInputs();
            Inner.RunWithBinding(options, binding);
            binding.SynchronizeBoundOutputs();
        }
    }

    /// <summary>Runs the graph once and gives its outputs in host memory; a cancelled token ends it from within.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public IDisposableReadOnlyCollection<OrtValue> Run(
        string[] inputs,
        OrtValue[] values,
        string[] outputs,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Acquire();
        try
        {
            using RunOptions options = new();

            // Disposed before the options are: no callback can reach them afterwards.
            using CancellationTokenRegistration registration =
                cancellationToken.UnsafeRegister(static state => ((RunOptions)state!).Terminate = true, options);
            try
            {
                if (_oneAtATime is null)
                {
                    return Inner.Run(options, inputs, values, outputs);
                }

                lock (_oneAtATime)
                {
                    return Inner.Run(options, inputs, values, outputs);
                }
            }
            catch (OnnxRuntimeException exception) when (cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException("The evaluation was ended from outside.", exception, cancellationToken);
            }
        }
        finally
        {
            Release();
        }
    }
}

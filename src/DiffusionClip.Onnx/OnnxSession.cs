using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Onnx;

/// <summary>
/// A loaded graph. Counted: whoever still runs or holds buffers of it keeps it alive, whoever disposes it meanwhile.
/// On the CPU any number of threads may run it at once; DirectML gets one run at a time.
/// </summary>
internal sealed class OnnxSession : IDisposable
{
    private readonly Lock? _oneAtATime;
    private readonly Lock _gate = new();
    private int _references = 1;
    private bool _disposed;

    private OnnxSession(string path, InferenceSession session, string provider)
    {
        Path = path;
        Inner = session;
        Provider = provider;
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
    /// <param name="dimensions">Free dimensions to fix, by their name in the graph; null: none.</param>
    /// <exception cref="ModelFolderException">ONNX Runtime refuses the graph.</exception>
    public static OnnxSession Load(string path, string provider, OnnxEnvironment environment, IReadOnlyDictionary<string, long>? dimensions = null)
    {
        using SessionOptions options = CreateOptions(provider, environment);
        foreach ((string name, long value) in dimensions ?? new Dictionary<string, long>())
        {
            options.AddFreeDimensionOverrideByName(name, value);
        }

        try
        {
            return new(path, new InferenceSession(path, options), provider);
        }
        catch (OnnxRuntimeException exception)
        {
            throw new ModelFolderException(path, $"ONNX Runtime cannot load it: {exception.Message.ReplaceLineEndings(" ")}", exception);
        }
    }

    /// <summary>Options of every session.</summary>
    internal static SessionOptions CreateOptions(string provider, OnnxEnvironment environment)
    {
        var options = new SessionOptions { GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL };
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

    /// <summary>Frees the session as soon as nobody runs it any more.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
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
    public IDisposableReadOnlyCollection<OrtValue> Run(string[] inputs, OrtValue[] values, string[] outputs, CancellationToken cancellationToken)
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

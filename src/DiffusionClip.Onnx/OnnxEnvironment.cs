using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Onnx;

/// <summary>
/// ONNX Runtime's environment of the process. It has one thread pool for all sessions: with a pool each, idle threads of one model spin
/// while another runs.
/// </summary>
internal sealed partial class OnnxEnvironment
{
    private static readonly Lock Gate = new();
    private static OnnxEnvironment? current;

    // ONNX Runtime keeps a pointer to it for as long as the process lives.
    private static DOrtLoggingFunction? logging;
    private static ILogger? sink;

    private OnnxEnvironment(int threads, bool hasGlobalPool)
    {
        Threads = threads;
        HasGlobalPool = hasGlobalPool;
        Version = OrtEnv.Instance().GetVersionString();
    }

    /// <summary>Threads that operators run on.</summary>
    public int Threads { get; }

    /// <summary>Whether the environment is ours and has the one pool; else each session makes its own.</summary>
    public bool HasGlobalPool { get; }

    /// <summary>ONNX Runtime's version.</summary>
    public string Version { get; }

    /// <summary>The environment as it is, with the default options if there is none yet.</summary>
    public static OnnxEnvironment Current
    {
        get
        {
            lock (Gate)
            {
                return current ??= Create(new OnnxOptions(), Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
            }
        }
    }

    /// <summary>
    /// The environment; made by the first call, whose options count. One that the host made before is used with a warning.
    /// </summary>
    public static OnnxEnvironment Get(OnnxOptions options, ILogger logger)
    {
        lock (Gate)
        {
            sink = logger;
            if (current is null)
            {
                current = Create(options, logger);
            }
            else if (options.Threads is { } wanted && wanted != current.Threads)
            {
                OptionsComeLate(logger, current.Threads, wanted);
            }

            return current;
        }
    }

    private static OnnxEnvironment Create(OnnxOptions options, ILogger logger)
    {
        int threads = options.Threads ?? PhysicalCores();
        if (OrtEnv.IsCreated)
        {
            EnvironmentExists(logger);
            return new(threads, hasGlobalPool: false);
        }

        DisableTelemetry();
        using OrtThreadingOptions threading = new()
        {
            GlobalIntraOpNumThreads = threads,
            GlobalInterOpNumThreads = 1,
            GlobalSpinControl = options.Spinning,
        };
        logging = Log;
        var creation = new EnvironmentCreationOptions
        {
            logId = "diffusionclip",
            logLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_WARNING,
            threadOptions = threading,
            loggingFunction = logging,
        };
        OrtEnv.CreateInstanceWithOptions(ref creation).DisableTelemetryEvents();
        return new(threads, hasGlobalPool: true);
    }

    /// <summary>
    /// Keeps ONNX Runtime from recording what it does: its builds write a device id and a database of events into the user's cache
    /// folder and send them to their maker. Said before the library is loaded, which may be where it begins.
    /// </summary>
    private static void DisableTelemetry()
    {
        const string name = "ORT_DISABLE_TELEMETRY";
        if (Environment.GetEnvironmentVariable(name) is not null)
        {
            // The user has decided.
            return;
        }

        Environment.SetEnvironmentVariable(name, "1");
        if (!OperatingSystem.IsWindows())
        {
            // .NET's own copy of the environment is not what native code reads.
            _ = SetNative(name, "1", overwrite: 1);
        }
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetNative(string name, string value, int overwrite);

    /// <summary>Physical cores that this process may use; hyper-threads of one core share its arithmetic units and do not help.</summary>
    internal static int PhysicalCores()
    {
        // A container's quota and the process's affinity are in ProcessorCount.
        int usable = Environment.ProcessorCount;
        try
        {
            const string cpus = "/sys/devices/system/cpu";
            if (!OperatingSystem.IsLinux() || !Directory.Exists(cpus))
            {
                return usable;
            }

            int cores = Directory.EnumerateDirectories(cpus, "cpu*")
                .Select(cpu => Path.Combine(cpu, "topology"))
                .Where(Directory.Exists)
                .Select(topology => (Read(topology, "physical_package_id"), Read(topology, "core_id")))
                .Distinct()
                .Count();
            return cores > 0 ? Math.Min(cores, usable) : usable;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return usable;
        }
    }

    private static string Read(string folder, string name) => File.ReadAllText(Path.Combine(folder, name)).Trim();

    private static void Log(IntPtr parameter, OrtLoggingLevel severity, string category, string id, string location, string message)
    {
        // Users cannot act on warnings (unused initializers, nodes left on the CPU); errors, an aborted run among them,
        // come as exceptions too.
        LogLevel level = severity switch
        {
            OrtLoggingLevel.ORT_LOGGING_LEVEL_VERBOSE => LogLevel.Trace,
            OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL => LogLevel.Critical,
            _ => LogLevel.Debug,
        };
        try
        {
            if (sink is { } logger)
            {
                RuntimeSays(logger, level, message);
            }
        }
        catch (Exception exception) when (exception is ObjectDisposedException or AggregateException)
        {
            // The caller is native code, which an exception must not enter: the host of the logger may be gone before the runtime is.
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "This process already has an ONNX Runtime environment: its threads are used as they are, and each session makes a pool of its own."
    )]
    private static partial void EnvironmentExists(ILogger logger);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "The threads of this process are set to {Threads} already; {Wanted} is not applied.")]
    private static partial void OptionsComeLate(ILogger logger, int threads, int wanted);

    [LoggerMessage(Message = "ONNX Runtime: {Text}")]
    private static partial void RuntimeSays(ILogger logger, LogLevel level, string text);
}

namespace DiffusionClip.Worker;

/// <summary>The section <c>Worker</c> of the configuration. An unknown key is an error that names it.</summary>
public sealed class WorkerOptions
{
    /// <summary>Name of the section.</summary>
    public const string Section = "Worker";

    /// <summary>Folder of the ledger, the artefacts and the snapshots; relative to the working folder.</summary>
    public string DataFolder { get; set; } = "worker-data";

    /// <summary>Address it listens at. Anything but loopback needs a key.</summary>
    public string Url { get; set; } = "http://127.0.0.1:7860";

    /// <summary>The queue.</summary>
    public QueueOptions Queue { get; set; } = new();

    /// <summary>What is kept, and how long.</summary>
    public RetentionOptions Retention { get; set; } = new();

    /// <summary>Keys, hosts and origins.</summary>
    public TrustOptions Trust { get; set; } = new();

    /// <summary>What the interfaces of other programs do where their requests say nothing.</summary>
    public CompatibilityOptions Compatibility { get; set; } = new();
}

/// <summary>The queue.</summary>
public sealed class QueueOptions
{
    /// <summary>Most jobs that wait.</summary>
    public int Capacity { get; set; } = 10_000;

    /// <summary>Most jobs of one caller that wait.</summary>
    public int CallerCapacity { get; set; } = 2_000;

    /// <summary>Jobs that run at once.</summary>
    public int Concurrency { get; set; } = 1;

    /// <summary>Most jobs of one model in a row while others wait that need another.</summary>
    public int SameModelRun { get; set; } = 8;

    /// <summary>Starts of a job that may end the process before it is set aside.</summary>
    public int MaxAttempts { get; set; } = 3;

    /// <summary>How long a shutdown waits for running jobs before it snapshots them.</summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>Least time between two snapshots of a job.</summary>
    public TimeSpan SnapshotInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Largest estimated memory of all loaded models, in bytes; null: <c>DiffusionClip:Runtime:MemoryBudget</c>, and without that half of
    /// the machine's.
    /// </summary>
    public long? MemoryBudget { get; set; }

    /// <summary>Least time between two previews of a candidate; zero: none are made.</summary>
    public TimeSpan PreviewInterval { get; set; } = TimeSpan.FromMilliseconds(500);
}

/// <summary>What is kept.</summary>
public sealed class RetentionOptions
{
    /// <summary>How long jobs that are over and their artefacts are kept.</summary>
    public TimeSpan Age { get; set; } = TimeSpan.FromDays(30);

    /// <summary>Most bytes of all artefacts; the oldest unpinned jobs go first.</summary>
    public long TotalBytes { get; set; } = 20L << 30;

    /// <summary>Least free bytes of the disk: below it nothing is accepted.</summary>
    public long FreeBytes { get; set; } = 64L << 20;
}

/// <summary>Keys, hosts and origins.</summary>
public sealed class TrustOptions
{
    /// <summary>Keys by the name of their caller. Secrets come from the environment or <see cref="KeyFile"/>.</summary>
    public IDictionary<string, string> Keys { get; set; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>A file with one <c>name: key</c> a line.</summary>
    public string? KeyFile { get; set; }

    /// <summary>Host names that requests may name, besides those of the address it listens at.</summary>
    public IList<string> Hosts { get; set; } = [];

    /// <summary>Origins of other sites whose pages may send requests, e.g. <c>http://127.0.0.1:8000</c>.</summary>
    public IList<string> Origins { get; set; } = [];

    /// <summary>Largest body in bytes.</summary>
    public long BodyBytes { get; set; } = 64L << 20;

    /// <summary>
    /// Whether pictures in requests may be URLs. Then https only, the resolved address pinned and public, no redirects, bounded.
    /// </summary>
    public bool FetchUrls { get; set; }
}

/// <summary>What the interfaces of other programs do where their requests say nothing.</summary>
public sealed class CompatibilityOptions
{
    /// <summary>Candidates per picture kept; 1: as many as are asked for.</summary>
    public int CandidatesPerImage { get; set; } = 1;

    /// <summary>Strategy of searches; null: the default.</summary>
    public string? Strategy { get; set; }

    /// <summary>Phrases that <c>interrogate</c> ranks, a file with one a line; null: the list that ships.</summary>
    public string? InterrogatePhrases { get; set; }
}

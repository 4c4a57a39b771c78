namespace DiffusionClip.Hosting;

/// <summary>The section <c>DiffusionClip</c> of the configuration.</summary>
public sealed class DiffusionClipOptions : PipelineOptions
{
    /// <summary>Name of the section.</summary>
    public const string Section = "DiffusionClip";

    /// <summary>Folders that hold model folders; relative to the content root.</summary>
    public IList<string> ModelFolders { get; set; } = [];

    /// <summary>Folder that runs are written to; relative to the working folder.</summary>
    public string Output { get; set; } = "output";

    /// <summary>The runtime.</summary>
    public RuntimeOptions Runtime { get; set; } = new();

    /// <summary>Folder that embeddings are kept in between runs; null: the user's cache folder.</summary>
    public string? CacheFolder { get; set; }
}

/// <summary>The runtime: one for the whole process, so the first host decides.</summary>
public sealed class RuntimeOptions
{
    /// <summary>Threads of the pool that all sessions share, 1 to 1024; null: one a physical core.</summary>
    public int? Threads { get; set; }

    /// <summary>Whether idle threads spin for a moment instead of sleeping at once: faster alone, slower beside other work.</summary>
    public bool Spinning { get; set; }

    /// <summary>Unleased models that stay loaded, 0 to 1000; beyond it they are evicted, least recently used first.</summary>
    public int KeepLoaded { get; set; } = 4;

    /// <summary>
    /// Estimated bytes of all loaded models, 2^20 to 2^50, above which unleased ones are evicted before another is loaded; null: no
    /// bound, and in the worker half of the machine's memory.
    /// </summary>
    public long? MemoryBudget { get; set; }
}

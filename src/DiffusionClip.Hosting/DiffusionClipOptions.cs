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

    /// <summary>Folder that embeddings are kept in between runs; null: the user's cache folder.</summary>
    public string? CacheFolder { get; set; }
}

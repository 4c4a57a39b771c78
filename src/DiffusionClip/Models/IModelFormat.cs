namespace DiffusionClip.Models;

/// <summary>
/// A layout in which models are published. Formats are registered with the host; each recognizes its models and reads them, so that a new
/// kind of model is a format and a loader beside the others. Thread-safe.
/// </summary>
public interface IModelFormat
{
    /// <summary>What its models are for.</summary>
    ModelKind Kind { get; }

    /// <summary>The files that make a path such a model, for messages, e.g. <c>a model_index.json (diffusion)</c>.</summary>
    string Layout { get; }

    /// <summary>Whether a path looks like such a model. Cheap: it looks at names, and opens at most a graph's header.</summary>
    /// <param name="path">Absolute path of a folder, or of an <c>.onnx</c> file that stands alone.</param>
    bool Matches(string path);

    /// <summary>Reads such a model.</summary>
    /// <param name="location">Where it is, and what its <c>diffusionclip.json</c> says.</param>
    /// <exception cref="ModelFolderException">It is incomplete, damaged or does not fit together; names the file.</exception>
    ModelFolder Read(ModelLocation location);
}

/// <summary>Where a model is.</summary>
public sealed record ModelLocation
{
    /// <summary>Absolute path of its folder, or of its only graph.</summary>
    public required string Path { get; init; }

    /// <summary>Which of several precisions was asked for (<c>#q4f16</c>); null: none in particular.</summary>
    public string? Variant { get; init; }

    /// <summary><c>diffusionclip.json</c> of the folder; null if there is none.</summary>
    public ModelManifest? Manifest { get; init; }
}

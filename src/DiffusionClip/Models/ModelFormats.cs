namespace DiffusionClip.Models;

/// <summary>The formats of models that this build reads, in the order in which they are asked.</summary>
public sealed class ModelFormats
{
    private readonly IModelFormat[] _formats;

    /// <summary>Gathers formats; a folder that fits several is of the first.</summary>
    public ModelFormats(IEnumerable<IModelFormat> formats) => _formats = [.. formats];

    /// <summary>Opens a model.</summary>
    /// <param name="path">
    /// A folder, or an <c>.onnx</c> file that is a model by itself; of a model in several precisions, <c>#</c> and one of them may follow
    /// (<c>models/clip#q4f16</c>).
    /// </param>
    /// <exception cref="ModelFolderException">It is missing, incomplete, damaged or does not fit together; names the file.</exception>
    public ModelFolder Open(string path)
    {
        (string bare, string? variant) = ModelFolder.SplitVariant(path);
        string full = Existing(bare);
        ModelManifest? manifest = Directory.Exists(full) ? ModelManifest.ReadIfThere(full) : null;
        IModelFormat format = manifest?.Kind is { } declared ? Declared(full, declared) : FormatOf(full) ?? throw Unknown(full);
        return format.Read(new() { Path = full, Variant = variant, Manifest = manifest });
    }

    /// <summary>Opens a model of one kind.</summary>
    /// <typeparam name="TFolder">How such a model is read.</typeparam>
    /// <param name="path">As <see cref="Open(string)"/> takes it.</param>
    /// <param name="expected">What is expected, for the message, e.g. <c>a CLIP model</c>.</param>
    /// <exception cref="ModelFolderException">It cannot be opened, or is a model of another kind.</exception>
    public TFolder Open<TFolder>(string path, string expected)
        where TFolder : ModelFolder => Open(path) is var folder && folder is TFolder wanted
        ? wanted
        : throw new ModelFolderException(path, $"a model of the kind {folder.Kind}; expected {expected}");

    /// <summary>
    /// Whether a path looks like a model: a folder in one of the layouts or with a <c>diffusionclip.json</c>, or a lone graph.
    /// </summary>
    internal bool LooksLikeModel(string path) =>
        File.Exists(System.IO.Path.Combine(path, ModelManifest.FileName)) || FormatOf(path) is not null;

    /// <summary>What a path holds by its layout; null where it has none that is known.</summary>
    internal ModelKind? KindOf(string path) => FormatOf(path)?.Kind;

    private IModelFormat? FormatOf(string path) => Array.Find(_formats, format => format.Matches(path));

    private IModelFormat Declared(string folder, ModelKind kind) => Array.Find(_formats, format => format.Kind == kind)
        ?? throw new ModelFolderException(
            Path.Combine(folder, ModelManifest.FileName),
            $"kind is \"{kind}\"; expected {string.Join(" or ", _formats.Select(format => $"\"{format.Kind}\""))}");

    private ModelFolderException Unknown(string path) => File.Exists(path)
        ? new(path, "a file; expected the folder of a model")
        : new(path, $"no model; expected {string.Join(", or ", _formats.Select(format => format.Layout))}");

    private string Existing(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (Directory.Exists(full) || File.Exists(full))
        {
            return full;
        }

        string? parent = Path.GetDirectoryName(full);
        string beside =
            parent is null || !Directory.Exists(parent) ? $"'{parent}' is missing too"
            : Directory
                .EnumerateDirectories(parent)
                .Where(LooksLikeModel)
                .Select(Path.GetFileName)
                .Order(StringComparer.Ordinal)
                .Take(10)
                .ToArray()
                is { Length: > 0 } names
                ? $"model folders there are {string.Join(", ", names)}"
                : $"'{parent}' holds no model folders";
        throw new ModelFolderException(full, $"missing; expected the folder of a model; {beside}");
    }
}

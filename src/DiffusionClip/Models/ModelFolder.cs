namespace DiffusionClip.Models;

/// <summary>A folder that holds a model, as its files describe it. Immutable, needs no runtime; the graphs themselves are not loaded.</summary>
public abstract class ModelFolder
{
    private readonly Lazy<IReadOnlyDictionary<string, OnnxGraphFile>> _graphFiles;
    private readonly Lazy<IReadOnlyList<string>> _files;

    private protected ModelFolder(string path, ModelKind kind, ModelManifest? manifest)
    {
        Path = path;
        Kind = kind;
        Manifest = manifest;
        if (manifest?.Kind is { } declared && declared != kind)
        {
            throw new ModelFolderException(System.IO.Path.Combine(path, ModelManifest.FileName), $"kind says {declared}, but the folder's layout is that of {kind}");
        }

        Id = manifest?.Id ?? System.IO.Path.GetFileName(path);

        // A failure is not remembered: the file may be mended.
        _graphFiles = new(() => Graphs.ToDictionary(graph => graph, graph => OnnxGraphFile.Read(PathOf(graph), Path)), LazyThreadSafetyMode.PublicationOnly);
        _files = new(ListFiles, LazyThreadSafetyMode.PublicationOnly);
    }

    /// <summary>Absolute path of the folder.</summary>
    public string Path { get; }

    /// <summary>The model's id: of <c>diffusionclip.json</c>, else the folder's name.</summary>
    public string Id { get; }

    /// <summary>What it holds.</summary>
    public ModelKind Kind { get; }

    /// <summary>Licence of the weights, if the folder says it.</summary>
    public string? License => Manifest?.License;

    /// <summary><c>diffusionclip.json</c>; null if there is none.</summary>
    public ModelManifest? Manifest { get; }

    /// <summary>
    /// The files that make the model, by path in the folder with <c>/</c>, in ordinal order: graphs with their external data, configurations,
    /// tokenizers, and whatever <c>diffusionclip.json</c> declares.
    /// </summary>
    /// <exception cref="ModelFolderException">A graph is damaged, or its external data leads out of the folder.</exception>
    public IReadOnlyList<string> Files => _files.Value;

    /// <summary>Precision that the weights are computed with: <c>float32</c>, <c>float16</c> or <c>int8</c>.</summary>
    /// <exception cref="ModelFolderException">A graph is damaged, or its external data leads out of the folder.</exception>
    public string Precision => _graphFiles.Value.Values.Select(graph => graph.Precision).MinBy(precision => precision switch { "int8" => 0, "float16" => 1, _ => 2 })!;

    /// <summary>The graphs that can be loaded, by path in the folder.</summary>
    internal abstract IEnumerable<string> Graphs { get; }

    /// <summary>Configurations and tokenizer files that exist, by path in the folder.</summary>
    internal abstract IEnumerable<string> Configurations { get; }

    /// <summary>Opens a folder: a diffusion folder if it has a <c>model_index.json</c>, else a CLIP folder.</summary>
    /// <param name="path">The folder.</param>
    /// <exception cref="ModelFolderException">The folder is missing, incomplete, damaged or does not fit together; names the file.</exception>
    public static ModelFolder Open(string path)
    {
        string full = ExistingFolder(path);
        ModelManifest? manifest = ModelManifest.ReadIfThere(full);
        return (manifest?.Kind ?? KindOf(full)) == ModelKind.Diffusion ? DiffusionFolder.Read(full, manifest) : ClipFolder.Read(full, manifest);
    }

    /// <summary>The id that a folder gives itself; its name where it gives none or cannot be read.</summary>
    internal static string IdOf(string path)
    {
        try
        {
            return ModelManifest.ReadIfThere(path)?.Id ?? System.IO.Path.GetFileName(path);
        }
        catch (ModelFolderException)
        {
            return System.IO.Path.GetFileName(path);
        }
    }

    /// <summary>What a folder holds by its layout.</summary>
    internal static ModelKind KindOf(string path) =>
        File.Exists(System.IO.Path.Combine(path, DiffusionFolder.IndexName)) || Directory.Exists(System.IO.Path.Combine(path, "unet"))
            ? ModelKind.Diffusion
            : ModelKind.Clip;

    /// <summary>Whether a folder looks like a model's.</summary>
    internal static bool LooksLikeModel(string path) =>
        File.Exists(System.IO.Path.Combine(path, DiffusionFolder.IndexName))
        || File.Exists(System.IO.Path.Combine(path, ModelManifest.FileName))
        || Directory.Exists(System.IO.Path.Combine(path, "unet"))
        || ClipFolder.FindLayout(path) is not null;

    /// <summary>Absolute path of a file by its path in the folder.</summary>
    public string PathOf(string relative) => System.IO.Path.Combine(Path, relative.Replace('/', System.IO.Path.DirectorySeparatorChar));

    private protected static string ExistingFolder(string path)
    {
        string full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        if (Directory.Exists(full))
        {
            return full;
        }

        if (File.Exists(full))
        {
            throw new ModelFolderException(full, "a file; expected the folder of a model");
        }

        string? parent = System.IO.Path.GetDirectoryName(full);
        string beside = parent is null || !Directory.Exists(parent)
            ? $"'{parent}' is missing too"
            : Directory.EnumerateDirectories(parent).Where(LooksLikeModel).Select(System.IO.Path.GetFileName).Order(StringComparer.Ordinal).Take(10).ToArray() is { Length: > 0 } names
                ? $"model folders there are {string.Join(", ", names)}"
                : $"'{parent}' holds no model folders";
        throw new ModelFolderException(full, $"missing; expected the folder of a model; {beside}");
    }

    /// <summary>Files of a tokenizer that exist, or the error that there is none.</summary>
    private protected static string[] TokenizerFiles(string folder, string tokenizer)
    {
        string at = System.IO.Path.Combine(folder, tokenizer);
        bool Has(string name) => File.Exists(System.IO.Path.Combine(at, name));
        string missing = !Has("vocab.json") ? "vocab.json" : "merges.txt";
        if (!Has(missing) && !Has("tokenizer.json"))
        {
            throw new ModelFolderException(System.IO.Path.GetFullPath(System.IO.Path.Combine(at, missing)), "missing; expected the tokenizer's vocab.json and merges.txt there");
        }

        return [.. TokenizerNames.Where(Has).Select(name => tokenizer.Length == 0 ? name : $"{tokenizer}/{name}")];
    }

    private static readonly string[] TokenizerNames =
        ["vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

    private string[] ListFiles()
    {
        var files = new SortedSet<string>(StringComparer.Ordinal);
        files.UnionWith(Configurations);
        foreach ((string graph, OnnxGraphFile file) in _graphFiles.Value)
        {
            files.Add(graph);
            string folder = graph[..(graph.LastIndexOf('/') + 1)];
            files.UnionWith(file.ExternalData.Select(data => folder + data));
        }

        files.UnionWith(Manifest?.Files.Keys ?? []);
        return [.. files];
    }
}

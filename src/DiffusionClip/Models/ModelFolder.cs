namespace DiffusionClip.Models;

/// <summary>A folder that holds a model, as its files describe it. Immutable, needs no runtime; the graphs themselves are not loaded.</summary>
public abstract class ModelFolder
{
    private readonly Lazy<IReadOnlyDictionary<string, OnnxGraphFile>> _graphFiles;
    private readonly Lazy<IReadOnlyList<string>> _files;
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, OnnxGraphFile> _read = new(StringComparer.Ordinal);

    // Between a folder and one of the precisions it holds.
    internal const char VariantMark = '#';

    private protected ModelFolder(string path, ModelKind kind, ModelManifest? manifest, string? variant = null)
    {
        Path = path;
        Kind = kind;
        Manifest = manifest;
        if (manifest?.Kind is { } declared && declared != kind)
        {
            throw new ModelFolderException(System.IO.Path.Combine(path, ModelManifest.FileName), $"kind says {declared}, but the folder's layout is that of {kind}");
        }

        Id = (manifest?.Id ?? HubCache.IdOf(path) ?? System.IO.Path.GetFileName(path)) + (variant is null ? "" : $"{VariantMark}{variant}");

        // A failure is not remembered: the file may be mended.
        _graphFiles = new(() => Graphs.ToDictionary(graph => graph, GraphFile), LazyThreadSafetyMode.PublicationOnly);
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

    /// <summary>
    /// What every graph says of itself. To be asked before a runtime opens any of them: this is where external data that leads out of the
    /// folder and operators that need foreign libraries are refused.
    /// </summary>
    /// <exception cref="ModelFolderException">A graph is damaged, has foreign operators, or its external data leads out of the folder.</exception>
    public IReadOnlyList<GraphFacts> DescribeGraphs() => [.. _graphFiles.Value.Select(entry => entry.Value.Facts(entry.Key))];

    /// <summary>The graphs that can be loaded, by path in the folder.</summary>
    internal abstract IEnumerable<string> Graphs { get; }

    /// <summary>Configurations and tokenizer files that exist, by path in the folder.</summary>
    internal abstract IEnumerable<string> Configurations { get; }

    /// <summary>Opens a folder: a diffusion folder if it has a <c>model_index.json</c>, else a CLIP folder.</summary>
    /// <param name="path">The folder; of a CLIP in several precisions, <c>#</c> and one of them may follow (<c>models/clip#q4f16</c>).</param>
    /// <exception cref="ModelFolderException">The folder is missing, incomplete, damaged or does not fit together; names the file.</exception>
    public static ModelFolder Open(string path)
    {
        (string folder, string? variant) = SplitVariant(path);
        string full = ExistingFolder(folder);
        ModelManifest? manifest = ModelManifest.ReadIfThere(full);
        return (manifest?.Kind ?? KindOf(full)) == ModelKind.Clip
            ? ClipFolder.Read(full, variant, manifest)
            : variant is null
                ? DiffusionFolder.Read(full, manifest)
                : throw new ModelFolderException(full, $"a generator, which has no variants; leave '{VariantMark}{variant}' out");
    }

    /// <summary>Takes the precision off a name or path; a folder that has the mark in its name is meant whole.</summary>
    internal static (string Folder, string? Variant) SplitVariant(string path)
    {
        int mark = path.LastIndexOf(VariantMark);
        bool isVariant = mark > 0 && mark < path.Length - 1 && path.AsSpan(mark + 1).IndexOfAnyExcept(VariantCharacters) < 0 && !Directory.Exists(path);
        return isVariant ? (path[..mark], path[(mark + 1)..]) : (path, null);
    }

    private static readonly System.Buffers.SearchValues<char> VariantCharacters =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.");

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
    private protected static string[] TokenizerFiles(string folder, string tokenizer, bool isSentencePiece = false)
    {
        string at = System.IO.Path.Combine(folder, tokenizer);
        bool Has(string name) => File.Exists(System.IO.Path.Combine(at, name));
        if (isSentencePiece)
        {
            return Has(Tokenization.SiglipTokenizer.FileName)
                ? [.. new[] { Tokenization.SiglipTokenizer.FileName, "tokenizer_config.json", "special_tokens_map.json" }.Where(Has).Select(name => tokenizer.Length == 0 ? name : $"{tokenizer}/{name}")]
                : throw new ModelFolderException(System.IO.Path.Combine(at, Tokenization.SiglipTokenizer.FileName), "missing; expected the SentencePiece model of SigLIP's tokenizer there");
        }

        string missing = !Has("vocab.json") ? "vocab.json" : "merges.txt";
        if (!Has(missing) && !Has("tokenizer.json"))
        {
            throw new ModelFolderException(System.IO.Path.GetFullPath(System.IO.Path.Combine(at, missing)), "missing; expected the tokenizer's vocab.json and merges.txt there");
        }

        return [.. TokenizerNames.Where(Has).Select(name => tokenizer.Length == 0 ? name : $"{tokenizer}/{name}")];
    }

    private static readonly string[] TokenizerNames =
        ["vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

    /// <summary>What a graph says of itself, read once.</summary>
    private protected OnnxGraphFile GraphFile(string graph) => _read.GetOrAdd(graph, name => OnnxGraphFile.Read(PathOf(name), Path));

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

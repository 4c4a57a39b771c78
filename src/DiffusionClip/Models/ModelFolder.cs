using DiffusionClip.Models.Graphs;

namespace DiffusionClip.Models;

/// <summary>
/// A folder that holds a model, or a graph that is one by itself, as its files describe it. Immutable, needs no runtime; the graphs
/// themselves are not loaded.
/// </summary>
public abstract class ModelFolder
{
    private readonly Lazy<IReadOnlyDictionary<string, OnnxGraphFile>> _graphFiles;
    private readonly Lazy<IReadOnlyList<string>> _files;
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, OnnxGraphFile> _read = new(StringComparer.Ordinal);

    // Between a folder and one of the precisions it holds.
    internal const char VariantMark = '#';

    /// <summary>Takes what all models have in common.</summary>
    /// <param name="location">Where the model is.</param>
    /// <param name="kind">What it is for.</param>
    protected ModelFolder(ModelLocation location, ModelKind kind)
    {
        ArgumentNullException.ThrowIfNull(location);
        bool isFile = File.Exists(location.Path);
        Path = isFile ? System.IO.Path.GetDirectoryName(location.Path)! : location.Path;
        Kind = kind;
        Manifest = location.Manifest;
        Id = (Manifest?.Id ?? (isFile ? null : HubCache.IdOf(Path)) ?? NameOf(location.Path))
            + (location.Variant is { } variant ? $"{VariantMark}{variant}" : "");

        // A failure is not remembered: the file may be mended.
        _graphFiles = new(() => Graphs.ToDictionary(graph => graph, GraphFile), LazyThreadSafetyMode.PublicationOnly);
        _files = new(ListFiles, LazyThreadSafetyMode.PublicationOnly);
    }

    /// <summary>Absolute path of the folder; of a lone graph, the folder that it lies in.</summary>
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
    /// The files that make the model, by path in the folder with <c>/</c>, in ordinal order: graphs with their external data,
    /// configurations, tokenizers, and whatever <c>diffusionclip.json</c> declares.
    /// </summary>
    /// <exception cref="ModelFolderException">A graph is damaged, or its external data leads out of the folder.</exception>
    public IReadOnlyList<string> Files => _files.Value;

    /// <summary>Precision that the weights are computed with: <c>float32</c>, <c>float16</c> or <c>int8</c>.</summary>
    /// <exception cref="ModelFolderException">A graph is damaged, or its external data leads out of the folder.</exception>
    public string Precision => _graphFiles.Value.Values
        .Select(graph => graph.Precision)
        .MinBy(precision => precision switch { "int8" => 0, "float16" => 1, _ => 2 })!;

    /// <summary>
    /// What every graph says of itself. To be asked before a runtime opens any of them: this is where external data that leads out of the
    /// folder and operators that need foreign libraries are refused.
    /// </summary>
    /// <exception cref="ModelFolderException">
    /// A graph is damaged, has foreign operators, or its external data leads out of the folder.
    /// </exception>
    public IReadOnlyList<GraphFacts> DescribeGraphs() => [.. _graphFiles.Value.Select(entry => entry.Value.Facts(entry.Key))];

    /// <summary>The graphs that can be loaded, by path in the folder.</summary>
    protected internal abstract IEnumerable<string> Graphs { get; }

    /// <summary>Configurations and tokenizer files that exist, by path in the folder.</summary>
    protected internal abstract IEnumerable<string> Configurations { get; }

    /// <summary>Takes the precision off a name or path; a folder that has the mark in its name is meant whole.</summary>
    internal static (string Folder, string? Variant) SplitVariant(string path)
    {
        int mark = path.LastIndexOf(VariantMark);
        bool isVariant = mark > 0 && mark < path.Length - 1 && path.AsSpan(mark + 1).IndexOfAnyExcept(VariantCharacters) < 0
            && !Directory.Exists(path) && !File.Exists(path);
        return isVariant ? (path[..mark], path[(mark + 1)..]) : (path, null);
    }

    private static readonly System.Buffers.SearchValues<char> VariantCharacters =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.");

    /// <summary>The id that a model gives itself; its name where it gives none or cannot be read.</summary>
    internal static string IdOf(string path)
    {
        try
        {
            return ModelManifest.ReadIfThere(path)?.Id ?? NameOf(path);
        }
        catch (ModelFolderException)
        {
            return NameOf(path);
        }
    }

    /// <summary>A folder's name, or that of a lone graph without its ending.</summary>
    internal static string NameOf(string path) =>
        File.Exists(path) ? System.IO.Path.GetFileNameWithoutExtension(path) : System.IO.Path.GetFileName(path);

    /// <summary>Absolute path of a file by its path in the folder.</summary>
    public string PathOf(string relative) => System.IO.Path.Combine(Path, relative.Replace('/', System.IO.Path.DirectorySeparatorChar));

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

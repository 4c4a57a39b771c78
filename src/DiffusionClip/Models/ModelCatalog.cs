namespace DiffusionClip.Models;

/// <summary>The models in the configured folders. Reads the folders anew at every call; thread-safe.</summary>
public sealed class ModelCatalog
{
    /// <summary>Creates a catalogue.</summary>
    /// <param name="roots">
    /// Folders whose subfolders are models, as are graphs in them that one of the formats takes for a model by itself; the first that has
    /// an id wins. Folders that do not exist are passed over.
    /// </param>
    /// <param name="formats">The formats that this build reads.</param>
    /// <param name="hub">The cache that <c>org/name</c> is looked for in; null: that of the environment.</param>
    public ModelCatalog(IEnumerable<string> roots, ModelFormats formats, HubCache? hub = null)
    {
        ArgumentNullException.ThrowIfNull(formats);
        Formats = formats;
        Roots = [.. roots.Select(Path.GetFullPath).Distinct(StringComparer.Ordinal)];
        Hub = hub ?? HubCache.FromEnvironment();
    }

    /// <summary>The formats that models are read in.</summary>
    public ModelFormats Formats { get; }

    /// <summary>The Hugging Face cache that <c>org/name</c> is looked for in.</summary>
    public HubCache Hub { get; }

    /// <summary>Absolute paths of the folders whose subfolders are models.</summary>
    public IReadOnlyList<string> Roots { get; }

    /// <summary>Every model of the roots, in the order of roots and names; a damaged one is listed with its problem.</summary>
    public IReadOnlyList<ModelEntry> List() => [.. Roots.SelectMany(Folders).Select(path => ModelEntry.Of(path, Formats))];

    /// <summary>Finds a model by path, name in the Hugging Face cache, id or folder name, in this order.</summary>
    /// <param name="name">
    /// A path (it has a separator, or is <c>.</c>), <c>org/name</c> or <c>org/name@revision</c> of the Hugging Face cache, an id or a
    /// folder's name; of a CLIP in several precisions, <c>#</c> and one of them may follow.
    /// </param>
    /// <exception cref="ModelFolderException">There is no such model (the message lists those there are), or it is damaged.</exception>
    public ModelFolder Resolve(string name) => Formats.Open(Find(name));

    /// <summary>Finds a generator.</summary>
    /// <inheritdoc cref="Resolve"/>
    public GeneratorFolder ResolveGenerator(string name) => Formats.Open<GeneratorFolder>(Find(name, ModelKind.Diffusion), "a generator");

    /// <summary>Finds a CLIP.</summary>
    /// <inheritdoc cref="Resolve"/>
    public ClipFolder ResolveScorer(string name) => OpenClip(Find(name, ModelKind.Clip));

    private ClipFolder OpenClip(string path) => Formats.Open<ClipFolder>(path, "a CLIP model");

    /// <summary>The CLIP that goes with a generator: looked for beside the generator's folder, then in the roots.</summary>
    /// <returns>Null if the generator does not name one.</returns>
    /// <exception cref="ModelFolderException">The generator names one that is not there, or it is damaged.</exception>
    public ClipFolder? ScorerOf(GeneratorFolder generator)
    {
        if (generator.Scorer is not { } name)
        {
            return null;
        }

        string[] roots = Path.GetDirectoryName(generator.Path) is { } beside ? [beside, .. Roots] : [.. Roots];
        return Find(name, roots, ModelKind.Clip) is { } path
            ? OpenClip(path)
            : HubCache.IsName(name) && Hub.Find(name) is { } snapshot ? OpenClip(snapshot)
            : throw new ModelFolderException(
                Path.Combine(generator.Path, ModelManifest.FileName),
                $"scorer '{name}' is not there; looked in {string.Join(", ", roots.Distinct(StringComparer.Ordinal))}; add the folder, name another scorer, or none"
            );
    }

    /// <summary>Hashes every file of a model and compares with what its folder declares. Blocks while it reads.</summary>
    /// <param name="folder">The model.</param>
    /// <param name="cancellationToken">Stops between blocks.</param>
    /// <returns>A row per file, in ordinal order of the paths.</returns>
    public static IReadOnlyList<FileVerification> Verify(ModelFolder folder, CancellationToken cancellationToken = default)
    {
        var rows = new List<FileVerification>();
        foreach (string file in folder.Files)
        {
            string? expected = folder.Manifest?.Files.GetValueOrDefault(file);
            string path = folder.PathOf(file);
            string? actual = File.Exists(path) ? ModelHashes.OfFile(path, cancellationToken) : null;
            rows.Add(new(file, expected, actual, actual is null
                ? FileState.Missing
                : expected is null ? FileState.Undeclared : expected == actual ? FileState.Ok : FileState.Different));
        }

        return rows;
    }

    private string Find(string name, ModelKind? kind = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        (string bare, string? variant) = ModelFolder.SplitVariant(name);
        return variant is null ? FindBare(bare, kind) : $"{FindBare(bare, kind)}{ModelFolder.VariantMark}{variant}";
    }

    private string FindBare(string name, ModelKind? kind)
    {
        if (!Path.IsPathRooted(name) && HubCache.IsName(name) && !Directory.Exists(name))
        {
            // A mistyped path looks the same; where its first folder exists here, a path is meant.
            return Hub.Find(name)
                ?? (
                    Directory.Exists(name[..name.IndexOf('/', StringComparison.Ordinal)])
                        ? name
                        : throw new ModelFolderException(
                            name,
                            $"neither a folder here nor a model in the Hugging Face cache (searched {Hub.Root}); get it with: {HubCache.Download(name)}"
                        ));
        }

        if (name is "." or ".." || name.AsSpan().IndexOfAny('/', '\\') >= 0 || Path.IsPathRooted(name))
        {
            return name;
        }

        if (Find(name, Roots, kind) is { } found)
        {
            return found;
        }

        if (Formats.LooksLikeModel(Path.GetFullPath(name)))
        {
            return name;
        }

        string[] known = [.. List().Where(entry => kind is null || entry.Kind == kind).Select(entry => entry.Id)];
        throw new ModelFolderException(name, known.Length > 0
            ? $"no such model; there are {string.Join(", ", known)} in {string.Join(", ", Roots)}; or give a folder's path"
            : $"no such model; {(Roots.Count > 0 ? string.Join(", ", Roots) : "no folder")} holds none; or give a folder's path");
    }

    // Reads ids only: what else the folders hold is no matter until one is chosen.
    private string? Find(string name, IReadOnlyList<string> roots, ModelKind? kind)
    {
        var entries = roots
            .SelectMany(Folders)
            .Select(path => (Path: path, Id: ModelFolder.IdOf(path), Kind: Formats.KindOf(path)))
            .ToList();
        string? Match(Func<(string Path, string Id, ModelKind? Kind), string> of) =>
            entries.Find(entry => of(entry) == name && entry.Kind == kind).Path ?? entries.Find(entry => of(entry) == name).Path
            ?? entries.Find(entry => string.Equals(of(entry), name, StringComparison.OrdinalIgnoreCase)).Path;
        return Match(entry => entry.Id) ?? Match(entry => ModelFolder.NameOf(entry.Path));
    }

    private IEnumerable<string> Folders(string root) => Directory.Exists(root)
        ? Directory.EnumerateDirectories(root).Where(Formats.LooksLikeModel).Order(StringComparer.Ordinal)
            .Concat(Directory.EnumerateFiles(root, "*.onnx").Where(Formats.LooksLikeModel).Order(StringComparer.Ordinal))
        : [];
}

/// <summary>A model of the catalogue.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Path">Absolute path of its folder.</param>
public sealed record ModelEntry(string Id, string Path)
{
    /// <summary>What it holds; null if the folder is too damaged to say.</summary>
    public ModelKind? Kind { get; init; }

    /// <summary>Licence of the weights, if the folder says it.</summary>
    public string? License { get; init; }

    /// <summary>Bytes of all its files.</summary>
    public long Size { get; init; }

    /// <summary>The CLIP that goes with it, if it is a generator and says so.</summary>
    public string? Scorer { get; init; }

    /// <summary>Why it cannot be used; null if nothing is known against it.</summary>
    public string? Problem { get; init; }

    internal static ModelEntry Of(string path, ModelFormats formats)
    {
        try
        {
            ModelFolder folder = formats.Open(path);
            return new(folder.Id, folder.Path)
            {
                Kind = folder.Kind,
                License = folder.License,
                Size = folder.Files.Select(folder.PathOf).Where(File.Exists).Sum(file => new FileInfo(file).Length),
                Scorer = (folder as GeneratorFolder)?.Scorer,
            };
        }
        catch (ModelFolderException exception)
        {
            return new(ModelFolder.NameOf(path), path) { Problem = exception.Message };
        }
    }
}

/// <summary>Whether a file is what its folder declares.</summary>
public enum FileState
{
    /// <summary>The hashes agree.</summary>
    Ok,

    /// <summary>The hashes differ: damaged, or another version.</summary>
    Different,

    /// <summary>The file is not there.</summary>
    Missing,

    /// <summary>The folder declares no hash for it.</summary>
    Undeclared,
}

/// <summary>A file's hash beside the declared one.</summary>
/// <param name="File">Path in the folder.</param>
/// <param name="Expected">The declared SHA-256; null if there is none.</param>
/// <param name="Actual">The file's SHA-256; null if it is missing.</param>
/// <param name="State">What follows.</param>
public sealed record FileVerification(string File, string? Expected, string? Actual, FileState State);

namespace DiffusionClip.Models;

/// <summary>
/// The cache that Hugging Face's tools download into: <c>models--org--name/{blobs,refs,snapshots}</c>. Only read, never filled: nothing is
/// downloaded.
/// </summary>
public sealed class HubCache
{
    private const string Prefix = "models--", MainRevision = "main";

    // Shorter beginnings of a commit's hash name too many.
    private const int ShortestCommit = 7;

    /// <summary>A cache in a folder.</summary>
    /// <param name="root">The folder with the <c>models--org--name</c> folders.</param>
    public HubCache(string root) => Root = Path.GetFullPath(root);

    /// <summary>The folder with the <c>models--org--name</c> folders.</summary>
    public string Root { get; }

    /// <summary>
    /// The cache that huggingface_hub would use: <c>HF_HUB_CACHE</c>, else <c>HF_HOME/hub</c>, else <c>huggingface/hub</c> in the user's
    /// cache folder.
    /// </summary>
    /// <param name="variable">Reads an environment variable; null: this process's.</param>
    public static HubCache FromEnvironment(Func<string, string?>? variable = null)
    {
        variable ??= Environment.GetEnvironmentVariable;
        string? Set(string name) => variable(name) is { Length: > 0 } value ? value : null;
        string home = Set("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        return new(Set("HF_HUB_CACHE") ?? Set("HUGGINGFACE_HUB_CACHE")
            ?? Path.Combine(Set("HF_HOME") ?? Path.Combine(Set("XDG_CACHE_HOME") ?? Path.Combine(home, ".cache"), "huggingface"), "hub"));
    }

    /// <summary>Whether a name has the form <c>org/name</c> or <c>org/name@revision</c>.</summary>
    public static bool IsName(string name) => Split(name) is not null;

    /// <summary>Finds the folder of a model.</summary>
    /// <param name="name">
    /// <c>org/name</c>, which means its branch <c>main</c>, or <c>org/name@revision</c> with a branch, tag or commit.
    /// </param>
    /// <returns>The snapshot's folder; null if the cache does not hold the model at all.</returns>
    /// <exception cref="ModelFolderException">The model is there, but not in this revision.</exception>
    public string? Find(string name)
    {
        if (Split(name) is not var (organisation, repository, revision))
        {
            return null;
        }

        string folder = Path.Combine(Root, $"{Prefix}{organisation}--{repository}"), snapshots = Path.Combine(folder, "snapshots");
        if (!Directory.Exists(folder))
        {
            return null;
        }

        string reference = Path.Combine([folder, "refs", .. (revision ?? MainRevision).Split('/')]);
        string commit = File.Exists(reference) && RegularFile.Is(reference) ? File.ReadAllText(reference).Trim() : revision ?? MainRevision;
        if (IsPart(commit) && Directory.Exists(Path.Combine(snapshots, commit)))
        {
            return Path.Combine(snapshots, commit);
        }

        string[] there = Directory.Exists(snapshots)
            ? [.. Directory.EnumerateDirectories(snapshots).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)]
            : [];
        string[] begun =
            commit.Length >= ShortestCommit ? [.. there.Where(hash => hash.StartsWith(commit, StringComparison.Ordinal))] : [];
        return begun is [var only]
            ? Path.Combine(snapshots, only)
            : throw new ModelFolderException(
                name,
                $"the Hugging Face cache {Root} holds the model, but not its revision '{revision ?? MainRevision}'{(there.Length > 0 ? $" (there are {string.Join(", ", there)})" : "")}; get it with: {Download(name)}"
            );
    }

    /// <summary>The command that downloads a model into the cache.</summary>
    internal static string Download(string name) => Split(name) is var (organisation, repository, revision)
        ? $"huggingface-cli download {organisation}/{repository}{(revision is null ? "" : $" --revision {revision}")}"
        : $"huggingface-cli download {name}";

    /// <summary>The name by which the model of a snapshot's folder is found again; null if the folder is none.</summary>
    internal static string? IdOf(string path)
    {
        DirectoryInfo snapshot = new(path);
        if (
            snapshot.Parent is not { Name: "snapshots", Parent: { } repository }
            || !repository.Name.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return null;
        }

        string[] parts = repository.Name[Prefix.Length..].Split("--", 2);
        string main = Path.Combine(repository.FullName, "refs", MainRevision);
        bool isMain = File.Exists(main) && RegularFile.Is(main) && File.ReadAllText(main).Trim() == snapshot.Name;
        return parts.Length == 2 ? $"{parts[0]}/{parts[1]}{(isMain ? "" : $"@{snapshot.Name}")}" : null;
    }

    private static (string Organisation, string Repository, string? Revision)? Split(string name)
    {
        int at = name.IndexOf('@', StringComparison.Ordinal);
        string? revision = at < 0 ? null : name[(at + 1)..];
        return (at < 0 ? name : name[..at]).Split('/') is [var organisation, var repository]
            && IsPart(organisation) && IsPart(repository) && (revision is null || revision.Split('/').All(IsPart))
            ? (organisation, repository, revision)
            : null;
    }

    // Names of the hub; none of them can lead out of the cache.
    private static bool IsPart(string part) =>
        part.Length is > 0 and <= 200
        && (char.IsAsciiLetterOrDigit(part[0]) || part[0] == '_')
        && part.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or '.');
}

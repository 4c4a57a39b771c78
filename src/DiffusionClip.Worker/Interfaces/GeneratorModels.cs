using System.Collections.Concurrent;
using DiffusionClip.Models;

namespace DiffusionClip.Worker.Interfaces;

/// <summary>The generators as the interfaces of other programs list them.</summary>
internal sealed class GeneratorModels(ModelCatalog catalog, PipelineOptions options, TimeProvider time)
{
    private const int ShortHash = 10;
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(2);
    private readonly ConcurrentDictionary<string, Task<string?>> _hashes = new(StringComparer.Ordinal);

    /// <summary>Those that can be used, the default first.</summary>
    public IReadOnlyList<ModelEntry> List() =>
        [
            .. catalog
                .List()
                .Where(entry => entry.Kind == ModelKind.Diffusion && entry.Problem is null)
                .OrderBy(entry => IsDefault(entry.Id) ? 0 : 1),
        ];

    /// <summary>Id of the default.</summary>
    public string Default => List().FirstOrDefault(entry => IsDefault(entry.Id))?.Id ?? options.DefaultModel;

    /// <summary>Finds a generator by its id, folder name or A1111's title (<c>id [hash]</c>); null where there is none.</summary>
    public ModelEntry? Find(string name)
    {
        string trimmed = name.Trim();
        int mark = trimmed.LastIndexOf(" [", StringComparison.Ordinal);
        string plain = mark > 0 && trimmed.EndsWith(']') ? trimmed[..mark] : trimmed;
        return List().FirstOrDefault(entry => entry.Id == plain || Path.GetFileName(entry.Path) == plain || entry.Id == trimmed);
    }

    /// <summary>SHA-256 of a model; null while a large one is being read.</summary>
    public async Task<string?> HashAsync(ModelEntry entry)
    {
        Task<string?> hash = _hashes.GetOrAdd($"{entry.Path}\n{entry.Size}", (_, path) => Task.Run(() =>
        {
            try
            {
                return ModelHashes.Compute(catalog.Formats.Open(path)).Identity;
            }
            catch (Exception exception) when (exception is ModelFolderException or IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }), entry.Path);
        return await Task.WhenAny(hash, Task.Delay(_timeout, time)).ConfigureAwait(false) == hash ? await hash.ConfigureAwait(false) : null;
    }

    /// <summary>A1111's title.</summary>
    public static string Title(string id, string? sha256) => sha256 is null ? id : $"{id} [{Short(sha256)}]";

    /// <summary>The first ten digits, as A1111 writes hashes.</summary>
    public static string? Short(string? sha256) => sha256?[..Math.Min(ShortHash, sha256.Length)];

    private bool IsDefault(string id) => string.Equals(id, options.DefaultModel, StringComparison.Ordinal);
}

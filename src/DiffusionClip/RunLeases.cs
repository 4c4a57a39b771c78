using DiffusionClip.Runtime;
using DiffusionClip.Scoring;

namespace DiffusionClip;

/// <summary>The models of a run, on loan until it ends.</summary>
internal sealed class RunLeases : IDisposable
{
    private RunLeases(GeneratorLease generator, ScorerSet scorers) => (Generator, Scorers) = (generator, scorers);

    public GeneratorLease Generator { get; }

    public ScorerSet Scorers { get; }

    /// <summary>Loads generator and scorers side by side. All or none: where one cannot be had the others are given back.</summary>
    /// <param name="store">Where models come from.</param>
    /// <param name="catalog">Where scorers come from.</param>
    /// <param name="prepared">The run.</param>
    /// <param name="warnings">Takes why an optional scorer could not be loaded.</param>
    /// <param name="abort">Stops waiting.</param>
    public static async Task<RunLeases> AcquireAsync(
        IModelStore store, ScorerCatalog catalog, PreparedRun prepared, List<string> warnings, CancellationToken abort)
    {
        string? provider = prepared.Request.Model.Provider;
        Task<GeneratorLease> generator = store.LeaseGeneratorAsync(prepared.Folder, provider, abort);
        Task<ScorerSet> scorers = catalog.LeaseAsync(prepared.Request.Search, prepared.Scorers, provider, warnings, abort);
        try
        {
            await Task.WhenAll(generator, scorers).ConfigureAwait(false);
            return new(await generator.ConfigureAwait(false), await scorers.ConfigureAwait(false));
        }
        catch
        {
            await GiveBackAsync(generator).ConfigureAwait(false);
            await GiveBackAsync(scorers).ConfigureAwait(false);
            throw;
        }
    }

    public void Dispose()
    {
        Scorers.Dispose();
        Generator.Dispose();
    }

    private static async Task GiveBackAsync<T>(Task<T> lease)
        where T : IDisposable
    {
        await ((Task)lease).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (lease.IsCompletedSuccessfully)
        {
            (await lease.ConfigureAwait(false)).Dispose();
        }
    }
}

using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Scoring;

/// <summary>Finds scorers by name: CLIP folders of the catalog, and scorers that the host registered.</summary>
public sealed class ScorerSource(IModelStore store, ModelCatalog catalog, TokenizerCache tokenizers, IEnumerable<IImageScorer> registered, PipelineOptions options)
{
    /// <summary>Asks for no scores.</summary>
    public const string None = "none";

    /// <summary>
    /// Decides who scores: who is asked for, else the one that goes with the generator, else the configured one. Only one
    /// that was asked for has to exist; without the others there are pictures without scores, and a warning.
    /// </summary>
    internal ScorerChoice Choose(string? asked, DiffusionFolder? generator, List<string> warnings)
    {
        string? name = asked ?? generator?.Scorer ?? options.DefaultScorer;
        if (name is null or None)
        {
            return new ScorerChoice(None, null, null, IsRequired: false);
        }

        if (Registered(name) is { } plugin)
        {
            return new ScorerChoice(plugin.Descriptor.Name, null, plugin, asked is not null);
        }

        try
        {
            ClipFolder folder = asked is null && generator is not null && name == generator.Scorer ? catalog.ScorerOf(generator)! : catalog.ResolveScorer(name);
            return new ScorerChoice(folder.Id, folder, null, asked is not null);
        }
        catch (ModelFolderException exception) when (asked is null)
        {
            warnings.Add($"no scores: {exception.Message}");
            return new ScorerChoice(None, null, null, IsRequired: false);
        }
    }

    internal async Task<ScorerLease?> LeaseAsync(ScorerChoice choice, string? provider, LongTextPolicy longText, List<string> warnings, CancellationToken cancellationToken)
    {
        if (choice.Plugin is { } plugin)
        {
            return new ScorerLease(plugin, null);
        }

        if (choice.Folder is not { } folder)
        {
            return null;
        }

        try
        {
            ClipLease lease = await store.LeaseScorerAsync(folder, provider, cancellationToken).ConfigureAwait(false);
            return new ScorerLease(new ClipScorer(lease, tokenizers, longText), lease);
        }
        catch (ModelFolderException exception) when (!choice.IsRequired)
        {
            lock (warnings)
            {
                warnings.Add($"no scores: {exception.Message}");
            }

            return null;
        }
    }

    /// <summary>Leases the CLIP model of a name; the scorer gives it back on disposal.</summary>
    /// <param name="name">Id, folder name or path; null: the configured scorer, else the one of the default generator.</param>
    /// <param name="provider">Execution provider; null: the configured one.</param>
    /// <param name="longText">What happens to text beyond the model's limit.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="ModelFolderException">There is no such model, or it cannot be used.</exception>
    public async Task<ClipScorer> LeaseClipAsync(string? name, string? provider, LongTextPolicy longText, CancellationToken cancellationToken)
    {
        ClipFolder folder = ResolveClip(name);
        return new ClipScorer(await store.LeaseScorerAsync(folder, provider ?? options.Provider, cancellationToken).ConfigureAwait(false), tokenizers, longText);
    }

    /// <summary>The CLIP folder of a name; null: that of the configured scorer, else of the default generator's.</summary>
    /// <exception cref="ModelFolderException">There is no such model, or it cannot be used.</exception>
    internal ClipFolder ResolveClip(string? name)
    {
        name ??= options.DefaultScorer;
        return name is not null
            ? catalog.ResolveScorer(name)
            : catalog.ScorerOf(catalog.ResolveGenerator(options.DefaultModel))
                ?? throw new InvalidRequestException("scorer", null, $"{options.DefaultModel} names no scorer of its own; name a CLIP folder");
    }

    /// <summary>A scorer that the host registered, by name; null where there is none.</summary>
    internal IImageScorer? Registered(string? name) =>
        name is null ? null : registered.FirstOrDefault(scorer => string.Equals(scorer.Descriptor.Name, name, StringComparison.OrdinalIgnoreCase));
}

/// <summary>Who scores.</summary>
/// <param name="Name">Id as written into the normalized request.</param>
/// <param name="Folder">The CLIP folder; null for a plugin or none.</param>
/// <param name="Plugin">The registered scorer; null for a folder or none.</param>
/// <param name="IsRequired">Whether the request asked for it by name.</param>
internal sealed record ScorerChoice(string Name, ClipFolder? Folder, IImageScorer? Plugin, bool IsRequired);

/// <summary>A scorer for the time of a run.</summary>
/// <param name="Scorer">The scorer.</param>
/// <param name="Clip">The CLIP model behind it; null for a plugin, which stays its host's.</param>
internal sealed record ScorerLease(IImageScorer Scorer, ClipLease? Clip) : IDisposable
{
    /// <summary>Scores one picture. What a scorer throws costs only this score.</summary>
    public async ValueTask<(double? Score, string? Failure, ScoreRecord? Record)> ScoreAsync(RgbImage image, string text, ScoringPhase phase, CancellationToken cancellationToken)
    {
        try
        {
            ScoringResult result = await Scorer.ScoreAsync(new ScoringBatch([image], [text], phase), cancellationToken).ConfigureAwait(false);
            if (result.Images is not [var outcome] || result.Texts is not [var record])
            {
                return (null, $"{Scorer.Descriptor.Name} gave {result.Images.Count} outcomes for 1 picture", null);
            }

            if (outcome.Failure is not null || outcome.ScoresPerText.Length != 1)
            {
                return (null, outcome.Failure ?? $"{Scorer.Descriptor.Name} gave {outcome.ScoresPerText.Length} scores for 1 text", record);
            }

            float score = outcome.ScoresPerText.Span[0];
            return float.IsFinite(score) ? (score, null, record) : (null, $"{Scorer.Descriptor.Name} gave a score that is not finite", record);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            return (null, $"{Scorer.Descriptor.Name} failed: {exception.Message}", null);
        }
    }

    public void Dispose()
    {
        if (Clip is not null)
        {
            Scorer.Dispose();
        }
    }
}

using System.Runtime.CompilerServices;
using DiffusionClip.Imaging;

namespace DiffusionClip.Scoring;

/// <summary>Scorers on loan, and the stream that scores picture files with them. Disposing gives the models back.</summary>
public sealed class PictureScoring : IDisposable
{
    private readonly ScoringStream _stream;

    private PictureScoring(ScorerSet scorers, ScoringStream stream) => (Scorers, _stream) = (scorers, stream);

    /// <summary>The scorers.</summary>
    public ScorerSet Scorers { get; }

    /// <summary>
    /// What runs the scorers' models, e.g. <c>cpu</c>, and why <c>auto</c> did not take a faster provider; null: they have none.
    /// </summary>
    public string? Provider =>
        Scorers.Entries.Select(entry => entry.Clip?.Provider).FirstOrDefault(provider => provider is not null) is { } used
            ? used.FallbackReason is { } reason
                ? $"{used.Name} ({reason})"
                : used.Name
            : null;

    /// <summary>Leases scorers.</summary>
    /// <param name="catalog">Where they are found.</param>
    /// <param name="codec">Decodes pictures.</param>
    /// <param name="limits">What pictures may be read.</param>
    /// <param name="search">
    /// The scorers, the combination of their scores, and the text: without <see cref="SearchRequest.ScoreText"/> each picture has its own.
    /// </param>
    /// <param name="provider">Execution provider; null: the configured one.</param>
    /// <param name="cacheFolder">Where embeddings are kept between runs; null: nowhere.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="InvalidRequestException">
    /// A scorer is unknown or asked for what it cannot do; or the scores cannot be combined.
    /// </exception>
    /// <exception cref="DiffusionClipException">A scorer cannot be used.</exception>
    public static async Task<PictureScoring> OpenAsync(
        ScorerCatalog catalog,
        IImageCodec codec,
        ImageLimits limits,
        SearchRequest search,
        string? provider,
        string? cacheFolder,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(search);
        IReadOnlyList<ScorerChoice> choices = catalog.ChooseForPictures(search, toRank: search.ScoreText is not null);
        SearchRequest normalized = ScorerCatalog.Normalize(search, choices, text: null);
        ScorerSet scorers = await catalog.LeaseAsync(normalized, choices, provider, [], cancellationToken).ConfigureAwait(false);
        try
        {
            return new(
                scorers, await ScoringStream.OpenAsync(scorers, codec, limits, cacheFolder, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            scorers.Dispose();
            throw;
        }
    }

    /// <summary>Scores items as they come, in their order and in bounded memory. A bad file costs only its own result.</summary>
    public async IAsyncEnumerable<ScoredItem> ScoreAsync(
        IEnumerable<ScoringItem> items, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(items);
        await foreach (ScoredItem item in _stream.ScoreAsync(items.ToAsyncEnumerable(), cancellationToken).ConfigureAwait(false))
        {
            yield return item;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Scorers.Dispose();
}

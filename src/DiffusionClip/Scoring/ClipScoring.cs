using DiffusionClip.Imaging;
using DiffusionClip.Models;

namespace DiffusionClip.Scoring;

/// <summary>A CLIP model on loan, and the stream that scores pictures with it.</summary>
/// <param name="Scorer">The scorer; given back on disposal.</param>
/// <param name="Stream">Scores pictures in bounded memory.</param>
internal sealed record ClipScoring(ClipScorer Scorer, ScoringStream Stream) : IDisposable
{
    /// <summary>Leases a scorer.</summary>
    /// <param name="scorers">Where it is found.</param>
    /// <param name="codec">Decodes pictures.</param>
    /// <param name="limits">What pictures may be read.</param>
    /// <param name="scorer">Name or path; null: the configured one, else the one that goes with the default generator.</param>
    /// <param name="provider">Execution provider; null: the configured one.</param>
    /// <param name="longText">What happens to text beyond the model's limit.</param>
    /// <param name="cacheFolder">Where embeddings are kept between runs; null: nowhere.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public static async Task<ClipScoring> OpenAsync(
        ScorerCatalog scorers, IImageCodec codec, ImageLimits limits, string? scorer, string? provider, LongTextPolicy longText, string? cacheFolder, CancellationToken cancellationToken)
    {
        ClipScorer clip = await scorers.LeaseClipAsync(scorer, provider, longText, cancellationToken).ConfigureAwait(false);
        try
        {
            // Vectors depend on the weights, on how pictures are prepared, and in their last bits on what computes them.
            ModelHashes hashes = await clip.Hashes.WaitAsync(cancellationToken).ConfigureAwait(false);
            await clip.ReadyAsync(cancellationToken).ConfigureAwait(false);
            ScoreRecord record = clip.Record("", new TextEmbedding(default, 0, 0));
            string key = string.Join('\n', record.Scorer, record.Version, hashes.Identity, record.Preprocessing, record.Precision, record.Provider);
            int width = clip.Embedder.EmbedText("", cancellationToken).Embeds.Length;
            return new ClipScoring(clip, new ScoringStream(clip, codec, new EmbeddingCache(key, width, cacheFolder), limits));
        }
        catch
        {
            clip.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Scorer.Dispose();
}

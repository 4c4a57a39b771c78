using System.Runtime.CompilerServices;
using DiffusionClip.Cli.Inputs;
using DiffusionClip.Hosting;
using DiffusionClip.Imaging;
using DiffusionClip.Models;
using DiffusionClip.Scoring;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Cli.Verbs;

/// <summary>A CLIP model on loan, and the stream that scores pictures with it.</summary>
/// <param name="Scorer">The scorer; given back on disposal.</param>
/// <param name="Stream">Scores pictures in bounded memory.</param>
/// <param name="Limits">What pictures may be read.</param>
internal sealed record ClipScoring(ClipScorer Scorer, ScoringStream Stream, ImageLimits Limits) : IDisposable
{
    /// <summary>Leases a scorer.</summary>
    /// <param name="services">The program.</param>
    /// <param name="scorer">Name or path; null: the configured one, else the one that goes with the default generator.</param>
    /// <param name="provider">Execution provider; null: the configured one.</param>
    /// <param name="longText">What happens to text beyond the model's limit.</param>
    /// <param name="useCache">Whether embeddings are kept between runs.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public static async Task<ClipScoring> OpenAsync(IServiceProvider services, string? scorer, string? provider, LongTextPolicy longText, bool useCache, CancellationToken cancellationToken)
    {
        ClipScorer clip = await services.GetRequiredService<ScorerSource>().LeaseClipAsync(scorer, provider, longText, cancellationToken).ConfigureAwait(false);
        try
        {
            // Vectors depend on the weights, on how pictures are prepared, and in their last bits on what computes them.
            ModelHashes hashes = await clip.Hashes.WaitAsync(cancellationToken).ConfigureAwait(false);
            await clip.ReadyAsync(cancellationToken).ConfigureAwait(false);
            ScoreRecord record = clip.Record("", new TextEmbedding(default, 0, 0));
            string key = string.Join('\n', record.Scorer, record.Version, hashes.Identity, record.Preprocessing, record.Precision, record.Provider);
            string? folder = useCache ? CliContext.CacheFolder(services.GetRequiredService<DiffusionClipOptions>()) : null;
            ImageLimits limits = CliContext.Limits(services);
            var stream = new ScoringStream(clip, services.GetRequiredService<IImageCodec>(), new EmbeddingCache(key, folder), limits);
            return new ClipScoring(clip, stream, limits);
        }
        catch
        {
            clip.Dispose();
            throw;
        }
    }

    /// <summary>A picture to be scored.</summary>
    /// <param name="path">Its file.</param>
    /// <param name="texts">What it is scored against, given its file.</param>
    public ScoringItem Item(string path, Func<ReadOnlyMemory<byte>, IReadOnlyList<string>> texts) =>
        new(path, cancellationToken => PictureFiles.ReadAsync(path, Limits, cancellationToken), texts);

    /// <summary>Items as the stream takes them.</summary>
    public static async IAsyncEnumerable<ScoringItem> Feed(IEnumerable<ScoringItem> items, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach (ScoringItem item in items)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return item;
        }

        await Task.CompletedTask.ConfigureAwait(false);
    }

    /// <summary>What a bad picture is reported as.</summary>
    public static string Bad(string path, string? failure) => new InvalidRequestException("files", path, failure ?? "it has no score").Message;

    /// <inheritdoc/>
    public void Dispose() => Scorer.Dispose();
}

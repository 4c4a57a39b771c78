using DiffusionClip.Cli.Inputs;
using DiffusionClip.Hosting;
using DiffusionClip.Imaging;
using DiffusionClip.Scoring;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Cli.Verbs;

/// <summary>Scores picture files with a CLIP model on loan.</summary>
/// <param name="Clip">The model and its stream; given back on disposal.</param>
/// <param name="Limits">What pictures may be read.</param>
internal sealed record PictureScoring(ClipScoring Clip, ImageLimits Limits) : IDisposable
{
    /// <summary>The scorer.</summary>
    public ClipScorer Scorer => Clip.Scorer;

    /// <summary>Scores pictures in bounded memory.</summary>
    public ScoringStream Stream => Clip.Stream;

    /// <summary>Leases a scorer.</summary>
    /// <param name="services">The program.</param>
    /// <param name="scorer">Name or path; null: the configured one, else the one that goes with the default generator.</param>
    /// <param name="provider">Execution provider; null: the configured one.</param>
    /// <param name="longText">What happens to text beyond the model's limit.</param>
    /// <param name="useCache">Whether embeddings are kept between runs.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public static async Task<PictureScoring> OpenAsync(IServiceProvider services, string? scorer, string? provider, LongTextPolicy longText, bool useCache, CancellationToken cancellationToken)
    {
        ImageLimits limits = CliContext.Limits(services);
        string? folder = useCache ? CliContext.CacheFolder(services.GetRequiredService<DiffusionClipOptions>()) : null;
        return new PictureScoring(
            await ClipScoring.OpenAsync(
                services.GetRequiredService<ScorerCatalog>(), services.GetRequiredService<IImageCodec>(), limits, scorer, provider, longText, folder, cancellationToken).ConfigureAwait(false),
            limits);
    }

    /// <summary>A picture to be scored.</summary>
    /// <param name="path">Its file.</param>
    /// <param name="texts">What it is scored against, given its file.</param>
    public ScoringItem Item(string path, Func<ReadOnlyMemory<byte>, IReadOnlyList<string>> texts) =>
        new(path, cancellationToken => PictureFiles.ReadAsync(path, Limits, cancellationToken), texts);

    /// <summary>What computes the scores, e.g. <c>cpu</c>, and why <c>auto</c> did not take a faster provider.</summary>
    public string Provider => Scorer.Provider is { FallbackReason: { } reason } provider ? $"{provider.Name} ({reason})" : Scorer.Provider.Name;

    /// <summary>What a bad picture is reported as.</summary>
    public static string Bad(string path, string? failure) => new InvalidRequestException("files", path, failure ?? "it has no score").Message;

    /// <inheritdoc/>
    public void Dispose() => Clip.Dispose();
}

using DiffusionClip.Scoring;
using DiffusionClip.Selection;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.PixelFormats;

namespace DiffusionClip.ImageSharp;

/// <summary>
/// Scores and ranks pictures that a program holds as <see cref="Image{TPixel}"/>, by the rules that hold for scorers everywhere
/// (<see cref="CheckedScorer"/>): what cannot be scored is an outcome with a failure.
/// </summary>
public static class ImageScoring
{
    // Bounds the copies that are held at once.
    private const int Batch = 8;

    /// <summary>Scores every picture against every text.</summary>
    /// <typeparam name="TPixel">The pixel format.</typeparam>
    /// <param name="scorer">The scorer.</param>
    /// <param name="images">The pictures, read as <see cref="ImageConversion.ToRgbImage{TPixel}(Image{TPixel})"/> reads them.</param>
    /// <param name="texts">The texts, plain words without prompt syntax.</param>
    /// <param name="cancellationToken">Ends the call early.</param>
    /// <returns>One outcome a picture and one record a text, in order.</returns>
    public static async Task<ScoringResult> ScoreAsync<TPixel>(
        this IImageScorer scorer,
        IReadOnlyList<Image<TPixel>> images,
        IReadOnlyList<string> texts,
        CancellationToken cancellationToken = default)
        where TPixel : unmanaged, IPixel<TPixel>
    {
        ArgumentNullException.ThrowIfNull(scorer);
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(texts);
        // Not disposed: the scorer stays its owner's.
        CheckedScorer checkedScorer = scorer as CheckedScorer ?? new CheckedScorer(scorer);
        var outcomes = new List<ImageOutcome>(images.Count);
        IReadOnlyList<ScoreRecord> records = [];
        foreach (Image<TPixel>[] batch in images.Chunk(Batch))
        {
            RgbImage[] pictures = [.. batch.Select(image => image.ToRgbImage())];
            var part = new ScoringBatch { Images = pictures, Texts = texts };
            ScoringResult result = await checkedScorer.ScoreAsync(part, cancellationToken).ConfigureAwait(false);
            outcomes.AddRange(result.Images);
            records = result.Texts;
        }

        return new ScoringResult { Images = outcomes, Texts = records };
    }

    /// <summary>Puts pictures in the order in which they match a text.</summary>
    /// <typeparam name="TPixel">The pixel format.</typeparam>
    /// <param name="scorer">The scorer.</param>
    /// <param name="text">The text, plain words without prompt syntax.</param>
    /// <param name="images">The pictures.</param>
    /// <param name="cancellationToken">Ends the call early.</param>
    /// <returns>Every picture: best first, ties in the order given, then those that could not be scored.</returns>
    public static async Task<IReadOnlyList<RankedPicture<TPixel>>> RankAsync<TPixel>(
        this IImageScorer scorer, string text, IReadOnlyList<Image<TPixel>> images, CancellationToken cancellationToken = default)
        where TPixel : unmanaged, IPixel<TPixel>
    {
        ArgumentNullException.ThrowIfNull(text);
        ScoringResult result = await scorer.ScoreAsync(images, [text], cancellationToken).ConfigureAwait(false);
        double?[] scores =
            [.. result.Images.Select(outcome => outcome.Failure is null ? outcome.ScoresPerText.Span[0] : default(double?))];
        int[] order = Ranking.Order(scores, scorer.Descriptor.HigherIsBetter);
        return
        [
            .. order.Select((index, place) => new RankedPicture<TPixel>
            {
                Image = images[index],
                Index = index,
                Rank = place + 1,
                Score = scores[index],
            }),
            .. Enumerable.Range(0, images.Count).Except(order).Select(index => new RankedPicture<TPixel>
            {
                Image = images[index],
                Index = index,
                Failure = result.Images[index].Failure,
            }),
        ];
    }
}

/// <summary>A picture of a ranking.</summary>
/// <typeparam name="TPixel">The pixel format.</typeparam>
public sealed record RankedPicture<TPixel>
    where TPixel : unmanaged, IPixel<TPixel>
{
    /// <summary>The picture itself, not a copy.</summary>
    public required Image<TPixel> Image { get; init; }

    /// <summary>Its place among the pictures given, from 0.</summary>
    public required int Index { get; init; }

    /// <summary>1 is the best; null after a failure.</summary>
    public int? Rank { get; init; }

    /// <summary>Its score, on the scorer's scale; null after a failure.</summary>
    public double? Score { get; init; }

    /// <summary>Why it has no score; null if it has.</summary>
    public string? Failure { get; init; }
}

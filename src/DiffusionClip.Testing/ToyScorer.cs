using System.Globalization;

namespace DiffusionClip.Testing;

/// <summary>
/// Scores the mean of one colour channel: text <c>red</c>, <c>green</c> or <c>blue</c>, 0 to 1. Exact, so ranks can be predicted.
/// </summary>
public sealed class ToyScorer : IImageScorer
{
    /// <inheritdoc/>
    public ScorerDescriptor Descriptor { get; } = new() { Name = "toy", Version = "1", Scale = ScoreScale.Probability, MaxBatch = null };

    private static ScoreRecord Record { get; } = new() { Scorer = "toy", Version = "1", Scale = ScoreScale.Probability, Text = "" };

    /// <inheritdoc/>
    public ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(batch);
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(
            new ScoringResult
            {
                Images =
                [
                    .. batch.Images.Select(image => new ImageOutcome
                    {
                        ScoresPerText = batch.Texts.Select(text => Mean(image, text)).ToArray(),
                    }),
                ],
                Texts = [.. batch.Texts.Select(text => Record with { Text = text })],
            });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static float Mean(RgbImage image, string text)
    {
        int channel = text.ToLower(CultureInfo.InvariantCulture) switch { "red" => 0, "green" => 1, _ => 2 };
        ReadOnlySpan<byte> pixels = image.Pixels.Span;
        long sum = 0;
        for (int i = channel; i < pixels.Length; i += 3)
        {
            sum += pixels[i];
        }

        return (float)(sum / (255.0 * image.Width * image.Height));
    }
}

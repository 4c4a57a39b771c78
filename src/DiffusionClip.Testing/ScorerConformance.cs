namespace DiffusionClip.Testing;

/// <summary>A scorer does not keep the contract.</summary>
public sealed class ScorerConformanceException(string message) : Exception(message);

/// <summary>What every scorer has to hold, whatever it scores; for the tests of scorer authors, with any test framework.</summary>
public static class ScorerConformance
{
    /// <summary>Runs every check.</summary>
    /// <param name="scorer">The scorer; stays the caller's.</param>
    /// <param name="tolerance">How far a score may move between a batch and a single picture.</param>
    /// <exception cref="ScorerConformanceException">Names the rule that was broken and what was seen.</exception>
    public static async Task CheckAsync(IImageScorer scorer, float tolerance = 1e-4f)
    {
        ArgumentNullException.ThrowIfNull(scorer);
        Require(!string.IsNullOrWhiteSpace(scorer.Descriptor.Name), "the descriptor has a name");
        Require(!string.IsNullOrWhiteSpace(scorer.Descriptor.Version), "the descriptor has a version");

        RgbImage[] images = [Plain(64, 64, 200, 30, 40), Plain(31, 77, 10, 220, 60), Plain(1, 1, 5, 5, 250), Plain(300, 20, 128, 128, 128)];
        string[] texts = ["a red square", "green", ""];
        ScoringResult together = await ScoreAsync(scorer, images, texts, default).ConfigureAwait(false);
        for (int i = 0; i < images.Length; i++)
        {
            ScoringResult alone = await ScoreAsync(scorer, [images[i]], texts, default).ConfigureAwait(false);
            ReadOnlySpan<float> a = together.Images[i].ScoresPerText.Span, b = alone.Images[0].ScoresPerText.Span;
            for (int j = 0; j < texts.Length; j++)
            {
                Require(MathF.Abs(a[j] - b[j]) <= tolerance, FormattableString.Invariant($"picture {i} scores {b[j]:R} alone and {a[j]:R} in a batch; at most {tolerance:R} apart"));
            }
        }

        ScoringResult reversed = await ScoreAsync(scorer, [.. images.Reverse()], texts, default).ConfigureAwait(false);
        for (int i = 0; i < images.Length; i++)
        {
            Require(MathF.Abs(together.Images[i].ScoresPerText.Span[0] - reversed.Images[images.Length - 1 - i].ScoresPerText.Span[0]) <= tolerance, "scores do not depend on the order of the pictures");
        }

        ScoringResult none = await ScoreAsync(scorer, [], texts, default).ConfigureAwait(false);
        Require(none.Images.Count == 0, "no pictures give no outcomes");

        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync().ConfigureAwait(false);
        try
        {
            await ScoreAsync(scorer, images, texts, cancelled.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // What a scorer that looks at its token does; one that is done before it looks is as good.
        }
    }

    private static async Task<ScoringResult> ScoreAsync(IImageScorer scorer, IReadOnlyList<RgbImage> images, string[] texts, CancellationToken cancellationToken)
    {
        ScoringResult result = await scorer.ScoreAsync(new ScoringBatch { Images = images, Texts = texts }, cancellationToken).ConfigureAwait(false);
        Require(result.Images.Count == images.Count, $"{images.Count} pictures give as many outcomes, not {result.Images.Count}");
        Require(result.Texts.Count == texts.Length, $"{texts.Length} texts give as many records, not {result.Texts.Count}");
        foreach (ImageOutcome outcome in result.Images)
        {
            Require(outcome.Failure is not null || outcome.ScoresPerText.Length == texts.Length, $"an outcome has {texts.Length} scores or a failure, not {outcome.ScoresPerText.Length}");
            foreach (float score in outcome.ScoresPerText.Span)
            {
                Require(float.IsFinite(score), "scores are finite");
                Require(scorer.Descriptor.Scale != ScoreScale.Cosine || MathF.Abs(score) <= 1.0001f, FormattableString.Invariant($"a cosine lies in -1 to 1, not at {score:R}"));
                Require(scorer.Descriptor.Scale != ScoreScale.Probability || score is >= 0 and <= 1, FormattableString.Invariant($"a probability lies in 0 to 1, not at {score:R}"));
            }
        }

        for (int i = 0; i < texts.Length; i++)
        {
            ScoreRecord record = result.Texts[i];
            Require(record.Scorer == scorer.Descriptor.Name && record.Version == scorer.Descriptor.Version && record.Scale == scorer.Descriptor.Scale, "records agree with the descriptor");
        }

        return result;
    }

    private static RgbImage Plain(int width, int height, byte red, byte green, byte blue)
    {
        byte[] pixels = new byte[3 * width * height];
        for (int i = 0; i < pixels.Length; i += 3)
        {
            (pixels[i], pixels[i + 1], pixels[i + 2]) = (red, green, blue);
        }

        return new RgbImage(width, height, pixels);
    }

    private static void Require(bool condition, string rule)
    {
        if (!condition)
        {
            throw new ScorerConformanceException(rule);
        }
    }
}

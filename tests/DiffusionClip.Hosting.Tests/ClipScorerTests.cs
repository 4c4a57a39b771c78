using DiffusionClip.Scoring;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Hosting.Tests;

public class ClipScorerTests
{
    [Fact]
    public async Task A_picture_that_cannot_be_prepared_costs_only_its_own_score()
    {
        await using ServiceProvider services = new ServiceCollection()
            .AddDiffusionClip(contentRoot: Golden.Repository)
            .BuildServiceProvider();
        using ClipScorer scorer = await services
            .GetRequiredService<ScorerCatalog>()
            .LeaseClipAsync("emoji-clip", null, LongTextPolicy.Truncate, TestContext.Current.CancellationToken);
        var good = new RgbImage(64, 64, new byte[64 * 64 * 3]);
        var endless = new RgbImage(200_000, 1, new byte[600_000]);

        ScoringResult result = await scorer.ScoreAsync(
            new ScoringBatch { Images = [good, endless, good], Texts = ["a red apple"] },
            TestContext.Current.CancellationToken);
        ScoringResult alone = await scorer.ScoreAsync(
            new ScoringBatch { Images = [good], Texts = ["a red apple"] },
            TestContext.Current.CancellationToken);

        Assert.Contains("200000x1", result.Images[1].Failure, StringComparison.Ordinal);
        Assert.Null(result.Images[0].Failure);
        Assert.Equal(alone.Images[0].ScoresPerText.Span[0], result.Images[0].ScoresPerText.Span[0], 1e-5f);
        Assert.Equal(result.Images[0].ScoresPerText.Span[0], result.Images[2].ScoresPerText.Span[0], 1e-6f);
    }

    /// <summary>What a picture scores must not depend on which others are scored with it: a run that goes on groups them anew.</summary>
    [Fact]
    public async Task Scores_of_the_embedded_model_do_not_depend_on_the_batch()
    {
        await using ServiceProvider services = new ServiceCollection()
            .AddDiffusionClip(contentRoot: Golden.Repository)
            .BuildServiceProvider();
        using ClipScorer scorer = await services
            .GetRequiredService<ScorerCatalog>()
            .LeaseClipAsync("emoji-clip", "cpu", LongTextPolicy.Truncate, TestContext.Current.CancellationToken);
        var random = new Random(5);
        RgbImage[] images =
        [
            .. Enumerable
                .Range(0, 11)
                .Select(_ =>
                {
                    byte[] pixels = new byte[64 * 64 * 3];
                    random.NextBytes(pixels);
                    return new RgbImage(64, 64, pixels);
                }),
        ];
        ScoringResult together = await scorer.ScoreAsync(
            new() { Images = images, Texts = ["a red apple"] },
            TestContext.Current.CancellationToken);
        for (int i = 0; i < images.Length; i++)
        {
            ScoringResult alone = await scorer.ScoreAsync(
                new() { Images = [images[i]], Texts = ["a red apple"] },
                TestContext.Current.CancellationToken);
            Assert.Equal(alone.Images[0].ScoresPerText.Span[0], together.Images[i].ScoresPerText.Span[0]);
        }
    }
}

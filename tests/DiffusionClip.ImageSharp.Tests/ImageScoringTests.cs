using DiffusionClip.Testing;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.PixelFormats;

namespace DiffusionClip.ImageSharp;

public sealed class ImageScoringTests
{
    private static readonly byte[] Levels = [10, 200, 90, 90, 255, 0, 30, 40, 50, 60, 70, 80];

    private static readonly Image<L8>[] Greys = [.. Levels.Select(level => new Image<L8>(4, 4, new L8(level)))];

    [Fact]
    public async Task Scores_are_those_of_the_same_pixels()
    {
        using var scorer = new ToyScorer();
        RgbImage[] pictures = [.. Greys.Select(grey => grey.ToRgbImage())];
        ScoringResult expected = await scorer.ScoreAsync(
            new ScoringBatch { Images = pictures, Texts = ["a", "b"] },
            TestContext.Current.CancellationToken);
        ScoringResult result = await scorer.ScoreAsync(Greys, ["a", "b"], TestContext.Current.CancellationToken);
        Assert.Equal(expected.Images.Select(Scores), result.Images.Select(Scores));
        Assert.Equal(expected.Texts, result.Texts);

        static float[] Scores(ImageOutcome outcome) => outcome.ScoresPerText.ToArray();
    }

    [Fact]
    public async Task Pictures_are_ranked_and_failures_come_last()
    {
        using var scorer = new Brightness(higherIsBetter: true);
        IReadOnlyList<RankedPicture<L8>> ranked = await scorer.RankAsync("bright", Greys, TestContext.Current.CancellationToken);
        Assert.Equal([255, 200, 90, 90, 80, 70, 60, 50, 40, 30, 10], ranked.SkipLast(1).Select(picture => picture.Score));
        Assert.Equal([4, 1, 2, 3], ranked.Take(4).Select(picture => picture.Index));
        Assert.Equal(Enumerable.Range(1, 11).Cast<int?>().Append(null), ranked.Select(picture => picture.Rank));
        Assert.Same(Greys[4], ranked[0].Image);
        Assert.Equal((5, null, "black"), (ranked[^1].Index, ranked[^1].Score, ranked[^1].Failure));
    }

    [Fact]
    public async Task Where_less_is_better_the_least_comes_first()
    {
        using var scorer = new Brightness(higherIsBetter: false);
        Assert.Equal(10, (await scorer.RankAsync("dark", Greys, TestContext.Current.CancellationToken))[0].Score);
    }

    [Fact]
    public async Task A_score_that_is_no_number_is_a_failure()
    {
        using var scorer = new Brightness(higherIsBetter: true);
        IReadOnlyList<RankedPicture<L8>> ranked = await scorer.RankAsync("NaN", Greys[..2], TestContext.Current.CancellationToken);
        Assert.All(ranked, picture => Assert.Contains("finite", picture.Failure, StringComparison.Ordinal));
        Assert.Equal(2, ranked.Count);
    }

    [Fact]
    public void A_run_starts_from_a_picture_of_the_program()
    {
        ImageRequest request = ImageRequest.For("two cats") with { Sampling = new() { Seed = 3 } };
        using var same = new Image<Rgb24>(4, 4, new Rgb24(90, 90, 90));
        (ImageRequest first, IReadOnlyDictionary<string, RgbImage> images) = request.StartFrom(Greys[2], Greys[4], 0.5);
        (ImageRequest second, _) = request.StartFrom(same);
        Assert.Equal((request.Prompt, request.Sampling, 0.5), (first.Prompt, first.Sampling, first.Origin!.Strength));
        Assert.Equal(first.Origin.Image, second.Origin!.Image);
        Assert.NotEqual(first.Origin.Image, first.Origin.Mask);
        Assert.Equal(90, images[first.Origin.Image].Pixels.Span[0]);
        Assert.Equal(255, images[first.Origin.Mask!].Pixels.Span[0]);
        Assert.Equal(2, images.Count);
    }

    /// <summary>The level of the first pixel; black cannot be scored.</summary>
    private sealed class Brightness(bool higherIsBetter) : IImageScorer
    {
        public ScorerDescriptor Descriptor { get; } = new()
        {
            Name = "brightness",
            Version = "1",
            Scale = ScoreScale.Unbounded,
            HigherIsBetter = higherIsBetter,
        };

        public ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken) =>
            ValueTask.FromResult(new ScoringResult
            {
                Images = [.. batch.Images.Select(image => Score(image, batch.Texts))],
                Texts = [.. batch.Texts.Select(text => new ScoreRecord
                {
                    Scorer = "brightness",
                    Version = "1",
                    Scale = ScoreScale.Unbounded,
                    Text = text,
                })],
            });

        private static ImageOutcome Score(RgbImage image, IReadOnlyList<string> texts) => image.Pixels.Span[0] == 0
            ? new ImageOutcome { Failure = "black" }
            : new ImageOutcome { ScoresPerText = texts.Select(text => text == "NaN" ? float.NaN : image.Pixels.Span[0]).ToArray() };

        public void Dispose()
        {
        }
    }
}

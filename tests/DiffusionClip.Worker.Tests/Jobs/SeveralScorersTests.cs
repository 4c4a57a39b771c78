using System.Text.Json;

namespace DiffusionClip.Worker.Jobs;

/// <summary>Jobs with several scorers, and with registered ones.</summary>
public sealed class SeveralScorersTests
{
    [Fact]
    public async Task Generations_rankings_and_scores_have_every_scorers_score_and_a_number_that_is_none_is_a_failure()
    {
        await using QueueHost host = await QueueHost.StartAsync(services: services => services.AddSingleton<IImageScorer, Picky>());
        JobSubmission submission = QueueHost.Generate(candidates: 3);
        Job job = await host.RunAsync(
            submission with
            {
                Body = new()
                {
                    Generate = submission.Body.Generate! with
                    {
                        Search = new()
                        {
                            Candidates = 3,
                            Scorer = "emoji-clip=1,picky=0.5",
                            Combination = ScoreCombination.MeanRank,
                        },
                    },
                },
            });
        Assert.Equal((JobState.Done, null), (job.State, job.Reason));
        Assert.Equal(["emoji-clip", "picky"], job.Body.Generate!.Search.Scorers!.Select(scorer => scorer.Id));
        Assert.Equal(["emoji-clip", "picky"], job.Result!.Report!.Scorers.Select(scorer => scorer.Id));
        Assert.All(job.Result.Images, image => Assert.Equal(["emoji-clip", "picky"], image.Scores!.Select(score => score.Scorer)));

        string[] images = [.. job.Result.Images.Select(image => image.Sha256)];
        Picky.Refuses = true;
        Job ranked = await host.RunAsync(
            new(
                "local",
                JobKind.Rank,
                new()
                {
                    Rank = new()
                    {
                        Prompt = "x",
                        Scorers = [new() { Id = "emoji-clip", Text = "a red apple" }, new() { Id = "picky" }],
                        Combination = ScoreCombination.StandardScores,
                        Images = images,
                    },
                }));
        Assert.Equal((JobState.Done, null), (ranked.State, ranked.Reason));
        Assert.Equal(["emoji-clip", "picky"], ranked.Result!.Scorers!.Select(scorer => scorer.Id));
        Assert.Equal(["a red apple", "x"], ranked.Result.Scorers!.Select(scorer => scorer.Record!.Text));

        // The first picture of each batch gives no number: it does not vanish.
        Assert.Equal(3, ranked.Result.Images.Count);
        ResultImage failed = Assert.Single(ranked.Result.Images, image => image.Rank is null);
        Assert.Equal(("picky gave a score that is not finite", images[0]), (failed.Failure, failed.Sha256));

        Job scored = await host.RunAsync(new("local", JobKind.Score, new()
        {
            Score = new() { Scorer = "emoji-clip,picky", Pairs = [new(images[0], ["a", "b"]), new(images[1], ["a", "b"])] },
        }));
        Assert.Equal((JobState.Done, null), (scored.State, scored.Reason));
        Assert.Equal(
            [
                "emoji-clip a",
                "emoji-clip b",
                "picky a not finite",
                "picky b not finite",
                "emoji-clip a",
                "emoji-clip b",
                "picky a",
                "picky b",
            ],
            scored.Result!.Scores.Select(row => $"{row.Scorer} {row.Text}{(row.Failure is null ? "" : " not finite")}"));

        // Whatever a scorer says, the result is JSON.
        Assert.NotEmpty(JsonSerializer.Serialize(ranked.Result, DiffusionClipJson.Compact));
    }

    [Fact]
    public async Task What_cannot_be_combined_is_refused_when_it_comes_in()
    {
        await using QueueHost host = await QueueHost.StartAsync(
            services: services => services.AddSingleton<IImageScorer, Picky>(), run: false);
        JobSubmission submission = QueueHost.Generate();
        InvalidRequestException refused = await Assert.ThrowsAsync<InvalidRequestException>(() => host.Queue.SubmitAsync(submission with
        {
            Body = new() { Generate = submission.Body.Generate! with { Search = new() { Scorer = "emoji-clip,picky" } } },
        }));
        Assert.Contains("do not add up", refused.Message, StringComparison.Ordinal);
        refused = await Assert.ThrowsAsync<InvalidRequestException>(() => host.Queue.SubmitAsync(submission with
        {
            Body = new() { Generate = submission.Body.Generate! with { Search = new() { Scorers = [new() { Id = "../emoji-clip" }] } } },
        }));
        Assert.Equal("scorers", refused.Field);
    }

    /// <summary>Likes it bright; the first picture of a batch may get no number.</summary>
    private sealed class Picky : IImageScorer
    {
        public static bool Refuses { get; set; }

        public ScorerDescriptor Descriptor { get; } = new() { Name = "picky", Version = "1", Scale = ScoreScale.Unbounded };

        public ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken) =>
            ValueTask.FromResult(new ScoringResult
        {
            Images =
            [
                .. batch.Images.Select((image, i) => new ImageOutcome
                {
                    ScoresPerText = batch.Texts.Select(_ => Refuses && i == 0 ? float.NaN : image.Pixels.Span[0]).ToArray(),
                }),
            ],
            Texts =
                [.. batch.Texts.Select(text => new ScoreRecord { Scorer = "picky", Version = "1", Scale = ScoreScale.Unbounded, Text = text })],
        });

        public void Dispose()
        {
        }
    }
}

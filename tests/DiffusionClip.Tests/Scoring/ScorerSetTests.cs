using System.Text.Json;

namespace DiffusionClip.Scoring;

public sealed class ScorerSetTests
{
    private static readonly RgbImage[] Images = [.. Enumerable.Range(1, 3).Select(width => new RgbImage(width, 1, new byte[3 * width]))];

    [Fact]
    public async Task Each_scorer_gets_the_whole_batch_once_with_its_own_text()
    {
        var seen = new List<string>();
        using ScorerSet scorers = Set(
            ScoreCombination.WeightedSum,
            (Entry("wide", text: "wide"), Scorer("wide", image => image.Width)),
            (Entry("narrow", 2, text: "narrow"), Scorer("narrow", image => -image.Width)));
        IReadOnlyList<IReadOnlyList<ScorerScore>> scores = await scorers.ScoreAsync(Images, ScoringPhase.Final, default);
        Assert.Equal(["wide: 3 of wide", "narrow: 3 of narrow"], seen);
        Assert.All(scores, row => Assert.Equal(["wide", "narrow"], row.Select(score => score.Scorer)));
        Assert.Equal([-1, -2, -3], scorers.Totals(scores, ScoringPhase.Final));
        Assert.Equal(["wide", "narrow"], scorers.Report().Select(report => report.Record!.Scorer));
        Assert.Empty(await scorers.ScoreAsync([], ScoringPhase.Final, default));

        Scripted Scorer(string name, Func<RgbImage, float> score) => new(batch =>
        {
            seen.Add($"{name}: {batch.Images.Count} of {Assert.Single(batch.Texts)}");
            return Scripted.Answer(batch, score, name);
        }) { Descriptor = Scripted.Describe(name) };
    }

    [Fact]
    public async Task A_scorer_of_finished_pictures_is_not_asked_at_checkpoints()
    {
        using ScorerSet scorers = Set(
            ScoreCombination.MeanRank,
            (Entry("a"), Constant("a", image => image.Width, lower: true)),
            (Entry("late") with { Phases = [ScoringPhase.Final] }, new Scripted(_ => throw new InvalidOperationException())));
        IReadOnlyList<IReadOnlyList<ScorerScore>> scores = await scorers.ScoreAsync(Images, ScoringPhase.Checkpoint, default);
        Assert.Equal(new ScorerScore { Scorer = "late" }, scores[0][1]);
        Assert.Null(scorers.FailureOf(scores[0]));

        // Of a lower score is better: with several scorers the total has more of the better.
        Assert.True(scorers.HigherIsBetter);
        Assert.Equal([-1, -2, -3], scorers.Totals(scores, ScoringPhase.Checkpoint));
        scores = await scorers.ScoreAsync(Images, ScoringPhase.Final, default);
        Assert.Equal([null, null, null], scorers.Totals(scores, ScoringPhase.Final));
        Assert.Contains("scripted failed", scorers.FailureOf(scores[0]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scores_that_come_about_in_another_way_are_refused_also_after_a_snapshot()
    {
        string model = "one";
        Scripted Changing() => new(batch =>
        {
            ScoringResult result = Scripted.Answer(batch, _ => 1);
            return result with { Texts = [result.Texts[0] with { Model = model }] };
        });

        using ScorerSet scorers = Set(null, (Entry("a"), Changing()));
        await scorers.ScoreAsync(Images, ScoringPhase.Final, default);
        string snapshot = JsonSerializer.Serialize(scorers.Records, DiffusionClipJson.Compact);
        model = "two";
        using ScorerSet again = Set(null, (Entry("a"), Changing()));
        again.Records = JsonSerializer.Deserialize<ScorerRecords[]>(snapshot, DiffusionClipJson.Compact)!;
        foreach (ScorerSet set in new[] { scorers, again })
        {
            ScorerScore refused = (await set.ScoreAsync(Images, ScoringPhase.Final, default))[0][0];
            Assert.Null(refused.Score);
            Assert.Contains("model: one and two", refused.Failure, StringComparison.Ordinal);

            // Previews are compared among themselves.
            Assert.Equal(1, (await set.ScoreAsync(Images, ScoringPhase.Checkpoint, default))[0][0].Score);
        }

        using ScorerSet other = Set(null, (Entry("b"), Changing()));
        Assert.Throws<InvalidDataException>(() => other.Records = scorers.Records);
    }

    [Fact]
    public void Where_all_watch_nothing_is_ranked_and_that_is_said()
    {
        using ScorerSet scorers = Set(null, (Entry("a", 0), Constant("a", _ => 1)), (Entry("b", 0), Constant("b", _ => 1)));
        Assert.Contains("every weight is 0", Assert.Single(scorers.Warnings()), StringComparison.Ordinal);
        Assert.Equal([null], scorers.Totals([[new() { Scorer = "a", Score = 1 }, new() { Scorer = "b", Score = 1 }]], ScoringPhase.Final));
        Assert.Equal([null, null], scorers.Totals([[], []], ScoringPhase.Final));
        Assert.Null(scorers.Combination);
        Assert.Empty(ScorerSet.Empty.Warnings());
    }

    private static Scripted Constant(string name, Func<RgbImage, float> score, bool lower = false) =>
        new(batch => Scripted.Answer(batch, score, name)) { Descriptor = Scripted.Describe(name) with { HigherIsBetter = !lower } };

    private static ScorerRequest Entry(string id, double weight = 1, string text = "a text") => new() { Id = id, Weight = weight, Text = text };

    private static ScorerSet Set(ScoreCombination? combination, params (ScorerRequest Request, Scripted Scorer)[] scorers) =>
        new([.. scorers.Select(scorer => new ScorerLease(scorer.Request, new CheckedScorer(scorer.Scorer), null))], combination);
}

namespace DiffusionClip.Scoring;

public sealed class ScoreComparisonTests
{
    private static readonly ScoreRecord First =
        new() { Scorer = "clip", Version = "1", Scale = ScoreScale.Cosine, Model = "a", Text = "a cat" };

    [Fact]
    public void Scores_of_two_policies_are_kept_apart()
    {
        var comparison = new ScoreComparison();
        Assert.Null(comparison.Refuse(First));
        Assert.Null(comparison.Refuse(First with { Text = "a dog", TokensDropped = 3 }));
        Assert.Contains(
            "long_text: truncate and windows-mean", comparison.Refuse(First with { LongText = "windows-mean" }), StringComparison.Ordinal);
        Assert.Same(First, comparison.Record);
    }

    [Fact]
    public void Previews_and_finished_pictures_are_ranked_among_themselves()
    {
        var comparison = new ScoreComparison();
        ScoreRecord preview = First with { Model = "small" };
        Assert.Null(comparison.Refuse(preview, ScoringPhase.Checkpoint));
        Assert.Same(preview, comparison.Record);
        Assert.Null(comparison.Refuse(First));
        Assert.NotNull(comparison.Refuse(First, ScoringPhase.Checkpoint));
        Assert.Same(First, comparison.Record);
    }

    [Fact]
    public void Every_field_but_the_text_parts_scores()
    {
        ScoreRecord[] others =
        [
            First with
            {
                Scorer = "x",
            },
            First with
            {
                Version = "2",
            },
            First with
            {
                Scale = ScoreScale.Probability,
            },
            First with
            {
                Model = null,
            },
            First with
            {
                Sha256 = "x",
            },
            First with
            {
                Preprocessing = "x",
            },
            First with
            {
                LongText = "x",
            },
            First with
            {
                Precision = "x",
            },
            First with
            {
                Provider = "x",
            },
        ];
        Assert.All(others, other => Assert.NotNull(First.DifferenceFrom(other)));
        Assert.Equal("model: a and none", First.DifferenceFrom(others[3]));

        // A field that is added later has to be compared too: text and dropped tokens are the only ones that are not.
        Assert.Equal(typeof(ScoreRecord).GetProperties().Length, others.Length + 2);
    }
}

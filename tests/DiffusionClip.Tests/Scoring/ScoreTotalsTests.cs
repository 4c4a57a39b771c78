namespace DiffusionClip.Scoring;

public sealed class ScoreTotalsTests
{
    private static readonly ScoreWeight Higher = new(), Lower = new() { HigherIsBetter = false }, Watching = new() { Weight = 0 };

    public static TheoryData<ScoreCombination> Combinations => [.. Enum.GetValues<ScoreCombination>()];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void One_weighted_scorers_total_is_its_score_to_the_bit_in_its_own_orientation(bool higherIsBetter)
    {
        ScoreWeight single = new() { Weight = 0.3, HigherIsBetter = higherIsBetter };
        double?[][] scores = [[0.1f, 5], [null, 6], [-0.7f, null]];
        Assert.All(Enum.GetValues<ScoreCombination>(), combination =>
            Assert.Equal([(double)0.1f, null, (double)-0.7f], ScoreTotals.Combine(scores, [single, Watching], combination)));
        Assert.Equal(higherIsBetter, ScoreTotals.HigherIsBetter([single, Watching]));
        Assert.True(ScoreTotals.HigherIsBetter([single, single]));
        Assert.True(ScoreTotals.HigherIsBetter([]));
    }

    [Fact]
    public void Sums_have_less_is_better_scores_negated()
    {
        double?[] totals = ScoreTotals.Combine([[1, 10], [2, 4]], [Higher with { Weight = 2 }, Lower], ScoreCombination.WeightedSum);
        Assert.Equal([-8, 0], totals);
    }

    [Fact]
    public void Standard_scores_have_the_populations_mean_and_deviation()
    {
        // Mean 4 and population deviation 2 of the first; 10 and 10 of the second.
        double?[] totals = ScoreTotals.Combine([[2, 20], [6, 0]], [Higher, Higher with { Weight = 0.5 }], ScoreCombination.StandardScores);
        Assert.Equal([-0.5, 0.5], totals);
    }

    [Fact]
    public void A_population_without_spread_has_standard_scores_of_0()
    {
        // A third added up three times is not 1: a deviation computed from it would be of rounding alone.
        double?[][] scores = [.. Enumerable.Repeat<double?[]>([1.0 / 3, 0.1], 7)];
        Assert.All(ScoreTotals.Combine(scores, [Higher, Lower], ScoreCombination.StandardScores), total => Assert.Equal(0, total));
        Assert.Equal([0], ScoreTotals.Combine([[5, 7]], [Higher, Lower], ScoreCombination.StandardScores));
    }

    [Fact]
    public void Ties_share_the_mean_of_their_ranks()
    {
        // Ranks 1.5, 1.5, 3, 4 and 4, 3, 1.5, 1.5.
        double?[] totals = ScoreTotals.Combine(
            [[9, 9], [9, 8], [5, 2], [1, 2]], [Higher, Lower with { Weight = 3 }], ScoreCombination.MeanRank);
        Assert.Equal([-(1.5 + 12) / 4, -(1.5 + 9) / 4, -(3 + 4.5) / 4, -(4 + 4.5) / 4], totals);
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void A_candidate_without_a_weighted_score_has_no_total_and_moves_no_others(ScoreCombination combination)
    {
        double?[][] complete = [[1, 4], [3, 2], [2, 9]];
        double?[] with = ScoreTotals.Combine([[100, null], .. complete, [double.NaN, 1], [null, null]], [Higher, Lower], combination);
        Assert.Equal([null, .. ScoreTotals.Combine(complete, [Higher, Lower], combination), null, null], with);
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void Who_scores_another_phase_is_left_out_and_the_total_keeps_its_orientation(ScoreCombination combination)
    {
        ScoreWeight absent = new() { TakesPart = false };
        double?[] totals = ScoreTotals.Combine([[null, 3], [null, 1]], [absent, Lower], combination);
        Assert.True(totals[1] > totals[0], "of two weighted scorers more is better in the total, also where one of them scores alone");
        Assert.Equal([null, null], ScoreTotals.Combine([[null], [null]], [absent], combination));
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void The_order_of_the_candidates_changes_no_bit(ScoreCombination combination)
    {
        var random = new Random(7);
        for (int round = 0; round < 200; round++)
        {
            (double?[][] scores, ScoreWeight[] scorers) = Population(random);
            int[] order = [.. Enumerable.Range(0, scores.Length)];
            random.Shuffle(order);
            double?[] totals = ScoreTotals.Combine(scores, scorers, combination);
            double?[] shuffled = ScoreTotals.Combine([.. order.Select(i => scores[i])], scorers, combination);
            Assert.Equal([.. order.Select(i => totals[i])], shuffled);
        }
    }

    [Theory]
    [MemberData(nameof(Combinations))]
    public void A_scorer_of_weight_0_changes_no_bit(ScoreCombination combination)
    {
        var random = new Random(11);
        for (int round = 0; round < 200; round++)
        {
            (double?[][] scores, ScoreWeight[] scorers) = Population(random);
            double?[] totals = ScoreTotals.Combine(scores, scorers, combination);
            double?[] watched = ScoreTotals.Combine(
                [.. scores.Select(row => (double?[])[random.Next(3) == 0 ? null : random.NextDouble(), .. row])],
                [Watching, .. scorers],
                combination);
            Assert.Equal(totals, watched);
        }
    }

    [Fact]
    public void Increasing_transforms_change_no_bit_of_mean_ranks()
    {
        var random = new Random(13);
        for (int round = 0; round < 200; round++)
        {
            (double?[][] scores, ScoreWeight[] scorers) = Population(random);
            double?[] totals = ScoreTotals.Combine(scores, scorers, ScoreCombination.MeanRank);
            double?[][] stretched =
            [
                .. scores.Select(row =>
                    row.Select((score, scorer) => scorer == 0 ? Math.Exp(score ?? double.NaN) : (score * 3) - 7)
                        .Select(score => score is double.NaN ? null : score)
                        .ToArray()),
            ];
            if (scorers.Count(scorer => scorer.Weight > 0) > 1)
            {
                Assert.Equal(totals, ScoreTotals.Combine(stretched, scorers, ScoreCombination.MeanRank));
            }
        }
    }

    [Fact]
    public void Scaling_a_scorer_changes_standard_scores_within_rounding_only()
    {
        var random = new Random(17);
        double?[][] scores = [.. Enumerable.Range(0, 20).Select(_ => (double?[])[random.NextDouble(), random.NextDouble()])];
        double?[] totals = ScoreTotals.Combine(scores, [Higher, Lower], ScoreCombination.StandardScores);
        double?[] scaled = ScoreTotals.Combine(
            [.. scores.Select(row => (double?[])[(row[0] * 1000) + 5, row[1]])], [Higher, Lower], ScoreCombination.StandardScores);
        Assert.All(totals.Zip(scaled), pair => Assert.Equal(pair.First!.Value, pair.Second!.Value, 9));
    }

    private static (double?[][] Scores, ScoreWeight[] Scorers) Population(Random random)
    {
        ScoreWeight[] scorers = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => new ScoreWeight
        {
            Weight = random.Next(3) / 2.0,
            HigherIsBetter = random.Next(2) == 0,
        })];

        // Few values, so that there are ties.
        double?[][] scores =
        [
            .. Enumerable
                .Range(0, random.Next(1, 12))
                .Select(_ => scorers.Select(_ => random.Next(10) == 0 ? (double?)null : random.Next(8) / 7.0).ToArray()),
        ];
        return (scores, scorers);
    }
}

using CsCheck;

namespace DiffusionClip.Selection;

public sealed class RankingTests
{
    [Fact]
    public void Ties_break_by_index_and_the_unscored_come_last()
    {
        CandidateScore[] population =
            [Score(3, 0.5), Score(0, null), Score(1, 0.5), Score(2, 0.9), Score(4, 0.7) with { Failure = "failed" }, Score(5, double.NaN)];
        Assert.Equal([2, 1, 3, 0, 5], Ranking.Order(population, higherIsBetter: true).Select(id => id.Value));
        Assert.Equal([1, 3, 2, 0, 5], Ranking.Order(population, higherIsBetter: false).Select(id => id.Value));
    }

    [Fact]
    public void The_order_of_the_input_does_not_matter() =>
        Gen.Select(Gen.Int[0, 3].Array[1, 12], Gen.Int).Sample((scores, salt) =>
        {
            CandidateScore[] population = [.. scores.Select((score, i) => Score(i, score == 0 ? null : score))];
            CandidateScore[] shuffled = [.. population.OrderBy(candidate => unchecked((candidate.Candidate.Value + 1) * (salt | 1)))];
            Assert.Equal(Ranking.Order(population, true), Ranking.Order(shuffled, true));
        });

    private static CandidateScore Score(int id, double? total) => new() { Candidate = new(id), Evaluation = 8, Total = total };
}

using DiffusionClip.Scoring;

namespace DiffusionClip.Selection;

/// <summary>Pictures that exist, in the order of their totals.</summary>
public sealed class PictureRanking
{
    private readonly double?[] _totals;
    private readonly string?[] _failures;

    /// <summary>Ranks pictures that were each scored against one text by every scorer.</summary>
    /// <param name="items">The pictures, as the scorers gave them.</param>
    /// <param name="scorers">The scorers.</param>
    public PictureRanking(IReadOnlyList<ScoredItem> items, ScorerSet scorers)
    {
        ArgumentNullException.ThrowIfNull(items);
        ArgumentNullException.ThrowIfNull(scorers);
        Scores = [.. items.Select(item => (IReadOnlyList<ScorerScore>)[.. item.Scorers.Select((scored, i) => Score(scored, scorers.Entries[i]))])];
        _totals = scorers.Totals(Scores, ScoringPhase.Final);
        _failures = [.. Scores.Select((row, i) => _totals[i] is null ? scorers.FailureOf(row) ?? "it has no score" : null)];
        Order = Ranking.Order(_totals, scorers.HigherIsBetter);
    }

    /// <summary>The pictures that have a total, best first: their places in the given list.</summary>
    public IReadOnlyList<int> Order { get; }

    /// <summary>Per picture of the given list, each scorer's score.</summary>
    public IReadOnlyList<IReadOnlyList<ScorerScore>> Scores { get; }

    /// <summary>Per picture of the given list, why it has no total; null if it has.</summary>
    public IReadOnlyList<string?> Failures => _failures;

    /// <summary>A picture's total.</summary>
    /// <param name="rank">From 0 for the best.</param>
    public double Total(int rank) => _totals[Order[rank]]!.Value;

    /// <summary>Distance to the next total; null for the last.</summary>
    /// <param name="rank">From 0 for the best.</param>
    public double? Margin(int rank) => rank + 1 < Order.Count ? Math.Abs(Total(rank) - Total(rank + 1)) : null;

    private static ScorerScore Score(ScoredBy scored, ScorerLease scorer)
    {
        string? failure = scored.Outcome.Failure ?? scorer.Comparison.Refuse(scored.Records[0]);
        return new() { Scorer = scored.Scorer, Score = failure is null ? scored.Outcome.ScoresPerText.Span[0] : null, Failure = failure };
    }
}

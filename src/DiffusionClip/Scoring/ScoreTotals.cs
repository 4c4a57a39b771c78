namespace DiffusionClip.Scoring;

/// <summary>A scorer as totals see it.</summary>
internal sealed record ScoreWeight
{
    /// <summary>Weight of its score, finite and not negative; 0: it watches.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Whether a larger number is a better match.</summary>
    public bool HigherIsBetter { get; init; } = true;

    /// <summary>Whether it scored this population; one that scores other phases only is left out of the sum.</summary>
    public bool TakesPart { get; init; } = true;
}

/// <summary>
/// One total per candidate from the scores of several scorers, for a whole population at once. Pure; the order of the candidates changes
/// nothing, to the last bit.
/// </summary>
internal static class ScoreTotals
{
    /// <summary>
    /// Totals of a population. With one weighted scorer the total is its score as it is, in its own orientation. With several, scores of
    /// which less is better enter negated, and more is better in the total. A candidate that lacks the score of a weighted scorer which
    /// took part has no total and counts for no other's: standard scores and ranks are those among the complete ones.
    /// </summary>
    /// <param name="scores">Per candidate, one raw score per scorer; null: none.</param>
    /// <param name="scorers">The scorers, in the same order.</param>
    /// <param name="combination">How several become one.</param>
    /// <returns>One total per candidate; null: none.</returns>
    /// <exception cref="ArgumentException">A candidate has not as many scores as there are scorers.</exception>
    public static double?[] Combine(
        IReadOnlyList<IReadOnlyList<double?>> scores, IReadOnlyList<ScoreWeight> scorers, ScoreCombination combination)
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(scorers);
        if (scores.FirstOrDefault(row => row.Count != scorers.Count) is { } odd)
        {
            throw new ArgumentException(FormattableString.Invariant($"{odd.Count} scores of {scorers.Count} scorers."), nameof(scores));
        }

        double?[] totals = new double?[scores.Count];
        int[] weighted = [.. Enumerable.Range(0, scorers.Count).Where(scorer => scorers[scorer].Weight > 0)];
        int[] columns = [.. weighted.Where(scorer => scorers[scorer].TakesPart)];
        if (columns.Length == 0)
        {
            return totals;
        }

        if (weighted.Length == 1)
        {
            return [.. scores.Select(row => Finite(row[columns[0]]))];
        }

        int[] complete =
        [
            .. Enumerable.Range(0, scores.Count)
                .Where(candidate => Array.TrueForAll(columns, column => Finite(scores[candidate][column]) is not null)),
        ];
        double[] sums = new double[complete.Length];
        foreach (int column in columns)
        {
            double sign = scorers[column].HigherIsBetter ? 1 : -1;
            double[] values = [.. complete.Select(candidate => sign * scores[candidate][column]!.Value)];
            double[] terms = combination switch
            {
                ScoreCombination.WeightedSum => values,
                ScoreCombination.StandardScores => StandardScores(values),
                ScoreCombination.MeanRank => Ranks(values),
                _ => throw new ArgumentOutOfRangeException(nameof(combination), combination, "No such combination."),
            };
            for (int i = 0; i < sums.Length; i++)
            {
                sums[i] += scorers[column].Weight * terms[i];
            }
        }

        double all = columns.Sum(column => scorers[column].Weight);
        for (int i = 0; i < complete.Length; i++)
        {
            totals[complete[i]] = combination == ScoreCombination.MeanRank ? -sums[i] / all : sums[i];
        }

        return totals;
    }

    /// <summary>Whether more is better in the total: with one weighted scorer as it says, else yes.</summary>
    public static bool HigherIsBetter(IReadOnlyList<ScoreWeight> scorers)
    {
        ArgumentNullException.ThrowIfNull(scorers);
        ScoreWeight[] weighted = [.. scorers.Where(scorer => scorer.Weight > 0)];
        return weighted is not [var single] || single.HigherIsBetter;
    }

    private static double? Finite(double? score) => score is { } value && double.IsFinite(value) ? value : null;

    /// <summary>(value - mean) / standard deviation of the population; 0 where all are the same.</summary>
    private static double[] StandardScores(double[] values)
    {
        if (values.Length == 0 || values.Max() == values.Min())
        {
            return new double[values.Length];
        }

        // In one order, so that the candidates' own does not show in the last bits.
        double[] ordered = [.. values.Order()];
        double mean = ordered.Sum() / ordered.Length;
        double deviation = Math.Sqrt(ordered.Sum(value => (value - mean) * (value - mean)) / ordered.Length);
        return deviation > 0 ? Array.ConvertAll(values, value => (value - mean) / deviation) : new double[values.Length];
    }

    /// <summary>1 for the best; ties share the mean of their ranks.</summary>
    private static double[] Ranks(double[] values)
    {
        int[] order = [.. Enumerable.Range(0, values.Length).OrderByDescending(i => values[i])];
        double[] ranks = new double[values.Length];
        for (int start = 0; start < order.Length;)
        {
            int end = start + 1;
            while (end < order.Length && values[order[end]] == values[order[start]])
            {
                end++;
            }

            // Ranks start + 1 to end.
            foreach (int i in order.AsSpan(start, end - start))
            {
                ranks[i] = (start + 1 + end) / 2.0;
            }

            start = end;
        }

        return ranks;
    }
}

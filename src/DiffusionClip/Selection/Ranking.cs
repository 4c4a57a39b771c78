namespace DiffusionClip.Selection;

/// <summary>The one order in which candidates stand: by score, ties by index, the unscored after the scored, the failed left out.</summary>
public static class Ranking
{
    /// <summary>Orders a population, best first. Does not depend on the order of its input.</summary>
    /// <param name="population">Candidates with their scores; a score that is not a number counts as none.</param>
    /// <param name="higherIsBetter">Whether larger scores are better.</param>
    public static IEnumerable<CandidateId> Order(IEnumerable<CandidateScore> population, bool higherIsBetter)
    {
        double sign = higherIsBetter ? -1 : 1;
        return population
            .Where(candidate => candidate.Failure is null)
            .OrderBy(candidate => HasScore(candidate) ? 0 : 1)
            .ThenBy(candidate => HasScore(candidate) ? sign * candidate.Total!.Value : 0)
            .ThenBy(candidate => candidate.Candidate)
            .Select(candidate => candidate.Candidate);
    }

    /// <summary>Ranks scores: the indices of those that have one, best first, ties by index.</summary>
    /// <param name="scores">One score per item; null or not a number: none.</param>
    /// <param name="higherIsBetter">Whether larger scores are better.</param>
    public static int[] Order(IReadOnlyList<double?> scores, bool higherIsBetter)
    {
        ArgumentNullException.ThrowIfNull(scores);
        double sign = higherIsBetter ? -1 : 1;
        return [.. Enumerable.Range(0, scores.Count)
            .Where(index => scores[index] is { } score && !double.IsNaN(score))
            .OrderBy(index => sign * scores[index]!.Value)
            .ThenBy(index => index)];
    }

    private static bool HasScore(CandidateScore candidate) => candidate.Total is { } total && !double.IsNaN(total);
}

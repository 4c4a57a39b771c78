namespace DiffusionClip.Selection;

/// <summary>
/// Best-of-N: every candidate runs to its end, the best are kept; no checkpoint (the rejection-sampling baseline of Stiennon et al. 2020,
/// section 4.1, with a scorer in place of a reward model).
/// </summary>
/// <remarks>
/// Many candidates come in rounds: between them only the best so far are held, so memory follows from the round and from how many are
/// kept. Where totals depend on the whole population nothing can be let go before the end.
/// </remarks>
public sealed class BestOfN : ISearchStrategy
{
    /// <summary>Name as asked for in a request.</summary>
    public const string StrategyName = "best-of-n";

    private const int RoundSize = 64;

    /// <inheritdoc/>
    public string Name => StrategyName;

    /// <inheritdoc/>
    public SearchMove Next(SearchState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        SearchBudget budget = state.Budget;
        int started = state.Rounds.Sum(round => ((SearchMove.Advance)round.Move).Branches.Count);
        IEnumerable<CandidateId> best = state.Rounds.Count == 0 ? [] : Ranking.Order(state.Rounds[^1].Population, budget.HigherIsBetter);
        if (started >= budget.Candidates)
        {
            return new SearchMove.Finish { Kept = [.. best.Take(budget.Keep)] };
        }

        SearchMove.Advance round = SearchMove.Advance.Roots(Math.Min(RoundSize, budget.Candidates - started), budget.Evaluations);
        return round with { Held = [.. best.Take(budget.TotalsAreRelative ? int.MaxValue : budget.Keep)] };
    }
}

/// <summary>Makes <see cref="BestOfN"/>, which takes no options.</summary>
public sealed class BestOfNFactory : ISearchStrategyFactory
{
    /// <inheritdoc/>
    public string Name => BestOfN.StrategyName;

    /// <inheritdoc/>
    public ISearchStrategy Create(SearchOptions options, SearchBudget budget) => new BestOfN();
}

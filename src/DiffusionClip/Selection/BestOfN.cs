namespace DiffusionClip.Selection;

/// <summary>
/// Best-of-N: every candidate runs to its end, the best are kept. Two moves, no checkpoint
/// (the rejection-sampling baseline of Stiennon et al. 2020, section 4.1, with a scorer in place of a reward model).
/// </summary>
public sealed class BestOfN : ISearchStrategy
{
    /// <inheritdoc/>
    public string Name => "best-of-n";

    /// <inheritdoc/>
    public SearchMove Next(SearchState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        SearchBudget budget = state.Budget;
        return state.Rounds.Count == 0
            ? new SearchMove.Start(budget.Candidates, budget.Evaluations)
            : new SearchMove.Finish([.. Ranking.Order(state.Rounds[^1].Population, budget.HigherIsBetter).Take(budget.Keep)]);
    }
}

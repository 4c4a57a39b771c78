using DiffusionClip.Selection;

namespace DiffusionClip.Worker.Jobs;

/// <summary>A search whose population shrinks and branches: looks at every fifth of the way, drops the worse half, and forks the best.</summary>
internal sealed class HalvingStrategy : ISearchStrategy
{
    private const int Looks = 5;

    public string Name => "halving";

    public SearchMove Next(SearchState state)
    {
        SearchBudget budget = state.Budget;
        if (state.Rounds.Count == 0)
        {
            return SearchMove.Advance.Roots(budget.Candidates, Boundary(budget, 0));
        }

        SearchRound last = state.Rounds[^1];
        CandidateId[] order = [.. Ranking.Order(last.Population, budget.HigherIsBetter)];
        if (last.Population.All(candidate => candidate.Evaluation >= budget.Evaluations))
        {
            return new SearchMove.Finish { Kept = [.. order.Take(budget.Keep)] };
        }

        return SearchMove.Advance.On([.. order.Take((order.Length + 1) / 2), order[0]], Boundary(budget, state.Rounds.Count));
    }

    private static int Boundary(SearchBudget budget, int round) => budget.Boundaries[Math.Min((round + 1) * budget.Boundaries.Count / Looks, budget.Boundaries.Count) - 1];
}

/// <summary>Does what it is told before its first move, then searches as best-of-n does.</summary>
internal sealed class TrapStrategy(string name, Action trap) : ISearchStrategy
{
    private readonly BestOfN _inner = new();

    public string Name => name;

    public SearchMove Next(SearchState state)
    {
        if (state.Rounds.Count == 0)
        {
            trap();
        }

        return _inner.Next(state);
    }
}

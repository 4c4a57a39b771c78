using DiffusionClip.Selection;

namespace DiffusionClip.Worker.Jobs;

/// <summary>
/// A search whose population shrinks and branches: looks at every fifth of the way, drops the worse half, and forks the best.
/// </summary>
/// <param name="before">Called before each move with the number of rounds so far.</param>
internal sealed class HalvingStrategy(Action<int>? before = null) : ISearchStrategy
{
    private const int Looks = 5;

    public string Name => "halving";

    public SearchMove Next(SearchState state)
    {
        before?.Invoke(state.Rounds.Count);
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

    private static int Boundary(SearchBudget budget, int round) =>
        budget.Boundaries[Math.Min((round + 1) * budget.Boundaries.Count / Looks, budget.Boundaries.Count) - 1];
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

/// <summary>Where a run is held until the test lets it go on.</summary>
internal sealed class Gate : IDisposable
{
    private static readonly TimeSpan _timeout = TimeSpan.FromMinutes(2);
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ManualResetEventSlim _open = new();

    /// <summary>Ends when the run stands here.</summary>
    public Task Reached => _reached.Task.WaitAsync(_timeout);

    /// <summary>Stops the run here, unless the gate is open.</summary>
    public void Pass()
    {
        _reached.TrySetResult();
        Assert.True(_open.Wait(_timeout, CancellationToken.None), "the gate was not opened");
    }

    /// <summary>Lets the run go on, now and for ever.</summary>
    public void Open() => _open.Set();

    public void Dispose() => _open.Dispose();
}

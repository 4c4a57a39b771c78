using System.Globalization;

namespace DiffusionClip.Selection.Snapshots;

/// <summary>Keeps every snapshot of a run, and gives a run the one it is to go on from.</summary>
internal sealed class SnapshotLog(byte[]? from = null) : IRunSnapshots
{
    public List<byte[]> All { get; } = [];

    public ResumeReport? Report { get; private set; }

    /// <summary>Whether it is time; null: always.</summary>
    public Func<bool>? Due { get; init; }

    public Action<int>? AfterSave { get; init; }

    public byte[]? Load() => from;

    public void OnResumed(ResumeReport report) => Report = report;

    public bool IsDue() => Due?.Invoke() ?? true;

    public void Save(ReadOnlySpan<byte> snapshot)
    {
        All.Add(snapshot.ToArray());
        AfterSave?.Invoke(All.Count);
    }
}

/// <summary>What an observer is told of moves and candidates, a line each.</summary>
internal sealed class Story : IRunObserver
{
    public List<string> Lines { get; } = [];

    public List<CandidateUpdate> Updates { get; } = [];

    public void OnMove(SearchMove move) => Lines.Add(move switch
    {
        SearchMove.Advance advance => $"advance {string.Join(' ', advance.Branches)} until {advance.Until}",
        SearchMove.Finish finish => $"finish {string.Join(' ', finish.Kept)}",
        _ => move.ToString(),
    });

    public void OnCandidate(CandidateUpdate update)
    {
        Updates.Add(update);
        Lines.Add(string.Create(
            CultureInfo.InvariantCulture,
            $"{update.Event} {update.Candidate} of {update.Parent} seed {update.Seed} at {update.Evaluation} score {update.Score:R} {update.Reason} {(update.Image is null ? "no picture" : "picture")}"));
    }
}

/// <summary>Cuts, forks, noises back, and takes a finished picture up again.</summary>
internal sealed class Branching : ISearchStrategy
{
    public string Name => "branching";

    public SearchMove Next(SearchState state)
    {
        IReadOnlyList<int> boundaries = state.Budget.Boundaries;
        int early = boundaries[(boundaries.Count - 1) / 3], late = boundaries[2 * (boundaries.Count - 1) / 3];
        CandidateId[] best = state.Rounds.Count == 0 ? [] : [.. Ranking.Order(state.Rounds[^1].Population, state.Budget.HigherIsBetter)];
        CandidateId second = best.Length > 1 ? best[1] : default;
        return state.Rounds.Count switch
        {
            0 => new SearchMove.Start(state.Budget.Candidates, early),
            1 => new SearchMove.Advance(best.Length > 1 ? [new(best[0]), new(second), new(best[0])] : [new(best[0]), new(best[0])], late),
            2 => new SearchMove.Advance([new(best[0]), new(best[0], early), new(second, early), new(second)], state.Budget.Evaluations),
            3 => new SearchMove.Advance([new(best[0], late), new(best[0], early)], state.Budget.Evaluations),
            _ => new SearchMove.Finish([.. best.Take(state.Budget.Keep)]),
        };
    }
}

namespace DiffusionClip;

/// <summary>Decides which candidates go on. Pure: the same history gives the same move, so the log of moves replays a run.</summary>
public interface ISearchStrategy
{
    /// <summary>Name as asked for in a request, e.g. <c>best-of-n</c>.</summary>
    string Name { get; }

    /// <summary>The next move. The first is a <see cref="SearchMove.Start"/>, the last a <see cref="SearchMove.Finish"/>.</summary>
    SearchMove Next(SearchState state);
}

/// <summary>Number of a candidate: roots count from 0 in order of their seeds, forks follow in order of creation.</summary>
/// <param name="Value">The number.</param>
public readonly record struct CandidateId(int Value) : IComparable<CandidateId>
{
    /// <inheritdoc/>
    public int CompareTo(CandidateId other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>One move of a search.</summary>
public abstract record SearchMove
{
    private SearchMove()
    {
    }

    /// <summary>Starts candidates from pure noise and runs them.</summary>
    /// <param name="Roots">How many; candidate i has seed + i.</param>
    /// <param name="Until">The evaluation at which they stop to be looked at, a boundary; the number of evaluations for the end.</param>
    public sealed record Start(int Roots, int Until) : SearchMove;

    /// <summary>Runs part of the population on; who is not named has stopped.</summary>
    /// <param name="Branches">Who goes on; a parent named again is a fork.</param>
    /// <param name="Until">The evaluation at which they stop to be looked at.</param>
    public sealed record Advance(IReadOnlyList<Branch> Branches, int Until) : SearchMove;

    /// <summary>Ends the search.</summary>
    /// <param name="Kept">The candidates kept, best first.</param>
    public sealed record Finish(IReadOnlyList<CandidateId> Kept) : SearchMove;
}

/// <summary>One candidate that goes on.</summary>
/// <param name="Parent">Whose state it takes.</param>
/// <param name="RenoiseTo">An earlier boundary to noise it back to first; null: on from where it stands.</param>
public readonly record struct Branch(CandidateId Parent, int? RenoiseTo = null);

/// <summary>What a strategy sees: the budget and the whole history.</summary>
/// <param name="Budget">What may be spent.</param>
/// <param name="Rounds">One per move made so far, oldest first.</param>
public sealed record SearchState(SearchBudget Budget, IReadOnlyList<SearchRound> Rounds);

/// <summary>What a search may spend.</summary>
/// <param name="Candidates">Candidates asked for.</param>
/// <param name="Keep">How many to keep.</param>
/// <param name="Evaluations">Evaluations from noise to picture.</param>
/// <param name="Boundaries">The evaluations at which candidates may be looked at, forked or cut, ascending; the last is <paramref name="Evaluations"/>.</param>
/// <param name="HigherIsBetter">Whether larger scores are better.</param>
public sealed record SearchBudget(int Candidates, int Keep, int Evaluations, IReadOnlyList<int> Boundaries, bool HigherIsBetter);

/// <summary>One move and what came of it.</summary>
/// <param name="Move">The move.</param>
/// <param name="Population">The candidates that ran, with their scores at the move's end.</param>
public sealed record SearchRound(SearchMove Move, IReadOnlyList<CandidateScore> Population);

/// <summary>A candidate's score at the end of a move.</summary>
/// <param name="Candidate">The candidate.</param>
/// <param name="Evaluation">Where it stands.</param>
/// <param name="Total">Its score; null if it has none.</param>
/// <param name="Failure">Why it failed; null if it did not.</param>
public sealed record CandidateScore(CandidateId Candidate, int Evaluation, double? Total, string? Failure = null);

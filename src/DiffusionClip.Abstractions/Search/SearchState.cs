namespace DiffusionClip;

/// <summary>What a strategy sees.</summary>
public sealed record SearchState
{
    /// <summary>What may be spent.</summary>
    public required SearchBudget Budget { get; init; }

    /// <summary>One per move made so far, oldest first. A view that is valid during the call.</summary>
    public required IReadOnlyList<SearchRound> Rounds { get; init; }

    /// <summary>What was spent so far, as it was recorded at the end of the last round.</summary>
    public SearchSpent Spent { get; init; } = new();

    /// <summary>The seed of the strategy's own random numbers; derived from the request's seed.</summary>
    public ulong Seed { get; init; }
}

/// <summary>What a search may spend.</summary>
public sealed record SearchBudget
{
    /// <summary>Candidates asked for.</summary>
    public required int Candidates { get; init; }

    /// <summary>How many to keep.</summary>
    public required int Keep { get; init; }

    /// <summary>Evaluations from noise to picture: where a finished candidate stands.</summary>
    public required int Evaluations { get; init; }

    /// <summary>Where a root stands before it runs: 0, or later where denoising starts from a picture.</summary>
    public int FirstEvaluation { get; init; }

    /// <summary>Evaluations at which candidates may be scored, forked or cut, ascending; the last is <see cref="Evaluations"/>.</summary>
    public required IReadOnlyList<int> Boundaries { get; init; }

    /// <summary>Whether larger totals are better.</summary>
    public bool HigherIsBetter { get; init; } = true;

    /// <summary>
    /// Whether a total depends on the population that it is set in (standard scores, ranks), so that it is only final when the last picture
    /// is scored.
    /// </summary>
    public bool TotalsAreRelative { get; init; }

    /// <summary>Whether steps draw noise. Where they do not, forks of one candidate stay alike unless they are noised back.</summary>
    public bool IsStochastic { get; init; }

    /// <summary>Evaluations that may be spent over all candidates; null: as many as the strategy takes.</summary>
    public long? MaxEvaluations { get; init; }

    /// <summary>Time that may be spent; null: as much as the strategy takes.</summary>
    public TimeSpan? MaxTime { get; init; }
}

/// <summary>What a search has spent.</summary>
public sealed record SearchSpent
{
    /// <summary>Evaluations over all candidates.</summary>
    public long Evaluations { get; init; }

    /// <summary>Pictures decoded, those at checkpoints included.</summary>
    public long Decodes { get; init; }

    /// <summary>Pictures scored, once for each scorer.</summary>
    public long Scores { get; init; }

    /// <summary>Seconds as they were recorded: a run that goes on from a snapshot reads those of the run before.</summary>
    public double Seconds { get; init; }
}

/// <summary>One move and what came of it.</summary>
public sealed record SearchRound
{
    /// <summary>The move.</summary>
    public required SearchMove Move { get; init; }

    /// <summary>The population at the move's end: what its branches gave, in their order, then what it held.</summary>
    public required IReadOnlyList<CandidateScore> Population { get; init; }

    /// <summary>What was spent by its end, from the beginning of the search.</summary>
    public SearchSpent Spent { get; init; } = new();
}

/// <summary>A candidate and its scores at the end of a move.</summary>
public sealed record CandidateScore
{
    /// <summary>The candidate.</summary>
    public required CandidateId Candidate { get; init; }

    /// <summary>Where it stands.</summary>
    public required int Evaluation { get; init; }

    /// <summary>Its total; null if it has none.</summary>
    public double? Total { get; init; }

    /// <summary>What each scorer gave, in the request's order.</summary>
    public IReadOnlyList<ScorerScore> Scores { get; init; } = [];

    /// <summary>Why it failed; null if it did not.</summary>
    public string? Failure { get; init; }
}

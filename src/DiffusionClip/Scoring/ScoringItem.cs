namespace DiffusionClip.Scoring;

/// <summary>A picture file to be scored against texts.</summary>
public sealed record ScoringItem
{
    /// <summary>Its name in results and errors.</summary>
    public required string Name { get; init; }

    /// <summary>Reads the file.</summary>
    public required Func<CancellationToken, Task<byte[]>> ReadAsync { get; init; }

    /// <summary>
    /// What it is scored against, given the file (metadata may hold the text); throws if there is nothing. Not asked for scorers that have
    /// a text of their own (<see cref="ScorerRequest.Text"/>). Null: all have.
    /// </summary>
    public Func<ReadOnlyMemory<byte>, IReadOnlyList<string>>? Texts { get; init; }
}

/// <summary>A scored picture, or the reasons why it is not.</summary>
public sealed record ScoredItem
{
    /// <summary>The item's name.</summary>
    public required string Name { get; init; }

    /// <summary>What each scorer gave, in the order of <see cref="ScorerSet.Entries"/>.</summary>
    public required IReadOnlyList<ScoredBy> Scorers { get; init; }

    /// <summary>SHA-256 of the file, lower-case hexadecimal; null if it could not be read.</summary>
    public string? ContentHash { get; init; }
}

/// <summary>What one scorer gave a picture.</summary>
public sealed record ScoredBy
{
    /// <summary>Id of the scorer, as in <see cref="ScorerRequest.Id"/>.</summary>
    public required string Scorer { get; init; }

    /// <summary>One score per text, or a failure.</summary>
    public required ImageOutcome Outcome { get; init; }

    /// <summary>The texts; empty after a failure of the file.</summary>
    public IReadOnlyList<string> Texts { get; init; } = [];

    /// <summary>How the score against each text came about; empty after a failure.</summary>
    public IReadOnlyList<ScoreRecord> Records { get; init; } = [];
}

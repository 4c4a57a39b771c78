namespace DiffusionClip;

/// <summary>What scoring a batch gave.</summary>
public sealed record ScoringResult
{
    /// <summary>One outcome per picture, in order.</summary>
    public required IReadOnlyList<ImageOutcome> Images { get; init; }

    /// <summary>One record per text, in order: what was scored of it.</summary>
    public required IReadOnlyList<ScoreRecord> Texts { get; init; }
}

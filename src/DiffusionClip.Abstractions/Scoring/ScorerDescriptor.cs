namespace DiffusionClip;

/// <summary>What a scorer is and how its numbers are read.</summary>
public sealed record ScorerDescriptor
{
    private static readonly IReadOnlyList<ScoringPhase> _allPhases = [ScoringPhase.Checkpoint, ScoringPhase.Final];

    /// <summary>Short name, e.g. <c>clip</c>; of a registered scorer, what requests ask for.</summary>
    public required string Name { get; init; }

    /// <summary>Version of the scorer's method; changes whenever its numbers may.</summary>
    public required string Version { get; init; }

    /// <summary>Scale of the numbers.</summary>
    public required ScoreScale Scale { get; init; }

    /// <summary>Whether a larger number is a better match.</summary>
    public bool HigherIsBetter { get; init; } = true;

    /// <summary>The most pictures of one batch, at least 1; null: any number. Larger batches are cut before they come to the scorer.</summary>
    public int? MaxBatch { get; init; } = 64;

    /// <summary>Whether the texts matter. A scorer that does not need them gives a picture the same score for every text.</summary>
    public bool NeedsText { get; init; } = true;

    /// <summary>What it can score; at least one. One that knows finished pictures only is not asked at checkpoints.</summary>
    public IReadOnlyList<ScoringPhase> Phases { get; init; } = _allPhases;

    /// <summary>
    /// Hash of what the numbers depend on beside the version, e.g. of weights and configuration: interrupted runs go on, and results are
    /// taken over from earlier jobs, only where it is the same. Null: name and version say it all.
    /// </summary>
    public string? Identity { get; init; }
}

namespace DiffusionClip;

/// <summary>Pictures and the texts each is scored against.</summary>
public sealed record ScoringBatch
{
    /// <summary>The pictures.</summary>
    public required IReadOnlyList<RgbImage> Images { get; init; }

    /// <summary>The texts, plain words without prompt syntax.</summary>
    public required IReadOnlyList<string> Texts { get; init; }

    /// <summary>Finished pictures or previews.</summary>
    public ScoringPhase Phase { get; init; } = ScoringPhase.Final;
}

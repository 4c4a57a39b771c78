using DiffusionClip.Models;

namespace DiffusionClip.Scoring;

/// <summary>A scorer that was found for a request.</summary>
public sealed record ScorerChoice
{
    /// <summary>What it is asked for: the id concrete, phases filled in; texts as they were given.</summary>
    public required ScorerRequest Request { get; init; }

    /// <summary>How its numbers are read.</summary>
    public required ScorerDescriptor Descriptor { get; init; }

    /// <summary>The CLIP folder behind it; null for a registered scorer.</summary>
    public ClipFolder? Folder { get; init; }

    /// <summary>The registered scorer; null for a CLIP folder.</summary>
    public CheckedScorer? Registered { get; init; }
}

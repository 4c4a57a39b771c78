using DiffusionClip.Runtime;

namespace DiffusionClip.Scoring;

/// <summary>A scorer for the time of a run. Disposing gives a model back; a registered scorer stays its host's.</summary>
public sealed class ScorerLease : IDisposable
{
    /// <summary>Creates the lease.</summary>
    /// <param name="request">What the scorer is asked for.</param>
    /// <param name="scorer">The scorer.</param>
    /// <param name="clip">The model behind it; null for a registered scorer.</param>
    internal ScorerLease(ScorerRequest request, CheckedScorer scorer, ClipLease? clip)
    {
        Request = request;
        Scorer = scorer;
        Clip = clip;
    }

    /// <summary>What the scorer is asked for.</summary>
    public ScorerRequest Request { get; }

    /// <summary>The scorer.</summary>
    public CheckedScorer Scorer { get; }

    /// <summary>The CLIP model behind it; null for a registered scorer.</summary>
    public ClipLease? Clip { get; }

    /// <summary>How its scores come about: those of one phase have to agree.</summary>
    public ScoreComparison Comparison { get; } = new();

    /// <summary>
    /// What has to be the same for numbers to be the same: the hash of the model, else what the scorer says of itself. Completes when the
    /// model is hashed.
    /// </summary>
    public async Task<string> IdentityAsync()
    {
        if (Clip is { } clip)
        {
            return (await clip.Hashes.ConfigureAwait(false)).Identity;
        }

        return IdentityOf(Scorer.Descriptor);
    }

    /// <summary>Whether it scores in a phase.</summary>
    public bool TakesPart(ScoringPhase phase) => Request.Phases?.Contains(phase) ?? Scorer.Descriptor.Phases.Contains(phase);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Clip is not null)
        {
            Scorer.Dispose();
        }
    }

    /// <summary>What a scorer says of itself that its numbers depend on.</summary>
    public static string IdentityOf(ScorerDescriptor descriptor)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        return string.Join('\n', descriptor.Name, descriptor.Version, descriptor.Scale, descriptor.HigherIsBetter ? "higher" : "lower", descriptor.Identity);
    }
}

namespace DiffusionClip;

/// <summary>Scores pictures against texts. What a scorer plugin implements; <c>ScorerConformance</c> checks the contract.</summary>
public interface IImageScorer : IDisposable
{
    /// <summary>What the scorer is and how its numbers are read. The same at every call.</summary>
    ScorerDescriptor Descriptor { get; }

    /// <summary>
    /// Completes when the scorer can score: weights loaded, process started. Called before a run begins, any number of times; what it
    /// throws says that the scorer cannot be used.
    /// </summary>
    /// <param name="cancellationToken">Stops waiting.</param>
    ValueTask ReadyAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>Scores every picture of a batch against every text; outcome i belongs to picture i. May be called concurrently.</summary>
    /// <param name="batch">At most <see cref="ScorerDescriptor.MaxBatch"/> pictures, and the texts; borrowed for the call.</param>
    /// <param name="cancellationToken">Ends the call early.</param>
    /// <returns>As many outcomes as pictures. A picture that cannot be scored is an outcome with a failure, not an exception.</returns>
    ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken);
}

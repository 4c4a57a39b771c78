namespace DiffusionClip;

/// <summary>
/// Where a run writes itself down and what it goes on from. All calls come one after another, on the thread that runs; what they
/// throw ends the run. A run goes on only from a snapshot of the same request, plan, models and build; then it ends in the same
/// bits as if it had never been interrupted. A snapshot holds the pixels of finished pictures; a run whose candidates come to more
/// than 1 GiB is not written down from there on.
/// </summary>
public interface IRunSnapshots
{
    /// <summary>
    /// What <see cref="Save"/> was given last, to continue from; null: start over. Called once, when the models are loaded.
    /// </summary>
    byte[]? Load();

    /// <summary>Called once after a snapshot was loaded: the run continues from it, or why it starts over.</summary>
    /// <param name="report">What the run's report will say.</param>
    void OnResumed(ResumeReport report)
    {
    }

    /// <summary>
    /// Whether to take a snapshot now. Called at every boundary, so it has to be cheap. If so, the next call is
    /// <see cref="Save"/>, except in runs that are too large; the time in between is spent on building the snapshot.
    /// </summary>
    bool IsDue();

    /// <summary>Keeps a snapshot in place of the one before: atomically, so that a crash leaves one or the other.</summary>
    /// <param name="snapshot">The whole state, with a checksum of its own; valid during the call.</param>
    void Save(ReadOnlySpan<byte> snapshot);
}

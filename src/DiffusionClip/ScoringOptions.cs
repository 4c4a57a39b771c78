namespace DiffusionClip;

/// <summary>How scorers are called; the section <c>DiffusionClip:Scoring</c>.</summary>
public sealed class ScoringOptions
{
    /// <summary>
    /// How long a scorer may take for one batch, 1 ms to 1 day. One that takes longer gives no scores for the batch, whether or not it
    /// heeds its cancellation; the run goes on.
    /// </summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromMinutes(5);
}

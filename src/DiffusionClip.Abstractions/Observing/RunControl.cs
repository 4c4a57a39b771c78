namespace DiffusionClip;

/// <summary>How a run is stopped and watched.</summary>
public sealed record RunControl
{
    /// <summary>Frees everything and throws <see cref="OperationCanceledException"/>, also inside a running evaluation.</summary>
    public CancellationToken Abort { get; init; }

    /// <summary>Starts nothing more and returns the best so far.</summary>
    public CancellationToken Finish { get; init; }

    /// <summary>Receives the run's events, on the thread that raises them.</summary>
    public IRunObserver? Observer { get; init; }

    /// <summary>A plan to follow, to repeat an earlier run bit for bit; null: chosen from the configuration.</summary>
    public ExecutionPlan? Plan { get; init; }

    /// <summary>
    /// Where the run writes itself down, and what it goes on from; null: nowhere. A run that continues another first repeats to its
    /// observer the moves and candidates of the one before, in the same order; not stages and steps.
    /// </summary>
    public IRunSnapshots? Snapshots { get; init; }
}

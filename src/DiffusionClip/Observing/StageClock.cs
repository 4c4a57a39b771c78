namespace DiffusionClip.Observing;

/// <summary>Measures the stages of a run and reports them to the observer.</summary>
/// <param name="observer">Notified when a stage begins and ends; null: none.</param>
/// <param name="time">Measures.</param>
internal sealed class StageClock(IRunObserver? observer, TimeProvider time)
{
    private readonly Dictionary<(Stage Stage, ScoringPhase Cause), (int Count, TimeSpan Elapsed)> _stages = [];

    /// <summary>Times until the returned value is disposed.</summary>
    public Measurement Measure(Stage stage, ScoringPhase cause = ScoringPhase.Final)
    {
        observer?.OnStage(new StageUpdate(stage, cause, null));
        return new Measurement(this, stage, cause, time.GetTimestamp());
    }

    /// <summary>The stages in the order of the road.</summary>
    public IReadOnlyList<StageReport> Report() =>
        [.. _stages.OrderBy(entry => entry.Key.Stage).ThenBy(entry => entry.Key.Cause).Select(entry => new StageReport
        {
            Stage = entry.Key.Stage,
            Cause = entry.Key.Cause,
            Count = entry.Value.Count,
            Seconds = Math.Round(entry.Value.Elapsed.TotalSeconds, 6),
        })];

    private void End(Stage stage, ScoringPhase cause, long start)
    {
        TimeSpan elapsed = time.GetElapsedTime(start);
        _stages.TryGetValue((stage, cause), out (int Count, TimeSpan Elapsed) sum);
        _stages[(stage, cause)] = (sum.Count + 1, sum.Elapsed + elapsed);
        observer?.OnStage(new StageUpdate(stage, cause, elapsed));
    }

    /// <summary>A stage being timed.</summary>
    public readonly struct Measurement(StageClock clock, Stage stage, ScoringPhase cause, long start) : IDisposable
    {
        public void Dispose() => clock.End(stage, cause, start);
    }
}

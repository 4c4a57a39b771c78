namespace DiffusionClip.Scoring;

/// <summary>
/// Keeps one scorer's scores apart that came about differently: they are never ranked together. Previews and finished pictures are
/// ranked among themselves.
/// </summary>
public sealed class ScoreComparison
{
    private readonly ScoreRecord?[] _first = new ScoreRecord?[2];

    /// <summary>How the scores came about: the finished pictures' if there are any. Null before the first.</summary>
    public ScoreRecord? Record => First(ScoringPhase.Final) ?? First(ScoringPhase.Checkpoint);

    /// <summary>How the first score of a phase came about, which those after it are compared with; null before it.</summary>
    public ScoreRecord? First(ScoringPhase phase) => _first[(int)phase];

    /// <summary>Takes in a score's record.</summary>
    /// <param name="record">How the score came about.</param>
    /// <param name="phase">What was scored.</param>
    /// <returns>Why the score must not be ranked with those before it; null if it may.</returns>
    public string? Refuse(ScoreRecord record, ScoringPhase phase = ScoringPhase.Final)
    {
        ArgumentNullException.ThrowIfNull(record);
        ScoreRecord first = _first[(int)phase] ??= record;
        return first.DifferenceFrom(record) is { } difference
            ? $"it was scored in another way than the pictures before it ({difference}), so the scores cannot be ranked together"
            : null;
    }

    /// <summary>Puts back what <see cref="First"/> gave, when a run goes on.</summary>
    internal void Restore(ScoringPhase phase, ScoreRecord? first) => _first[(int)phase] = first;
}

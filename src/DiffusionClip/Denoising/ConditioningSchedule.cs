using DiffusionClip.Runtime;

namespace DiffusionClip.Denoising;

/// <summary>What the denoiser attends to over the evaluations: the prompt's side and guidance's other side.</summary>
public sealed class ConditioningSchedule
{
    private readonly Segment[] _segments;

    /// <summary>One conditioning for the whole way.</summary>
    /// <param name="positive">The prompt.</param>
    /// <param name="negative">The negative prompt; null where guidance is skipped.</param>
    public ConditioningSchedule(TextConditioning positive, TextConditioning? negative) : this([new(int.MaxValue, positive, negative)])
    {
    }

    /// <summary>Conditionings that change on the way.</summary>
    /// <param name="segments">In order; the last reaches to the end. Sequence lengths may not change.</param>
    public ConditioningSchedule(IReadOnlyList<Segment> segments)
    {
        ArgumentNullException.ThrowIfNull(segments);
        if (segments.Count == 0 || segments.Any(segment => segment.Positive.SequenceLength != segments[0].Positive.SequenceLength
            || (segment.Negative is { } negative && negative.SequenceLength != segment.Positive.SequenceLength)))
        {
            throw new ArgumentException("A schedule has at least one segment, and all have one sequence length.", nameof(segments));
        }

        _segments = [.. segments];
    }

    /// <summary>Tokens of every conditioning.</summary>
    public int SequenceLength => _segments[0].Positive.SequenceLength;

    /// <summary>What holds at an evaluation.</summary>
    public Segment At(int evaluation)
    {
        foreach (Segment segment in _segments)
        {
            if (evaluation < segment.Until)
            {
                return segment;
            }
        }

        return _segments[^1];
    }

    /// <summary>A range of evaluations with one conditioning.</summary>
    /// <param name="Until">The first evaluation it no longer holds for.</param>
    /// <param name="Positive">The prompt.</param>
    /// <param name="Negative">The negative prompt; null where guidance is skipped.</param>
    public sealed record Segment(int Until, TextConditioning Positive, TextConditioning? Negative);
}

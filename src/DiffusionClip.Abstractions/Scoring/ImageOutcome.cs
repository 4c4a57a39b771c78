namespace DiffusionClip;

/// <summary>One picture's scores.</summary>
public sealed record ImageOutcome
{
    /// <summary>One finite score per text; empty after a failure.</summary>
    public ReadOnlyMemory<float> ScoresPerText { get; init; }

    /// <summary>The picture's unit vector, if the scorer has one; else empty.</summary>
    public ReadOnlyMemory<float> ImageEmbeds { get; init; }

    /// <summary>Why the picture has no score; null if it has.</summary>
    public string? Failure { get; init; }

    /// <summary>The outcome of a picture that cannot be scored.</summary>
    /// <param name="failure">Why, in one line.</param>
    public static ImageOutcome Failed(string failure)
    {
        ArgumentNullException.ThrowIfNull(failure);
        return new() { Failure = failure };
    }
}

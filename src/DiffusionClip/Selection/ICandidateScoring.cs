using DiffusionClip.Scoring;

namespace DiffusionClip.Selection;

/// <summary>Decodes candidates and has their pictures scored, on behalf of the search.</summary>
internal interface ICandidateScoring
{
    /// <summary>Pictures that are handed to the scorers at once, at least 1.</summary>
    int BatchSize { get; }

    /// <summary>Whether a total depends on the population that it is set in, and not on the candidate's own scores alone.</summary>
    bool TotalsAreRelative { get; }

    /// <summary>How many scorers there are.</summary>
    int Scorers { get; }

    /// <summary>How many of them score in a phase.</summary>
    int ScorersIn(ScoringPhase phase);

    /// <summary>How the first scores of each scorer came about; set where a run goes on.</summary>
    /// <exception cref="InvalidDataException">They are those of other scorers.</exception>
    IReadOnlyList<ScorerRecords> Records { get; set; }

    /// <summary>Decodes a finished sample, or the predicted x0 of one at a checkpoint.</summary>
    /// <param name="latents">[channels, height, width].</param>
    /// <param name="phase">What is decoded.</param>
    /// <param name="failure">Why the picture cannot be right; null if it may be. At checkpoints it is not asked.</param>
    RgbImage Decode(ReadOnlyMemory<float> latents, ScoringPhase phase, out string? failure);

    /// <summary>Scores pictures; what a scorer cannot do costs only its own scores.</summary>
    /// <param name="images">At most <see cref="BatchSize"/> pictures.</param>
    /// <param name="phase">What they are.</param>
    /// <returns>For each picture one entry per scorer, in the request's order.</returns>
    ValueTask<IReadOnlyList<IReadOnlyList<ScorerScore>>> ScoreAsync(IReadOnlyList<RgbImage> images, ScoringPhase phase);

    /// <summary>The totals of a population.</summary>
    /// <param name="population">For each candidate its scores, in the request's order; empty: it has none.</param>
    /// <param name="phase">Where the population stands.</param>
    IReadOnlyList<double?> Totals(IReadOnlyList<IReadOnlyList<ScorerScore>> population, ScoringPhase phase);

    /// <summary>Why a candidate with these scores has no total; null if it has one.</summary>
    string? FailureOf(IReadOnlyList<ScorerScore> scores);
}

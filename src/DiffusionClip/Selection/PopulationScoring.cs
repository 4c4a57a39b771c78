using DiffusionClip.Decoding;
using DiffusionClip.Scoring;

namespace DiffusionClip.Selection;

/// <summary>Decodes by the model's decoders and scores by the scorers of the run.</summary>
/// <param name="scorers">The scorers.</param>
/// <param name="decoder">Decodes finished samples.</param>
/// <param name="previewDecoder">Decodes what candidates are going to be; made on first use, since loading it takes time.</param>
/// <param name="batchSize">Pictures that are handed to the scorers at once.</param>
/// <param name="abort">Ends decoding and scoring.</param>
internal sealed class PopulationScoring(
    ScorerSet scorers,
    PictureDecoder decoder,
    Func<PictureDecoder> previewDecoder,
    int batchSize,
    CancellationToken abort
) : ICandidateScoring
{
    /// <inheritdoc/>
    public int BatchSize => batchSize;

    /// <inheritdoc/>
    public bool TotalsAreRelative => scorers.TotalsAreRelative;

    /// <inheritdoc/>
    public int Scorers => scorers.Entries.Count;

    /// <inheritdoc/>
    public IReadOnlyList<ScorerRecords> Records
    {
        get => scorers.Records;
        set => scorers.Records = value;
    }

    /// <inheritdoc/>
    public int ScorersIn(ScoringPhase phase) => scorers.Entries.Count(entry => entry.TakesPart(phase));

    /// <inheritdoc/>
    public RgbImage Decode(ReadOnlyMemory<float> latents, ScoringPhase phase, out string? failure)
    {
        if (phase == ScoringPhase.Final)
        {
            return decoder.Decode(latents.Span, abort, out failure);
        }

        // Previews may be bad pictures without their candidates being bad.
        failure = null;
        return DecodePreview(latents);
    }

    /// <summary>Decodes predicted x0, cheaply where the model has a small decoder.</summary>
    public RgbImage DecodePreview(ReadOnlyMemory<float> latents) => previewDecoder().Decode(latents.Span, abort, out _);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<IReadOnlyList<ScorerScore>>> ScoreAsync(IReadOnlyList<RgbImage> images, ScoringPhase phase) =>
        scorers.ScoreAsync(images, phase, abort);

    /// <inheritdoc/>
    public IReadOnlyList<double?> Totals(IReadOnlyList<IReadOnlyList<ScorerScore>> population, ScoringPhase phase) =>
        scorers.Totals(population, phase);

    /// <inheritdoc/>
    public string? FailureOf(IReadOnlyList<ScorerScore> scores) => scorers.FailureOf(scores);
}

namespace DiffusionClip.Scoring;

/// <summary>
/// The scorers of a run: every picture gets each one's score, and a population its totals. One run's, not thread-safe; disposing gives the
/// models back.
/// </summary>
public sealed class ScorerSet : IDisposable
{
    private readonly ScoreWeight[] _weights;

    internal ScorerSet(IReadOnlyList<ScorerLease> entries, ScoreCombination? combination)
    {
        Entries = entries;
        _weights = [.. entries.Select(entry => new ScoreWeight
        {
            Weight = entry.Request.Weight,
            HigherIsBetter = entry.Scorer.Descriptor.HigherIsBetter,
        })];
        HigherIsBetter = ScoreTotals.HigherIsBetter(_weights);
        Combination = _weights.Count(scorer => scorer.Weight > 0) > 1 ? combination ?? ScoreCombination.WeightedSum : null;
    }

    /// <summary>No scorer.</summary>
    public static ScorerSet Empty { get; } = new([], null);

    /// <summary>The scorers, in the request's order; optional ones that could not be loaded are left out.</summary>
    public IReadOnlyList<ScorerLease> Entries { get; }

    /// <summary>Whether more is better in the total: with one weighted scorer as that says, with several yes.</summary>
    public bool HigherIsBetter { get; }

    /// <summary>How scores become a total; null where at most one scorer has a weight.</summary>
    public ScoreCombination? Combination { get; }

    /// <summary>Whether a total depends on the population that it is set in.</summary>
    public bool TotalsAreRelative => Combination is ScoreCombination.StandardScores or ScoreCombination.MeanRank;

    /// <summary>How the first scores of each scorer came about: what a snapshot holds, so that a run that goes on compares with them.</summary>
    /// <exception cref="InvalidDataException">They are those of other scorers.</exception>
    public IReadOnlyList<ScorerRecords> Records
    {
        get => [.. Entries.Select(entry => new ScorerRecords
        {
            Scorer = entry.Request.Id,
            Checkpoint = entry.Comparison.First(ScoringPhase.Checkpoint),
            Final = entry.Comparison.First(ScoringPhase.Final),
        })];
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            if (!value.Select(records => records?.Scorer).SequenceEqual(Entries.Select(entry => entry.Request.Id)))
            {
                throw new InvalidDataException(
                    $"records of the scorers {string.Join(", ", value.Select(records => records?.Scorer))}; here are {string.Join(", ", Entries.Select(entry => entry.Request.Id))}");
            }

            foreach ((ScorerLease entry, ScorerRecords records) in Entries.Zip(value))
            {
                entry.Comparison.Restore(ScoringPhase.Checkpoint, records.Checkpoint);
                entry.Comparison.Restore(ScoringPhase.Final, records.Final);
            }
        }
    }

    /// <summary>Whether any scorer scores in a phase.</summary>
    public bool TakesPart(ScoringPhase phase) => Entries.Any(entry => entry.TakesPart(phase));

    /// <summary>Hands all pictures to each scorer, one scorer after the other. What a scorer throws costs only its scores.</summary>
    /// <param name="images">The pictures.</param>
    /// <param name="phase">Finished pictures or previews.</param>
    /// <param name="cancellationToken">Ends the call early, also where a scorer does not heed it.</param>
    /// <returns>Per picture, one score per scorer in the order of <see cref="Entries"/>; empty of a scorer that is not asked in this phase.</returns>
    public async ValueTask<IReadOnlyList<IReadOnlyList<ScorerScore>>> ScoreAsync(
        IReadOnlyList<RgbImage> images, ScoringPhase phase, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(images);
        ScorerScore[][] scores = [.. images.Select(_ => new ScorerScore[Entries.Count])];
        for (int scorer = 0; scorer < Entries.Count && images.Count > 0; scorer++)
        {
            ScorerLease entry = Entries[scorer];
            string id = entry.Request.Id;
            if (!entry.TakesPart(phase))
            {
                foreach (ScorerScore[] row in scores)
                {
                    row[scorer] = new() { Scorer = id };
                }

                continue;
            }

            var batch = new ScoringBatch { Images = images, Texts = [entry.Request.Text ?? ""], Phase = phase };
            ScoringResult result = await entry.Scorer.ScoreAsync(batch, cancellationToken).ConfigureAwait(false);

            // What was not scored says nothing of how others are.
            string? refused = result.Images.Any(outcome => outcome.Failure is null) ? entry.Comparison.Refuse(result.Texts[0], phase) : null;
            for (int i = 0; i < scores.Length; i++)
            {
                string? failure = result.Images[i].Failure ?? refused;
                scores[i][scorer] = new() { Scorer = id, Score = failure is null ? result.Images[i].ScoresPerText.Span[0] : null, Failure = failure };
            }
        }

        return scores;
    }

    /// <summary>Totals of a whole population (<see cref="ScoreTotals"/>).</summary>
    /// <param name="scores">Per candidate, one score per scorer in the order of <see cref="Entries"/>; empty: it has none.</param>
    /// <param name="phase">Where the population stands: weighted scorers that are not asked there are left out of the sum.</param>
    /// <returns>One total per candidate; null: none.</returns>
    public double?[] Totals(IReadOnlyList<IReadOnlyList<ScorerScore>> scores, ScoringPhase phase)
    {
        ArgumentNullException.ThrowIfNull(scores);
        double?[] none = new double?[Entries.Count];
        return ScoreTotals.Combine(
            [.. scores.Select(row => row.Count == 0 ? none : (IReadOnlyList<double?>)[.. row.Select(score => score.Score)])],
            [.. _weights.Zip(Entries, (weight, entry) => weight with { TakesPart = entry.TakesPart(phase) })],
            Combination ?? ScoreCombination.WeightedSum);
    }

    /// <summary>Why a candidate has no total: what its weighted scorers say that gave it none; null if nothing went wrong.</summary>
    /// <param name="scores">Its scores, in the order of <see cref="Entries"/>.</param>
    public string? FailureOf(IReadOnlyList<ScorerScore> scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        string[] failures = [.. scores.Where((score, i) => _weights[i].Weight > 0).Select(score => score.Failure).OfType<string>()];
        return failures.Length > 0 ? string.Join("; ", failures) : null;
    }

    /// <summary>The scorers as a report names them.</summary>
    public IReadOnlyList<ScorerReport> Report() => [.. Entries.Select(entry => new ScorerReport
    {
        Id = entry.Request.Id,
        Weight = entry.Request.Weight,
        HigherIsBetter = entry.Scorer.Descriptor.HigherIsBetter,
        Record = entry.Comparison.Record,
    })];

    /// <summary>What the reader of a report should know of the scorers, once they have scored.</summary>
    public IReadOnlyList<string> Warnings()
    {
        var warnings = new List<string>();
        if (Entries.Count > 0 && Array.TrueForAll(_weights, scorer => scorer.Weight == 0))
        {
            warnings.Add("scorers: every weight is 0, so pictures are scored and not ranked; give one of them a weight");
        }

        warnings.AddRange(Entries
            .Where(entry => entry.Request.LongText == LongTextPolicy.WindowsMean && entry.Comparison.Record is { } record && record.LongText != "windows-mean")
            .Select(entry => $"long_text: {entry.Comparison.Record!.Scorer} does not know windows-mean; it scored by {entry.Comparison.Record.LongText}"));
        return warnings;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ScorerLease entry in Entries)
        {
            entry.Dispose();
        }
    }
}

/// <summary>How one scorer's first scores came about, per phase.</summary>
public sealed record ScorerRecords
{
    /// <summary>Id of the scorer, as in <see cref="ScorerRequest.Id"/>.</summary>
    public required string Scorer { get; init; }

    /// <summary>Of previews; null before the first.</summary>
    public ScoreRecord? Checkpoint { get; init; }

    /// <summary>Of finished pictures; null before the first.</summary>
    public ScoreRecord? Final { get; init; }
}

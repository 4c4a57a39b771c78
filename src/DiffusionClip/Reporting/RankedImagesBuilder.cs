using DiffusionClip.Selection;

namespace DiffusionClip.Reporting;

/// <summary>Puts candidates in their final order and says of each how it came about.</summary>
internal static class RankedImagesBuilder
{
    /// <summary>
    /// The kept ones in the strategy's order, then the other finished ones by score, then the rest. A finished candidate that was let go
    /// has its rank and score; its pixels are gone.
    /// </summary>
    public static (IReadOnlyList<CandidateReport> Reports, IReadOnlyList<RankedImage> Images) Build(
        IEnumerable<Candidate> candidates, IReadOnlyList<CandidateId> kept, bool higherIsBetter)
    {
        Dictionary<CandidateId, Candidate> all = candidates.ToDictionary(candidate => candidate.Id);
        HashSet<CandidateId> isKept = [.. kept];
        IEnumerable<Candidate> others = all.Values.Where(candidate => candidate.IsFinished && !isKept.Contains(candidate.Id));
        IEnumerable<CandidateId> order = Ranking.Order(others.Select(candidate => candidate.ToScore()), higherIsBetter);
        Candidate[] finished = [.. kept.Concat(order).Select(id => all[id])];
        var reports = new List<CandidateReport>(all.Count);
        var images = new List<RankedImage>(finished.Length);
        for (int i = 0; i < finished.Length; i++)
        {
            Candidate candidate = finished[i];
            double? next = i + 1 < finished.Length ? finished[i + 1].Score : null;
            CandidateReport report = Report(candidate) with
            {
                Rank = candidate.Score is null ? null : i + 1,
                Margin = candidate.Score is { } score && next is { } following ? Math.Abs(score - following) : null,
                Kept = isKept.Contains(candidate.Id),
            };
            reports.Add(report);
            if (candidate.Image is { } image)
            {
                images.Add(new RankedImage { Candidate = report, Image = image });
            }
        }

        reports.AddRange(all.Values.Where(candidate => !candidate.IsFinished).OrderBy(candidate => candidate.Id).Select(Report));
        return (reports, images);
    }

    private static CandidateReport Report(Candidate candidate) => new()
    {
        Index = candidate.Id.Value,
        Seed = candidate.Seed,
        Lineage = candidate.Lineage,
        Parent = candidate.Parent?.Value,
        Score = candidate.Score,
        Scores = candidate.Scores,
        Evaluations = candidate.EvaluationsDone,
        Checkpoints = [.. candidate.Checkpoints],
        Stopped = candidate.Stopped,
        Failure = candidate.Failure,
        ScoringFailure = candidate.ScoringFailure,
    };
}

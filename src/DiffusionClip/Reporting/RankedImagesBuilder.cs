using DiffusionClip.Selection;

namespace DiffusionClip.Reporting;

/// <summary>Puts candidates in their final order and says of each how it came about.</summary>
internal static class RankedImagesBuilder
{
    /// <summary>The kept ones in the strategy's order, then the other pictures by score, then those without a picture.</summary>
    public static (IReadOnlyList<CandidateReport> Reports, IReadOnlyList<RankedImage> Images) Build(
        IEnumerable<Candidate> candidates, IReadOnlyList<CandidateId> kept, bool higherIsBetter)
    {
        Dictionary<CandidateId, Candidate> all = candidates.ToDictionary(candidate => candidate.Id);
        IEnumerable<CandidateScore> others = all.Values.Where(candidate => candidate.Image is not null && !kept.Contains(candidate.Id)).Select(candidate => candidate.ToScore());
        Candidate[] pictures = [.. kept.Concat(Ranking.Order(others, higherIsBetter)).Select(id => all[id])];
        var reports = new List<CandidateReport>(all.Count);
        var images = new List<RankedImage>(pictures.Length);
        for (int i = 0; i < pictures.Length; i++)
        {
            Candidate candidate = pictures[i];
            CandidateReport report = Report(candidate) with
            {
                Rank = candidate.Score is null ? null : i + 1,
                Margin = candidate.Score is { } score && i + 1 < pictures.Length && pictures[i + 1].Score is { } next ? Math.Abs(score - next) : null,
                Kept = kept.Contains(candidate.Id),
            };
            reports.Add(report);
            images.Add(new RankedImage(report, candidate.Image!));
        }

        reports.AddRange(all.Values.Where(candidate => candidate.Image is null).OrderBy(candidate => candidate.Id).Select(Report));
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

namespace DiffusionClip;

/// <summary>The candidates of a run, best first, and the report of how they came about.</summary>
/// <param name="Images">Every candidate that has a picture: the ranked ones best first, then those without a score.</param>
/// <param name="Report">What ran, on what, with which outcome.</param>
public sealed record RankedImages(IReadOnlyList<RankedImage> Images, RunReport Report)
{
    /// <summary>The kept pictures, best first.</summary>
    public IEnumerable<RankedImage> Kept => Images.Where(image => image.Candidate.Kept);

    /// <summary>The best picture; null if every candidate failed.</summary>
    public RankedImage? Best => Images.Count > 0 ? Images[0] : null;
}

/// <summary>One picture of a run.</summary>
/// <param name="Candidate">Its entry in the report.</param>
/// <param name="Image">Its pixels.</param>
public sealed record RankedImage(CandidateReport Candidate, RgbImage Image)
{
    /// <summary>1 is the best; null without a score.</summary>
    public int? Rank => Candidate.Rank;

    /// <summary>Seed of its root.</summary>
    public ulong Seed => Candidate.Seed ?? 0;

    /// <summary>Its score; null without a scorer.</summary>
    public double? Score => Candidate.Score;
}

namespace DiffusionClip;

/// <summary>The candidates of a run, best first, and the report of how they came about.</summary>
public sealed record RankedImages
{
    /// <summary>
    /// Every candidate that has a picture: the ranked ones best first, then those without a score. A search of many candidates lets go of
    /// pictures that it will not keep; the report has their scores.
    /// </summary>
    public required IReadOnlyList<RankedImage> Images { get; init; }

    /// <summary>What ran, on what, with which outcome.</summary>
    public required RunReport Report { get; init; }

    /// <summary>The kept pictures, best first.</summary>
    public IEnumerable<RankedImage> Kept => Images.Where(image => image.Candidate.Kept);

    /// <summary>The best picture; null if every candidate failed.</summary>
    public RankedImage? Best => Images.Count > 0 ? Images[0] : null;
}

/// <summary>One picture of a run.</summary>
public sealed record RankedImage
{
    /// <summary>Its entry in the report.</summary>
    public required CandidateReport Candidate { get; init; }

    /// <summary>Its pixels.</summary>
    public required RgbImage Image { get; init; }

    /// <summary>1 is the best; null without a score.</summary>
    public int? Rank => Candidate.Rank;

    /// <summary>Seed of its root.</summary>
    public ulong Seed => Candidate.Seed;

    /// <summary>Its total: with one scorer, its score; null without a scorer.</summary>
    public double? Score => Candidate.Score;
}

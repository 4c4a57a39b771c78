namespace DiffusionClip;

/// <summary>
/// What a picture says about itself: enough to paint it again, and how it was scored. Authoritative over every other text in the file.
/// </summary>
public sealed record PictureRecord
{
    /// <summary>The version of this record that this build writes, and the newest that it reads.</summary>
    public const int CurrentSchemaVersion = 2;

    /// <summary>Version of the record; 1 or 2.</summary>
    public int SchemaVersion { get; init; } = CurrentSchemaVersion;

    /// <summary>The program and its version.</summary>
    public required string Software { get; init; }

    /// <summary>The normalized request of the run; the picture's own seed stands in <see cref="Candidate"/>.</summary>
    public required ImageRequest Request { get; init; }

    /// <summary>How the request was executed.</summary>
    public required ExecutionPlan Plan { get; init; }

    /// <summary>The models that took part, with the hash of every file that was read.</summary>
    public required IReadOnlyList<ModelReport> Models { get; init; }

    /// <summary>The candidate that this picture is.</summary>
    public required CandidateReport Candidate { get; init; }

    /// <summary>How its score came about, where one scorer made it; null without a scorer and with several.</summary>
    public ScoreRecord? Scoring { get; init; }

    /// <summary>The scorers, in the order of the candidate's scores; null where there is one or none.</summary>
    public IReadOnlyList<ScorerReport>? Scorers { get; init; }

    /// <summary>How the scores of several scorers became the candidate's; null for one and for none.</summary>
    public ScoreCombination? Combination { get; init; }

    /// <summary>The record of one candidate of a run.</summary>
    public static PictureRecord For(CandidateReport candidate, RunReport report)
    {
        ArgumentNullException.ThrowIfNull(candidate);
        ArgumentNullException.ThrowIfNull(report);
        return new()
        {
            Software = report.Software,
            Request = report.Request,
            Plan = report.Plan,
            Models = report.Models,
            Candidate = candidate,
            Scoring = report.Scoring,
            Scorers = report.Scorers.Count > 1 ? report.Scorers : null,
            Combination = report.Combination,
        };
    }
}

/// <summary>A score that was written into a picture afterwards, whichever program made the picture.</summary>
public sealed record PictureScore
{
    /// <summary>The version of this record that this build writes, and the newest that it reads.</summary>
    public const int CurrentSchemaVersion = 1;

    /// <summary>Version of the record; 1.</summary>
    public int SchemaVersion { get; init; } = CurrentSchemaVersion;

    /// <summary>The program that scored, and its version.</summary>
    public required string Software { get; init; }

    /// <summary>The score.</summary>
    public required double Score { get; init; }

    /// <summary>How it came about.</summary>
    public required ScoreRecord Scoring { get; init; }
}

using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker.Interfaces.Native;

/// <summary>
/// A job to be done: its kind and the part of that name. Pictures in it are the SHA-256 of an uploaded artefact, base64 or a data URI.
/// </summary>
public sealed record NewJob
{
    /// <summary>What it does; may be left out where one part alone is there.</summary>
    public JobKind? Kind { get; init; }

    /// <summary>Paints, scores and ranks.</summary>
    public ImageRequest? Generate { get; init; }

    /// <summary>Ranks pictures that exist.</summary>
    public RankBody? Rank { get; init; }

    /// <summary>Scores pictures against texts.</summary>
    public ScoreBody? Score { get; init; }

    /// <summary>Whether a caller waits for it.</summary>
    public JobPriority Priority { get; init; } = JobPriority.Interactive;

    /// <summary>Whether pictures already made for an equal request may be the answer.</summary>
    public CacheUse Cache { get; init; } = CacheUse.Allow;

    /// <summary>Whether retention leaves the job and its artefacts alone.</summary>
    public bool Pinned { get; init; }
}

/// <summary>A page of a caller's jobs.</summary>
/// <param name="Jobs">Newest first.</param>
/// <param name="Next">What <c>before</c> is for the next page; absent on the last.</param>
public sealed record JobPage(IReadOnlyList<Job> Jobs, string? Next);

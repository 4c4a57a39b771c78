using System.Text.Json.Serialization;

namespace DiffusionClip.Worker.Jobs;

/// <summary>
/// Something that happened to a job. Numbers count up from 1 within a job and a process; after a restart they go on above all that were
/// sent.
/// </summary>
/// <param name="Number">The number: the SSE's <c>id</c>.</param>
/// <param name="At">When.</param>
/// <param name="Kind">What: the SSE's <c>event</c>.</param>
/// <param name="Data">The particulars, one of the records below.</param>
public sealed record JobEvent(long Number, DateTimeOffset At, JobEventKind Kind, JobEventData Data);

/// <summary>What happened.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<JobEventKind>))]
public enum JobEventKind
{
    /// <summary>The job's state changed: <see cref="JobEventData.State"/>.</summary>
    [JsonStringEnumMemberName("state")]
    State,

    /// <summary>A stage began or ended.</summary>
    [JsonStringEnumMemberName("stage")]
    Stage,

    /// <summary>An evaluation of a candidate ended.</summary>
    [JsonStringEnumMemberName("step")]
    Step,

    /// <summary>A preview of an unfinished candidate.</summary>
    [JsonStringEnumMemberName("preview")]
    Preview,

    /// <summary>A candidate began, was scored at a checkpoint, was cut, finished or failed.</summary>
    [JsonStringEnumMemberName("candidate")]
    Candidate,

    /// <summary>The strategy made a move.</summary>
    [JsonStringEnumMemberName("move")]
    Move,
}

/// <summary>Particulars of an event; the fields that its kind has.</summary>
public sealed record JobEventData
{
    /// <summary>The new state (state).</summary>
    public JobState? State { get; init; }

    /// <summary>The reason of a state, or why a candidate stopped or failed.</summary>
    public string? Reason { get; init; }

    /// <summary>Of the whole job, 0 to 1 (state, step, candidate).</summary>
    public double? Progress { get; init; }

    /// <summary>The stage (stage).</summary>
    public Stage? Stage { get; init; }

    /// <summary>Whether for finished pictures or a checkpoint (stage).</summary>
    public ScoringPhase? Cause { get; init; }

    /// <summary>Seconds a stage took; absent when it began (stage).</summary>
    public double? Seconds { get; init; }

    /// <summary>Number of the candidate (step, preview, candidate).</summary>
    public int? Candidate { get; init; }

    /// <summary>What happened to the candidate (candidate).</summary>
    public CandidateEvent? Event { get; init; }

    /// <summary>The candidate that it was forked from (candidate).</summary>
    public int? Parent { get; init; }

    /// <summary>Seed of its root (candidate).</summary>
    [JsonConverter(typeof(SeedJsonConverter))]
    public ulong? Seed { get; init; }

    /// <summary>Evaluations done (step, preview, candidate).</summary>
    public int? Evaluation { get; init; }

    /// <summary>Evaluations there are (step).</summary>
    public int? Evaluations { get; init; }

    /// <summary>The candidate's score (candidate).</summary>
    public double? Score { get; init; }

    /// <summary>A small PNG as a data URI (preview), or null.</summary>
    public string? Image { get; init; }

    /// <summary>The finished picture's artefact (candidate, finished).</summary>
    public string? Sha256 { get; init; }

    /// <summary>The move's name: start, advance or finish (move).</summary>
    public string? Move { get; init; }

    /// <summary>Candidates that go on, or are kept (move).</summary>
    public IReadOnlyList<int>? Candidates { get; init; }

    /// <summary>The evaluation it goes on until (move).</summary>
    public int? Until { get; init; }
}

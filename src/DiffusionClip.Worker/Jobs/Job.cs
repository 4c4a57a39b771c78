using System.Text.Json.Serialization;

namespace DiffusionClip.Worker.Jobs;

/// <summary>A job as the ledger holds it. Immutable: a later read of the same job is another record.</summary>
public sealed record Job
{
    /// <summary>Its id: 26 characters that sort by time of acceptance (ULID).</summary>
    public required string Id { get; init; }

    /// <summary>The caller: the name of the caller's key; <c>local</c> without keys.</summary>
    [JsonIgnore]
    public string Caller { get; init; } = "";

    /// <summary>What it does.</summary>
    public required JobKind Kind { get; init; }

    /// <summary>Whether a caller waits for it.</summary>
    public required JobPriority Priority { get; init; }

    /// <summary>Where it stands.</summary>
    public required JobState State { get; init; }

    /// <summary>Why it failed, was cancelled or was set aside; null otherwise.</summary>
    public string? Reason { get; init; }

    /// <summary>How often it was started: more than once after a crash or a drain.</summary>
    public int Attempts { get; init; }

    /// <summary>The body as accepted: normalized where it can be.</summary>
    public required JobBody Body { get; init; }

    /// <summary>When it was accepted.</summary>
    public required DateTimeOffset AcceptedAt { get; init; }

    /// <summary>When it last began to run.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it reached its end.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Where it stands on the way, 0 to 1; of the running process, not written down.</summary>
    public double Progress { get; init; }

    /// <summary>What came of it; null until it is done.</summary>
    public JobResult? Result { get; init; }

    /// <summary>Whether it has reached an end.</summary>
    [JsonIgnore]
    public bool IsOver => State is JobState.Done or JobState.Failed or JobState.Cancelled or JobState.SetAside;
}

/// <summary>What a job does.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<JobKind>))]
public enum JobKind
{
    /// <summary>Paints, scores and ranks.</summary>
    [JsonStringEnumMemberName("generate")]
    Generate,

    /// <summary>Ranks pictures that exist.</summary>
    [JsonStringEnumMemberName("rank")]
    Rank,

    /// <summary>Scores pictures against texts.</summary>
    [JsonStringEnumMemberName("score")]
    Score,
}

/// <summary>Where a job stands. Every change happens once and is written down with its time and reason.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<JobState>))]
public enum JobState
{
    /// <summary>Accepted and written down.</summary>
    [JsonStringEnumMemberName("queued")]
    Queued,

    /// <summary>A process works on it.</summary>
    [JsonStringEnumMemberName("running")]
    Running,

    /// <summary>Its result is written down.</summary>
    [JsonStringEnumMemberName("done")]
    Done,

    /// <summary>It cannot be done; the reason says why.</summary>
    [JsonStringEnumMemberName("failed")]
    Failed,

    /// <summary>Its caller wanted it no more.</summary>
    [JsonStringEnumMemberName("cancelled")]
    Cancelled,

    /// <summary>Starting it ended the process too often.</summary>
    [JsonStringEnumMemberName("set_aside")]
    SetAside,
}

/// <summary>Whether a caller waits for a job.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<JobPriority>))]
public enum JobPriority
{
    /// <summary>A caller waits: before all batch jobs.</summary>
    [JsonStringEnumMemberName("interactive")]
    Interactive,

    /// <summary>No caller waits.</summary>
    [JsonStringEnumMemberName("batch")]
    Batch,
}

/// <summary>What a job works on: exactly the part that its kind names is there.</summary>
public sealed record JobBody
{
    /// <summary>Of <see cref="JobKind.Generate"/>. Pictures it names by SHA-256 are artefacts.</summary>
    public ImageRequest? Generate { get; init; }

    /// <summary>Of <see cref="JobKind.Rank"/>.</summary>
    public RankBody? Rank { get; init; }

    /// <summary>Of <see cref="JobKind.Score"/>.</summary>
    public ScoreBody? Score { get; init; }

    /// <summary>Whether pictures already made for an equal request, plan and hashes may be the answer.</summary>
    public CacheUse Cache { get; init; } = CacheUse.Allow;

    /// <summary>Whether retention leaves the job and its artefacts alone.</summary>
    public bool Pinned { get; init; }
}

/// <summary>Use of pictures made before.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CacheUse>))]
public enum CacheUse
{
    /// <summary>An equal job's artefacts are the answer.</summary>
    [JsonStringEnumMemberName("allow")]
    Allow,

    /// <summary>The job runs in any case.</summary>
    [JsonStringEnumMemberName("refresh")]
    Refresh,
}

/// <summary>Pictures to be put in order.</summary>
public sealed record RankBody
{
    /// <summary>What they are compared with.</summary>
    public string Prompt { get; init; } = "";

    /// <summary>Text to score against in place of the prompt without its syntax.</summary>
    public string? ScoreText { get; init; }

    /// <summary>
    /// Shorthand for <see cref="Scorers"/>, as in <see cref="SearchRequest.Scorer"/>; null: the configured one. An accepted job has the
    /// list.
    /// </summary>
    public string? Scorer { get; init; }

    /// <summary>The scorers and their weights.</summary>
    public IReadOnlyList<ScorerRequest>? Scorers { get; init; }

    /// <summary>How the scores of several scorers become one; null: <c>weighted-sum</c>.</summary>
    public ScoreCombination? Combination { get; init; }

    /// <summary>What scorers do with text beyond their limit; null: <c>truncate</c>.</summary>
    public LongTextPolicy? LongText { get; init; }

    /// <summary>The pictures' artefacts by SHA-256, in the caller's order.</summary>
    public IReadOnlyList<string> Images { get; init; } = [];
}

/// <summary>Pictures and the texts that each is scored against.</summary>
public sealed record ScoreBody
{
    /// <summary>
    /// Shorthand for <see cref="Scorers"/>, as in <see cref="SearchRequest.Scorer"/>; null: the configured one. An accepted job has the
    /// list.
    /// </summary>
    public string? Scorer { get; init; }

    /// <summary>The scorers; weights are ignored here.</summary>
    public IReadOnlyList<ScorerRequest>? Scorers { get; init; }

    /// <summary>What scorers do with text beyond their limit; null: <c>truncate</c>.</summary>
    public LongTextPolicy? LongText { get; init; }

    /// <summary>Pairs, in the caller's order.</summary>
    public IReadOnlyList<ScorePair> Pairs { get; init; } = [];
}

/// <summary>A picture and its texts.</summary>
/// <param name="Image">The picture's artefact by SHA-256.</param>
/// <param name="Texts">What it is scored against; empty: the prompt in its own metadata.</param>
public sealed record ScorePair(string Image, IReadOnlyList<string> Texts);

/// <summary>What came of a job: the manifest that ties artefacts to it.</summary>
public sealed record JobResult
{
    /// <summary>
    /// Pictures, the ranked ones best first. Of a generation, every candidate with a picture; <see cref="ResultImage.Kept"/> says which are
    /// kept.
    /// </summary>
    public IReadOnlyList<ResultImage> Images { get; init; } = [];

    /// <summary>The run's report; null for ranking and scoring.</summary>
    public RunReport? Report { get; init; }

    /// <summary>Of ranking: the scorers, and how their scores came about. Null for other kinds; a generation's are in its report.</summary>
    public IReadOnlyList<ScorerReport>? Scorers { get; init; }

    /// <summary>Scores, one row per picture and text, in the caller's order; empty for other kinds.</summary>
    public IReadOnlyList<ScoreRow> Scores { get; init; } = [];

    /// <summary>The contact sheet's artefact; null where there is none.</summary>
    public string? ContactSheet { get; init; }

    /// <summary>The earlier job whose artefacts these are; null if this job made them.</summary>
    public string? CachedFrom { get; init; }

    /// <summary>What the reader should know.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}

/// <summary>A picture of a result.</summary>
public sealed record ResultImage
{
    /// <summary>Its artefact's SHA-256: <c>/api/v1/artifacts/{sha256}</c>.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Number of the candidate, or place in the caller's list.</summary>
    public required int Index { get; init; }

    /// <summary>1 is the best; null without a score.</summary>
    public int? Rank { get; init; }

    /// <summary>Seed of its root.</summary>
    [JsonConverter(typeof(SeedJsonConverter))]
    public ulong? Seed { get; init; }

    /// <summary>Its total: with one scorer, its score.</summary>
    public double? Score { get; init; }

    /// <summary>What each scorer gave; null where one scored.</summary>
    public IReadOnlyList<ScorerScore>? Scores { get; init; }

    /// <summary>Distance to the next score.</summary>
    public double? Margin { get; init; }

    /// <summary>Whether the strategy kept it.</summary>
    public bool Kept { get; init; } = true;

    /// <summary>Why it has no score; null if it has.</summary>
    public string? Failure { get; init; }
}

/// <summary>A picture's score against a text.</summary>
/// <param name="Image">The picture's artefact.</param>
/// <param name="Text">The text as given.</param>
/// <param name="Score">Null after a failure.</param>
/// <param name="Record">How the score came about.</param>
/// <param name="Failure">Why there is no score.</param>
public sealed record ScoreRow(string Image, string? Text, double? Score, ScoreRecord? Record, string? Failure)
{
    /// <summary>Id of the scorer, where several scored.</summary>
    public string? Scorer { get; init; }
}

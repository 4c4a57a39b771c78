using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>What ran: enough to repeat the run and to judge its outcome.</summary>
public sealed record RunReport
{
    /// <summary>The version of this record that this build writes.</summary>
    public const int CurrentSchemaVersion = 2;

    /// <summary>Version of the record; 1 or 2.</summary>
    public int SchemaVersion { get; init; } = CurrentSchemaVersion;

    /// <summary>The program and its version.</summary>
    public required string Software { get; init; }

    /// <summary>The normalized request.</summary>
    public required ImageRequest Request { get; init; }

    /// <summary>How the request was executed.</summary>
    public required ExecutionPlan Plan { get; init; }

    /// <summary>The scheduler that ran.</summary>
    [JsonPropertyName("sampler")]
    public required SchedulerReport Scheduler { get; init; }

    /// <summary>The models that took part, with the hash of every file that was read.</summary>
    public required IReadOnlyList<ModelReport> Models { get; init; }

    /// <summary>What the tokenizers made of the texts.</summary>
    public required IReadOnlyList<TextReport> Texts { get; init; }

    /// <summary>Time per stage.</summary>
    public required IReadOnlyList<StageReport> Stages { get; init; }

    /// <summary>Every candidate, the ranked ones best first.</summary>
    public required IReadOnlyList<CandidateReport> Candidates { get; init; }

    /// <summary>What the search spent; null in reports of version 1.</summary>
    public SearchSpent? Spent { get; init; }

    /// <summary>
    /// How <see cref="CandidateReport.Score"/> came about, where one scorer made it; null without a scorer and with several.
    /// </summary>
    public ScoreRecord? Scoring { get; init; }

    /// <summary>The scorers, in the request's order.</summary>
    public IReadOnlyList<ScorerReport> Scorers { get; init; } = [];

    /// <summary>How the scores of several scorers became one; null for one scorer and for none.</summary>
    public ScoreCombination? Combination { get; init; }

    /// <summary>Why <c>auto</c> did not take a faster execution provider; null if it did or was not asked.</summary>
    public string? ProviderReason { get; init; }

    /// <summary>What the reader should know, e.g. that there are no scores and why.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Whether the run was finished early by its caller.</summary>
    public bool FinishedEarly { get; init; }

    /// <summary>
    /// How the run went on after an interruption; null without one. A run alone knows of it by its snapshot. Stages and times are those of
    /// this run alone.
    /// </summary>
    public ResumeReport? Resumed { get; init; }

    /// <summary>When the run began.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>How long it took, in seconds.</summary>
    public required double Seconds { get; init; }
}

/// <summary>How a run that had been interrupted went on.</summary>
public sealed record ResumeReport
{
    /// <summary>Whether the run went on from its snapshot; else it began anew.</summary>
    public required bool FromSnapshot { get; init; }

    /// <summary>Why the run began anew; null if it did not.</summary>
    public string? Reason { get; init; }

    /// <summary>Evaluations, over all candidates, that did not have to be done again.</summary>
    public int EvaluationsSkipped { get; init; }

    /// <summary>Seconds that the runs before took until the snapshot.</summary>
    public double SecondsBefore { get; init; }
}

/// <summary>How a request is executed. Equal plan and machine: equal bits; otherwise equal within tolerance.</summary>
public sealed record ExecutionPlan
{
    /// <summary>Execution provider: <c>cpu</c>, <c>dml</c> or <c>cuda</c>.</summary>
    public required string Provider { get; init; }

    /// <summary>
    /// Rows of one UNet run: 1 with split guidance, 2 with batched guidance of one candidate, more with several candidates.
    /// </summary>
    public required int RowsPerRun { get; init; }

    /// <summary>Whether the two halves of guidance share a run.</summary>
    public required bool BatchedGuidance { get; init; }

    /// <summary>Pictures that are handed to the scorers at once.</summary>
    public int PicturesPerScoring { get; init; } = 1;

    /// <summary>Threads of the process-wide pool.</summary>
    public required int Threads { get; init; }

    /// <summary>The runtime and its version, e.g. <c>ONNX Runtime 1.31.1</c>.</summary>
    public required string Runtime { get; init; }
}

/// <summary>A scheduler, in diffusers' words and in A1111's.</summary>
/// <param name="ClassName">The class in diffusers, e.g. <c>DPMSolverMultistepScheduler</c>.</param>
/// <param name="Label">A1111's sampler, e.g. <c>DPM++ 2M</c>.</param>
/// <param name="ScheduleType">A1111's schedule type, e.g. <c>Karras</c>; null where its automatic choice is the same.</param>
public sealed record SchedulerReport(
    [property: JsonPropertyName("scheduler")] string ClassName, string Label, string? ScheduleType);

/// <summary>A model that took part.</summary>
public sealed record ModelReport
{
    /// <summary>What it did: <c>generator</c> or <c>scorer</c>.</summary>
    public required string Role { get; init; }

    /// <summary>Its id.</summary>
    public required string Id { get; init; }

    /// <summary>SHA-256 over the sorted list of its files and their hashes.</summary>
    public required string Sha256 { get; init; }

    /// <summary>SHA-256 of every file that was read, by path in the folder.</summary>
    public required IReadOnlyDictionary<string, string> Files { get; init; }
}

/// <summary>What a tokenizer made of a text.</summary>
public sealed record TextReport
{
    /// <summary>What the text is for: <c>prompt</c>, <c>negative</c> or <c>score</c>.</summary>
    public required string Role { get; init; }

    /// <summary>The text as it was given, with its syntax.</summary>
    public required string Text { get; init; }

    /// <summary>Which of the model's text encoders, from 0.</summary>
    public int Encoder { get; init; }

    /// <summary>Tokens read, without start, end and padding; of a text that changes over the steps, of its longest form.</summary>
    public required int Tokens { get; init; }

    /// <summary>Tokens beyond the limit, not read.</summary>
    public required int TokensDropped { get; init; }

    /// <summary>Sequences of the encoder's length that hold the tokens.</summary>
    public int Windows { get; init; } = 1;

    /// <summary>How often the text changes over the steps.</summary>
    public int Edits { get; init; }
}

/// <summary>Time spent at a stop of the road.</summary>
public sealed record StageReport
{
    /// <summary>The stage.</summary>
    public required Stage Stage { get; init; }

    /// <summary>Whether for finished pictures or for a checkpoint.</summary>
    public required ScoringPhase Cause { get; init; }

    /// <summary>How often it ran.</summary>
    public required int Count { get; init; }

    /// <summary>Seconds in all.</summary>
    public required double Seconds { get; init; }
}

/// <summary>One candidate's way and outcome.</summary>
public sealed record CandidateReport
{
    /// <summary>Number of the candidate.</summary>
    public required int Index { get; init; }

    /// <summary>Seed of its root.</summary>
    [JsonConverter(typeof(SeedJsonConverter))]
    public required ulong Seed { get; init; }

    /// <summary>Forks on the way from the root: the fork keys, oldest first; empty for a root.</summary>
    public IReadOnlyList<int> Lineage { get; init; } = [];

    /// <summary>Number of the candidate it was forked from; null for a root.</summary>
    public int? Parent { get; init; }

    /// <summary>1 is the best; null without a score.</summary>
    public int? Rank { get; init; }

    /// <summary>Its total: with one scorer, its score; null if it has none.</summary>
    public double? Score { get; init; }

    /// <summary>What each scorer gave its picture, in the request's order; empty without a scorer.</summary>
    public IReadOnlyList<ScorerScore> Scores { get; init; } = [];

    /// <summary>Distance to the next score; null for the last.</summary>
    public double? Margin { get; init; }

    /// <summary>Whether the strategy kept it.</summary>
    public bool Kept { get; init; }

    /// <summary>Evaluations done.</summary>
    public int Evaluations { get; init; }

    /// <summary>Scores at checkpoints on the way.</summary>
    public IReadOnlyList<CheckpointScore> Checkpoints { get; init; } = [];

    /// <summary>Why it stopped before its end; null if it did not.</summary>
    public string? Stopped { get; init; }

    /// <summary>Why it failed; null if it did not.</summary>
    public string? Failure { get; init; }

    /// <summary>Why it has a picture but no score; null if it has one or scoring was not asked for.</summary>
    public string? ScoringFailure { get; init; }

    /// <summary>Name of its file, once written.</summary>
    public string? File { get; init; }
}

/// <summary>A score on the way.</summary>
public sealed record CheckpointScore
{
    /// <summary>After which evaluation.</summary>
    public required int Evaluation { get; init; }

    /// <summary>The total; null if there was none.</summary>
    public double? Score { get; init; }

    /// <summary>What each scorer gave, in the request's order; empty where one scorer made the total.</summary>
    public IReadOnlyList<ScorerScore> Scores { get; init; } = [];
}

/// <summary>What one scorer gave one picture.</summary>
public sealed record ScorerScore
{
    /// <summary>Id of the scorer, as in <see cref="ScorerRequest.Id"/>.</summary>
    public required string Scorer { get; init; }

    /// <summary>The raw score, on the scorer's own scale; null if there is none.</summary>
    public double? Score { get; init; }

    /// <summary>Why there is none; null if there is one, or it was not asked for in this phase.</summary>
    public string? Failure { get; init; }
}

/// <summary>A scorer that took part.</summary>
public sealed record ScorerReport
{
    /// <summary>Its id, as in <see cref="ScorerRequest.Id"/>.</summary>
    public required string Id { get; init; }

    /// <summary>Weight of its score in the total; 0: it watched.</summary>
    public required double Weight { get; init; }

    /// <summary>Whether a larger number is a better match.</summary>
    public required bool HigherIsBetter { get; init; }

    /// <summary>How its scores of finished pictures came about, else those of checkpoints; null before the first.</summary>
    public ScoreRecord? Record { get; init; }
}

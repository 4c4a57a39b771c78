using System.Text.Json;
using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>The search over candidates.</summary>
public sealed record SearchRequest
{
    /// <summary>Name of the strategy; null: <c>best-of-n</c>.</summary>
    public string? Strategy { get; init; }

    /// <summary>The strategy's own options by name; a strategy refuses those that it does not know. Null: its defaults.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Options { get; init; }

    /// <summary>How many candidates are started, 1 to 1024.</summary>
    public int? Candidates { get; init; }

    /// <summary>How many of the best are kept, 1 to the number of candidates; null: all.</summary>
    public int? Keep { get; init; }

    /// <summary>
    /// Shorthand for <see cref="Scorers"/>, which must be absent beside it: ids or paths with weights, <c>emoji-clip</c> or
    /// <c>emoji-clip=1,facts=0.5</c>; <c>none</c>: no scores. Null, and no <see cref="Scorers"/>: the scorer that goes with the generator.
    /// A normalized request has <see cref="Scorers"/> in its place.
    /// </summary>
    public string? Scorer { get; init; }

    /// <summary>The scorers and their weights; empty: no scores. Null: see <see cref="Scorer"/>.</summary>
    public IReadOnlyList<ScorerRequest>? Scorers { get; init; }

    /// <summary>How the scores of several scorers become one total; null: <see cref="ScoreCombination.WeightedSum"/>.</summary>
    public ScoreCombination? Combination { get; init; }

    /// <summary>
    /// The text that pictures are scored against, where a scorer has none of its own; null: the prompt without its syntax.
    /// </summary>
    public string? ScoreText { get; init; }

    /// <summary>What scorers do with text beyond their limit, where one has no policy of its own; null: <c>truncate</c>.</summary>
    public LongTextPolicy? LongText { get; init; }
}

/// <summary>One scorer of a run.</summary>
public sealed record ScorerRequest
{
    /// <summary>Id or path of a CLIP folder, or the name of a registered scorer.</summary>
    public required string Id { get; init; }

    /// <summary>Weight of its score in the total, 0 to 1000. With 0 it watches: it scores, and decides nothing.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>The text that it scores against; null: <see cref="SearchRequest.ScoreText"/>.</summary>
    public string? Text { get; init; }

    /// <summary>What it does with text beyond its limit; null: <see cref="SearchRequest.LongText"/>.</summary>
    public LongTextPolicy? LongText { get; init; }

    /// <summary>Whether it scores checkpoints, finished pictures or both; null: both, as far as it can.</summary>
    public IReadOnlyList<ScoringPhase>? Phases { get; init; }

    /// <summary>
    /// Whether the run goes on without it, with a warning, where it cannot be loaded: so for a scorer that was not asked for by name.
    /// </summary>
    public bool Optional { get; init; }
}

/// <summary>How the scores of several scorers become one total per candidate. It is set for a whole population at once.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ScoreCombination>))]
public enum ScoreCombination
{
    /// <summary>Sum of weight times score; of scorers of one scale.</summary>
    [JsonStringEnumMemberName("weighted-sum")]
    WeightedSum,

    /// <summary>Sum of weight times standard score: the score less the population's mean, over its standard deviation.</summary>
    [JsonStringEnumMemberName("standard-scores")]
    StandardScores,

    /// <summary>Weighted mean of the ranks, negated so that more is better; ties share the mean of their ranks.</summary>
    [JsonStringEnumMemberName("mean-rank")]
    MeanRank,
}

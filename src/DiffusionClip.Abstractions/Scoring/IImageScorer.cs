using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>Scores pictures against texts. What a scorer plugin implements.</summary>
public interface IImageScorer : IDisposable
{
    /// <summary>Who the scorer is and how its numbers are read.</summary>
    ScorerDescriptor Descriptor { get; }

    /// <summary>Scores every picture of a batch against every text; outcome i belongs to picture i. May be called concurrently.</summary>
    /// <param name="batch">Pictures and texts; borrowed for the call.</param>
    /// <param name="cancellationToken">Ends the call early.</param>
    /// <returns>As many outcomes as pictures. A picture that cannot be scored is an outcome with a failure, not an exception.</returns>
    ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken);
}

/// <summary>Scale of a scorer's numbers; scores of different scales are never ranked together.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ScoreScale>))]
public enum ScoreScale
{
    /// <summary>A cosine, -1 to 1.</summary>
    [JsonStringEnumMemberName("cosine")]
    Cosine,

    /// <summary>A probability, 0 to 1.</summary>
    [JsonStringEnumMemberName("probability")]
    Probability,

    /// <summary>Any real number.</summary>
    [JsonStringEnumMemberName("unbounded")]
    Unbounded,
}

/// <summary>Who a scorer is and how its numbers are read.</summary>
/// <param name="Name">Short name, e.g. <c>clip</c>.</param>
/// <param name="Version">Version of the scorer's method; changes whenever its numbers may.</param>
/// <param name="Scale">Scale of the numbers.</param>
/// <param name="HigherIsBetter">Whether a larger number is a better match.</param>
public sealed record ScorerDescriptor(string Name, string Version, ScoreScale Scale, bool HigherIsBetter = true);

/// <summary>Whether finished pictures are scored or glimpses of half-finished ones.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ScoringPhase>))]
public enum ScoringPhase
{
    /// <summary>The predicted x0 of a candidate in the making, decoded cheaply.</summary>
    [JsonStringEnumMemberName("checkpoint")]
    Checkpoint,

    /// <summary>Finished pictures.</summary>
    [JsonStringEnumMemberName("final")]
    Final,
}

/// <summary>Pictures and the texts each is scored against.</summary>
/// <param name="Images">The pictures.</param>
/// <param name="Texts">The texts, plain words without prompt syntax.</param>
/// <param name="Phase">Finished pictures or glimpses.</param>
public sealed record ScoringBatch(IReadOnlyList<RgbImage> Images, IReadOnlyList<string> Texts, ScoringPhase Phase = ScoringPhase.Final);

/// <summary>What scoring a batch gave.</summary>
/// <param name="Images">One outcome per picture, in order.</param>
/// <param name="Texts">One record per text, in order: what was scored of it.</param>
public sealed record ScoringResult(IReadOnlyList<ImageOutcome> Images, IReadOnlyList<ScoreRecord> Texts);

/// <summary>One picture's scores.</summary>
/// <param name="ScoresPerText">One score per text; empty after a failure.</param>
/// <param name="ImageEmbeds">The picture's unit vector, if the scorer has one; else empty.</param>
/// <param name="Failure">Why the picture has no score; null if it has.</param>
public sealed record ImageOutcome(ReadOnlyMemory<float> ScoresPerText, ReadOnlyMemory<float> ImageEmbeds, string? Failure = null);

/// <summary>How a score came about: two scores compare only if all of this but the text agrees.</summary>
public sealed record ScoreRecord
{
    /// <summary>Name of the scorer.</summary>
    public required string Scorer { get; init; }

    /// <summary>Version of the scorer's method.</summary>
    public required string Version { get; init; }

    /// <summary>Scale of the number.</summary>
    public required ScoreScale Scale { get; init; }

    /// <summary>Id of the model that scored, if there is one.</summary>
    public string? Model { get; init; }

    /// <summary>SHA-256 over the hashes of the model's files, lower-case hexadecimal.</summary>
    public string? Sha256 { get; init; }

    /// <summary>How pictures were prepared, e.g. <c>shortest 224 bicubic, centre crop 224x224</c>.</summary>
    public string? Preprocessing { get; init; }

    /// <summary>The text as scored.</summary>
    public required string Text { get; init; }

    /// <summary>Tokens beyond the model's limit that were not read.</summary>
    public int TokensDropped { get; init; }

    /// <summary>What happened to text beyond the limit: the name of a <see cref="LongTextPolicy"/>, or a scorer's own.</summary>
    public string LongText { get; init; } = "truncate";

    /// <summary>Precision of the weights as computed with, e.g. <c>float32</c>.</summary>
    public string? Precision { get; init; }

    /// <summary>Execution provider that ran the model.</summary>
    public string? Provider { get; init; }

    /// <summary>Why a score of this record and one of another must not be ranked together; null if they may.</summary>
    /// <param name="other">The other record; only its text and what was dropped of it may differ.</param>
    /// <returns>The first field that differs, in the record's snake_case words, and both values.</returns>
    public string? DifferenceFrom(ScoreRecord other)
    {
        ArgumentNullException.ThrowIfNull(other);
        (string Field, string? Mine, string? Theirs)[] fields =
        [
            ("scorer", Scorer, other.Scorer),
            ("version", Version, other.Version),
            ("scale", Scale.ToString(), other.Scale.ToString()),
            ("long_text", LongText, other.LongText),
            ("model", Model, other.Model),
            ("sha256", Sha256, other.Sha256),
            ("preprocessing", Preprocessing, other.Preprocessing),
            ("precision", Precision, other.Precision),
            ("provider", Provider, other.Provider),
        ];
        (string field, string? mine, string? theirs) = Array.Find(fields, pair => pair.Mine != pair.Theirs);
        return field is null ? null : $"{field}: {mine ?? "none"} and {theirs ?? "none"}";
    }
}

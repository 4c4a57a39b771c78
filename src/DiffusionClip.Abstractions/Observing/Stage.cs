using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>The stages of a run, named after the folders.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Stage>))]
public enum Stage
{
    /// <summary>Sessions are made or leased.</summary>
    [JsonStringEnumMemberName("models")]
    Models,

    /// <summary>Text becomes token ids.</summary>
    [JsonStringEnumMemberName("tokenization")]
    Tokenization,

    /// <summary>Ids become embeddings.</summary>
    [JsonStringEnumMemberName("conditioning")]
    Conditioning,

    /// <summary>Candidates get their first sample.</summary>
    [JsonStringEnumMemberName("origins")]
    Origins,

    /// <summary>The denoising evaluations.</summary>
    [JsonStringEnumMemberName("denoising")]
    Denoising,

    /// <summary>Latents become pixels.</summary>
    [JsonStringEnumMemberName("decoding")]
    Decoding,

    /// <summary>Pictures get scores.</summary>
    [JsonStringEnumMemberName("scoring")]
    Scoring,

    /// <summary>The strategy decides.</summary>
    [JsonStringEnumMemberName("selection")]
    Selection,

    /// <summary>Results are put together and written.</summary>
    [JsonStringEnumMemberName("reporting")]
    Reporting,
}

/// <summary>A stage began or ended.</summary>
/// <param name="Stage">The stage.</param>
/// <param name="Cause">For finished pictures or for a checkpoint.</param>
/// <param name="Elapsed">Null when it began; its duration when it ended.</param>
public readonly record struct StageUpdate(Stage Stage, ScoringPhase Cause, TimeSpan? Elapsed);

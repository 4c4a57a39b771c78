using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>Scale of a scorer's numbers; scores of different scales are never added up as they are.</summary>
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

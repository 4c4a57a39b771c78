using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>Whether finished pictures are scored or previews of half-finished ones.</summary>
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

using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>What happened to a candidate.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CandidateEvent>))]
public enum CandidateEvent
{
    /// <summary>It began, from noise or as a fork.</summary>
    [JsonStringEnumMemberName("started")]
    Started,

    /// <summary>It was scored at a checkpoint.</summary>
    [JsonStringEnumMemberName("scored")]
    Scored,

    /// <summary>The strategy cut it.</summary>
    [JsonStringEnumMemberName("stopped")]
    Stopped,

    /// <summary>Its picture is there; the scores follow.</summary>
    [JsonStringEnumMemberName("decoded")]
    Decoded,

    /// <summary>Its picture is ready, and scored if there are scorers.</summary>
    [JsonStringEnumMemberName("finished")]
    Finished,

    /// <summary>It failed.</summary>
    [JsonStringEnumMemberName("failed")]
    Failed,
}

/// <summary>Something happened to a candidate.</summary>
public sealed record CandidateUpdate
{
    /// <summary>The candidate.</summary>
    public required CandidateId Candidate { get; init; }

    /// <summary>What happened.</summary>
    public required CandidateEvent Event { get; init; }

    /// <summary>The seed of its root.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Where it stands.</summary>
    public required int Evaluation { get; init; }

    /// <summary>The candidate that it is a fork of; null for a root.</summary>
    public CandidateId? Parent { get; init; }

    /// <summary>Its total, if it was scored.</summary>
    public double? Score { get; init; }

    /// <summary>What each scorer gave, in the request's order.</summary>
    public IReadOnlyList<ScorerScore> Scores { get; init; } = [];

    /// <summary>Why it stopped or failed.</summary>
    public string? Reason { get; init; }

    /// <summary>Its picture, once finished.</summary>
    public RgbImage? Image { get; init; }
}

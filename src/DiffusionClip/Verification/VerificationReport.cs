using System.Text.Json.Serialization;
using DiffusionClip.Models;

namespace DiffusionClip.Verification;

/// <summary>What trying a model folder showed; made to be posted: it names no folder of the machine.</summary>
public sealed record VerificationReport
{
    /// <summary>Version of the record.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The model's id.</summary>
    public required string Model { get; init; }

    /// <summary><c>stable-diffusion</c>, <c>clip</c> or <c>siglip</c>; null if the folder cannot be read.</summary>
    public string? Family { get; init; }

    /// <summary>Whether it can be used.</summary>
    public bool IsUsable { get; init; }

    /// <summary>For what, or why not: one line.</summary>
    public required string Verdict { get; init; }

    /// <summary>Licence of the weights, if the folder says it.</summary>
    public string? License { get; init; }

    /// <summary>What computes it.</summary>
    public required VerificationMachine Machine { get; init; }

    /// <summary>What the folder says: sizes, limits, scheduler.</summary>
    public IReadOnlyDictionary<string, string> Facts { get; init; } = new Dictionary<string, string>();

    /// <summary>What it needs and lacks.</summary>
    public IReadOnlyList<string> Missing { get; init; } = [];

    /// <summary>What it could have, and what therefore does not work.</summary>
    public IReadOnlyList<string> Without { get; init; } = [];

    /// <summary>What each graph says of itself.</summary>
    public IReadOnlyList<GraphFacts> Graphs { get; init; } = [];

    /// <summary>How each graph did on made-up inputs.</summary>
    public IReadOnlyList<GraphTrial> Trials { get; init; } = [];

    /// <summary>The self-test: what was tried and what came of it.</summary>
    public IReadOnlyList<VerificationCheck> Checks { get; init; } = [];
}

/// <summary>What a report was made with.</summary>
public sealed record VerificationMachine
{
    /// <summary>This program.</summary>
    public required string Software { get; init; }

    /// <summary>The runtime and its version.</summary>
    public required string Runtime { get; init; }

    /// <summary>Operating system and architecture.</summary>
    public required string System { get; init; }

    /// <summary>The .NET runtime.</summary>
    public required string DotNet { get; init; }

    /// <summary>Processors the process may use.</summary>
    public int Processors { get; init; }

    /// <summary>The execution provider that was asked for.</summary>
    public required string Provider { get; init; }

    /// <summary>The execution providers of this build.</summary>
    public IReadOnlyList<string> Providers { get; init; } = [];
}

/// <summary>One part of the self-test.</summary>
public sealed record VerificationCheck
{
    /// <summary>What was tried.</summary>
    public required string Name { get; init; }

    /// <summary>What came of it.</summary>
    public CheckState State { get; init; }

    /// <summary>Numbers, or the failure.</summary>
    public required string Detail { get; init; }

    internal static VerificationCheck Of(string name, CheckState state, string detail) =>
        new() { Name = name, State = state, Detail = detail };
}

/// <summary>What came of a check.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CheckState>))]
public enum CheckState
{
    /// <summary>As it should be.</summary>
    [JsonStringEnumMemberName("ok")]
    Ok,

    /// <summary>Worth knowing; the model works.</summary>
    [JsonStringEnumMemberName("note")]
    Note,

    /// <summary>The model cannot be used.</summary>
    [JsonStringEnumMemberName("failed")]
    Failed,
}

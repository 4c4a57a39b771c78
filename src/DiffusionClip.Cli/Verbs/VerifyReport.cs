using System.Text.Json.Serialization;
using DiffusionClip.Models;
using DiffusionClip.Onnx;

namespace DiffusionClip.Cli.Verbs;

/// <summary>What trying a model folder showed; made to be posted: it names no folder of the machine.</summary>
internal sealed record VerifyReport
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
    public required VerifyMachine Machine { get; init; }

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
    public IReadOnlyList<VerifyCheck> Checks { get; init; } = [];
}

/// <summary>What a report was made with.</summary>
/// <param name="Software">This program.</param>
/// <param name="Runtime">ONNX Runtime.</param>
/// <param name="System">Operating system and architecture.</param>
/// <param name="DotNet">The .NET runtime.</param>
/// <param name="Processors">Processors the process may use.</param>
/// <param name="Provider">The execution provider that was asked for.</param>
/// <param name="Providers">The execution providers of this build.</param>
internal sealed record VerifyMachine(string Software, string Runtime, string System, string DotNet, int Processors, string Provider, IReadOnlyList<string> Providers);

/// <summary>One part of the self-test.</summary>
/// <param name="Name">What was tried.</param>
/// <param name="State">What came of it.</param>
/// <param name="Detail">Numbers, or the failure.</param>
internal sealed record VerifyCheck(string Name, CheckState State, string Detail);

/// <summary>What came of a check.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CheckState>))]
internal enum CheckState
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

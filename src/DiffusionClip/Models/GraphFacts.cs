using System.Text.Json.Serialization;
using DiffusionClip.Models.Graphs;

namespace DiffusionClip.Models;

/// <summary>What an ONNX file says of itself, read without a runtime.</summary>
public sealed record GraphFacts
{
    /// <summary>Path in the model's folder.</summary>
    public required string File { get; init; }

    /// <summary>The program that wrote it, e.g. <c>pytorch 2.13.0</c>; empty if it does not say.</summary>
    public required string Producer { get; init; }

    /// <summary>Version of the file format.</summary>
    public required long IrVersion { get; init; }

    /// <summary>Versions of the operator sets, by domain (<c>ai.onnx</c> for the standard one).</summary>
    public required IReadOnlyDictionary<string, long> Opsets { get; init; }

    /// <summary>What its weights are computed with: <c>float32</c>, <c>float16</c> or <c>int8</c>.</summary>
    public required string Precision { get; init; }

    /// <summary>
    /// What its weights are stored as; <c>float16</c> beside a precision of <c>float32</c> means that each is cast before it is used.
    /// </summary>
    public required string StoredPrecision { get; init; }

    /// <summary>Operators, those of inner graphs included.</summary>
    public required int Nodes { get; init; }

    /// <summary>Files beside it that hold weights.</summary>
    public required IReadOnlyList<string> ExternalData { get; init; }

    /// <summary>Length of the file and of its external data.</summary>
    public required long Bytes { get; init; }

    /// <summary>
    /// What its exporter wrote beside the graph (<c>metadata_props</c>), e.g. the classes of a detector. Not in reports: it may hold paths
    /// of the machine that made the file.
    /// </summary>
    [JsonIgnore]
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>Reads what a graph says of itself, and checks what it refers to.</summary>
    /// <param name="path">Path of the graph; its external data must not leave its folder.</param>
    /// <exception cref="ModelFolderException">
    /// Not a graph, cut off, with foreign operators, or with external data that is missing or leads out of the folder.
    /// </exception>
    public static GraphFacts Read(string path)
    {
        string full = Path.GetFullPath(path);
        return OnnxGraphFile.Read(full, Path.GetDirectoryName(full)!).Facts(Path.GetFileName(full));
    }
}

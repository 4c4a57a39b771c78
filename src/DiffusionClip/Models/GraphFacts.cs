namespace DiffusionClip.Models;

/// <summary>What an ONNX file says of itself, read without a runtime.</summary>
/// <param name="File">Path in the model's folder.</param>
/// <param name="Producer">Who wrote it, e.g. <c>pytorch 2.13.0</c>; empty if it does not say.</param>
/// <param name="IrVersion">Version of the file format.</param>
/// <param name="Opsets">Versions of the operator sets, by domain (<c>ai.onnx</c> for the standard one).</param>
/// <param name="Precision">What its weights are computed with: <c>float32</c>, <c>float16</c> or <c>int8</c>.</param>
/// <param name="StoredPrecision">What its weights are stored as; <c>float16</c> beside a precision of <c>float32</c> means that each is cast before it is used.</param>
/// <param name="Nodes">Operators, those of inner graphs included.</param>
/// <param name="ExternalData">Files beside it that hold weights.</param>
/// <param name="Bytes">Length of the file and of its external data.</param>
public sealed record GraphFacts(
    string File, string Producer, long IrVersion, IReadOnlyDictionary<string, long> Opsets, string Precision, string StoredPrecision, int Nodes, IReadOnlyList<string> ExternalData, long Bytes);

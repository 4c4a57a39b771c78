namespace DiffusionClip.Runtime;

/// <summary>A text encoder that conditions a denoiser.</summary>
public interface ITextEncoder : IDisposable
{
    /// <summary>Width of the embeddings.</summary>
    int HiddenSize { get; }

    /// <summary>
    /// The layer norm that ends in the last hidden state, which earlier states are given in its place; null where the model has none.
    /// Read on first use, which therefore blocks.
    /// </summary>
    /// <exception cref="ModelFolderException">The graph has none that can be recognized.</exception>
    LayerNormWeights? FinalNorm => null;

    /// <summary>Encodes one sequence.</summary>
    /// <param name="ids">Token ids with start, end and padding.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    /// <returns>
    /// The last hidden state [ids, hidden_size] and, where the graph gives them, the pooled vector and further hidden states.
    /// </returns>
    TextEncoding Encode(ReadOnlySpan<int> ids, CancellationToken cancellationToken);
}

/// <summary>What a text encoder makes of a sequence.</summary>
/// <param name="LastHiddenState">[sequence, hidden_size].</param>
/// <param name="Pooled">Pooled vector; empty if the graph does not give one.</param>
/// <param name="HiddenStates">Hidden states by layer, where the graph lists them; else empty.</param>
public sealed record TextEncoding(
    ReadOnlyMemory<float> LastHiddenState,
    ReadOnlyMemory<float> Pooled,
    IReadOnlyList<ReadOnlyMemory<float>> HiddenStates);

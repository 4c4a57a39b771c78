using System.Numerics.Tensors;
using DiffusionClip.Runtime;

namespace DiffusionClip.Conditioning.Prompts;

/// <summary>What a text encoder makes of a prompt's windows.</summary>
/// <param name="HiddenStates">[sequence, width]: the windows' hidden states one after the other, weighted.</param>
/// <param name="SequenceLength">Tokens of all windows.</param>
/// <param name="Pooled">Pooled vector of the first window, unweighted; empty if the graph does not give one.</param>
internal sealed record EncodedWindows(ReadOnlyMemory<float> HiddenStates, int SequenceLength, ReadOnlyMemory<float> Pooled);

/// <summary>
/// Runs a text encoder over the windows of prompts. Weights multiply hidden states; each window's mean over all its values is
/// then restored, as the webui does. Windows that come again are encoded once. A window without weights is left bit for bit.
/// </summary>
/// <param name="encoder">The encoder; stays the caller's.</param>
/// <param name="hiddenState">Which hidden state [ids, width] conditions the model; null: the last.</param>
internal sealed class WindowEncoder(ITextEncoder encoder, Func<TextEncoding, ReadOnlyMemory<float>>? hiddenState = null)
{
    private readonly Dictionary<ReadOnlyMemory<int>, (ReadOnlyMemory<float> Hidden, ReadOnlyMemory<float> Pooled)> _encoded = new(
        IdComparer.Instance);

    /// <summary>Encodes a prompt.</summary>
    /// <param name="prompt">Its windows.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    public EncodedWindows Encode(PromptWindows prompt, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        int length = prompt.Limit * prompt.Windows.Count;
        (ReadOnlyMemory<float> first, ReadOnlyMemory<float> pooled) = Encode(prompt.Windows[0], cancellationToken);
        if (prompt.Windows.Count == 1)
        {
            return new(Weigh(prompt.Windows[0], first), length, pooled);
        }

        float[] all = new float[first.Length * prompt.Windows.Count];
        for (int i = 0; i < prompt.Windows.Count; i++)
        {
            PromptWindow window = prompt.Windows[i];
            Weigh(window, Encode(window, cancellationToken).Hidden).CopyTo(all.AsMemory(i * first.Length));
        }

        return new(all, length, pooled);
    }

    /// <summary>z·weight, then times (old mean / new mean) over the whole window.</summary>
    internal static ReadOnlyMemory<float> Weigh(PromptWindow window, ReadOnlyMemory<float> hidden)
    {
        if (!window.IsWeighted)
        {
            return hidden;
        }

        float[] weighted = new float[hidden.Length];
        int width = hidden.Length / window.Ids.Length;
        for (int token = 0; token < window.Ids.Length; token++)
        {
            TensorPrimitives.Multiply(
                hidden.Span.Slice(token * width, width),
                (float)window.Weights.Span[token],
                weighted.AsSpan(token * width, width));
        }

        // The mean may be lost (every weight 0): then there is nothing to restore.
        float ratio = (float)(Mean(hidden.Span) / Mean(weighted));
        if (float.IsFinite(ratio))
        {
            TensorPrimitives.Multiply(weighted, ratio, weighted);
        }

        return weighted;
    }

    private static double Mean(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
        {
            sum += value;
        }

        return sum / values.Length;
    }

    private (ReadOnlyMemory<float> Hidden, ReadOnlyMemory<float> Pooled) Encode(PromptWindow window, CancellationToken cancellationToken)
    {
        if (!_encoded.TryGetValue(window.Ids, out (ReadOnlyMemory<float> Hidden, ReadOnlyMemory<float> Pooled) result))
        {
            TextEncoding encoding = encoder.Encode(window.Ids.Span, cancellationToken);
            result = (hiddenState is null ? encoding.LastHiddenState : hiddenState(encoding), encoding.Pooled);
            _encoded.Add(window.Ids, result);
        }

        return result;
    }

    private sealed class IdComparer : IEqualityComparer<ReadOnlyMemory<int>>
    {
        public static readonly IdComparer Instance = new();

        public bool Equals(ReadOnlyMemory<int> x, ReadOnlyMemory<int> y) => x.Span.SequenceEqual(y.Span);

        public int GetHashCode(ReadOnlyMemory<int> ids)
        {
            var hash = new HashCode();
            foreach (int id in ids.Span)
            {
                hash.Add(id);
            }

            return hash.ToHashCode();
        }
    }
}

using System.Globalization;
using System.Numerics.Tensors;
using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Conditioning;

/// <summary>Earlier hidden states of a text encoder in place of its last, as diffusers' <c>clip_skip</c> chooses them.</summary>
internal static class ClipSkip
{
    /// <summary>Chooses a hidden state before the final layer norm.</summary>
    /// <param name="folder">The model's folder, for errors.</param>
    /// <param name="encoder">The encoder's part of it.</param>
    /// <param name="skip">Layers left out at the end; 0 for the last.</param>
    /// <returns>
    /// The choice; throws <see cref="ModelFolderException"/> where the graph does not list hidden states, and
    /// <see cref="InvalidRequestException"/> where there are not so many layers.
    /// </returns>
    public static Func<TextEncoding, ReadOnlyMemory<float>> Raw(DiffusionFolder folder, TextEncoderFolder encoder, int skip) => encoding =>
    {
        int count = encoding.HiddenStates.Count;
        if (count == 0)
        {
            throw new ModelFolderException(
                folder.PathOf(encoder.Graph), "does not list its hidden states, which clip skip and SDXL read; export the text encoder with output_hidden_states");
        }

        return skip < count
            ? encoding.HiddenStates[count - 1 - skip]
            : throw new InvalidRequestException("clip_skip", skip.ToString(CultureInfo.InvariantCulture), string.Create(CultureInfo.InvariantCulture, $"the text encoder of {folder.Id} has {count - 1} layers"));
    };

    /// <summary>Chooses a hidden state and gives it the final layer norm, whose weights are read from the graph.</summary>
    /// <inheritdoc cref="Raw"/>
    public static Func<TextEncoding, ReadOnlyMemory<float>> Normalized(DiffusionFolder folder, TextEncoderFolder encoder, int skip)
    {
        Func<TextEncoding, ReadOnlyMemory<float>> raw = Raw(folder, encoder, skip);
        var norm = new Lazy<FinalLayerNorm>(() => FinalLayerNorm.Read(folder, encoder));
        return encoding =>
        {
            ReadOnlyMemory<float> hidden = raw(encoding);
            return norm.Value.Apply(hidden.Span);
        };
    }
}

/// <summary>The layer norm that ends a text encoder (Ba et al. 2016).</summary>
internal sealed class FinalLayerNorm
{
    private readonly float[] _weight;
    private readonly float[] _bias;
    private readonly float _epsilon;

    private FinalLayerNorm(float[] weight, float[] bias, float epsilon)
    {
        _weight = weight;
        _bias = bias;
        _epsilon = epsilon;
    }

    /// <summary>Reads the weights from the initializers of an encoder's graph.</summary>
    /// <exception cref="ModelFolderException">The graph has none that can be recognized.</exception>
    public static FinalLayerNorm Read(DiffusionFolder folder, TextEncoderFolder encoder)
    {
        string path = folder.PathOf(encoder.Graph);
        (float[] weight, float[] bias) = OnnxLayerNorm.ReadFinal(path, "last_hidden_state");
        return weight.Length == encoder.HiddenSize && bias.Length == encoder.HiddenSize
            ? new(weight, bias, encoder.LayerNormEpsilon)
            : throw new ModelFolderException(path, $"its final layer norm has {weight.Length} weights and {bias.Length} biases; expected {encoder.HiddenSize} (hidden_size of {encoder.ConfigPath})");
    }

    /// <summary>Normalizes each row to mean 0 and variance 1, then scales and shifts it.</summary>
    /// <param name="hidden">[tokens, hidden_size].</param>
    public float[] Apply(ReadOnlySpan<float> hidden)
    {
        float[] normalized = new float[hidden.Length];
        int width = _weight.Length;
        for (int start = 0; start < hidden.Length; start += width)
        {
            ReadOnlySpan<float> row = hidden.Slice(start, width);
            Span<float> result = normalized.AsSpan(start, width);
            double mean = 0;
            foreach (float value in row)
            {
                mean += value;
            }

            mean /= width;
            double variance = 0;
            foreach (float value in row)
            {
                variance += (value - mean) * (value - mean);
            }

            TensorPrimitives.Subtract(row, (float)mean, result);
            TensorPrimitives.Multiply(result, (float)(1 / Math.Sqrt((variance / width) + _epsilon)), result);
            TensorPrimitives.MultiplyAdd(result, _weight, _bias, result);
        }

        return normalized;
    }
}

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
    public static Func<TextEncoding, ReadOnlyMemory<float>> Raw(GeneratorFolder folder, TextEncoderFolder encoder, int skip) => encoding =>
    {
        int count = encoding.HiddenStates.Count;
        if (count == 0)
        {
            throw new ModelFolderException(
                folder.PathOf(encoder.Graph), "does not list its hidden states, which clip skip and SDXL read; export the text encoder with output_hidden_states");
        }

        return skip < count
            ? encoding.HiddenStates[count - 1 - skip]
            : throw new InvalidRequestException(
                "clip_skip",
                skip.ToString(CultureInfo.InvariantCulture),
                string.Create(CultureInfo.InvariantCulture, $"the text encoder of {folder.Id} has {count - 1} layers"));
    };

    /// <summary>Chooses a hidden state and gives it the layer norm that the encoder ends with.</summary>
    /// <param name="folder">The model's folder, for errors.</param>
    /// <param name="part">The encoder's part of it.</param>
    /// <param name="encoder">The encoder, which knows its final layer norm.</param>
    /// <param name="skip">Layers left out at the end; 0 for the last.</param>
    /// <returns>The choice; throws as <see cref="Raw"/> does, and where the encoder has no final layer norm.</returns>
    public static Func<TextEncoding, ReadOnlyMemory<float>> Normalized(
        GeneratorFolder folder,
        TextEncoderFolder part,
        ITextEncoder encoder,
        int skip)
    {
        Func<TextEncoding, ReadOnlyMemory<float>> raw = Raw(folder, part, skip);
        return encoding =>
        {
            ReadOnlyMemory<float> hidden = raw(encoding);
            LayerNormWeights norm =
                encoder.FinalNorm
                ?? throw new ModelFolderException(
                    folder.PathOf(part.Graph),
                    "has no final layer norm, which clip skip needs; leave clip_skip out");
            return Normalize(hidden.Span, norm);
        };
    }

    /// <summary>Normalizes each row to mean 0 and variance 1, then scales and shifts it (Ba et al. 2016).</summary>
    /// <param name="hidden">[tokens, hidden_size].</param>
    /// <param name="norm">The weights.</param>
    private static float[] Normalize(ReadOnlySpan<float> hidden, LayerNormWeights norm)
    {
        float[] normalized = new float[hidden.Length];
        int width = norm.Weight.Length;
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
            TensorPrimitives.Multiply(result, (float)(1 / Math.Sqrt((variance / width) + norm.Epsilon)), result);
            TensorPrimitives.MultiplyAdd(result, norm.Weight.Span, norm.Bias.Span, result);
        }

        return normalized;
    }
}

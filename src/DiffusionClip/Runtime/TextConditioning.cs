namespace DiffusionClip.Runtime;

/// <summary>What the denoiser attends to, for one row. Immutable; compared by reference.</summary>
public sealed class TextConditioning
{
    /// <summary>Wraps embeddings.</summary>
    /// <param name="promptEmbeds">[sequence, width], row-major.</param>
    /// <param name="sequenceLength">Tokens.</param>
    public TextConditioning(ReadOnlyMemory<float> promptEmbeds, int sequenceLength)
    {
        if (sequenceLength < 1 || promptEmbeds.Length % sequenceLength != 0)
        {
            throw new ArgumentException($"{promptEmbeds.Length} values are no {sequenceLength} equal rows.", nameof(sequenceLength));
        }

        PromptEmbeds = promptEmbeds;
        SequenceLength = sequenceLength;
    }

    /// <summary>Text embeddings [sequence, width].</summary>
    public ReadOnlyMemory<float> PromptEmbeds { get; }

    /// <summary>Tokens.</summary>
    public int SequenceLength { get; }

    /// <summary>Width of an embedding.</summary>
    public int Width => PromptEmbeds.Length / SequenceLength;

    /// <summary>Pooled text embedding; empty if the family has none.</summary>
    public ReadOnlyMemory<float> PooledEmbeds { get; init; }

    /// <summary>Size conditions; empty if the family has none.</summary>
    public ReadOnlyMemory<float> TimeIds { get; init; }

    /// <summary>Guidance embedding; empty if the family has none.</summary>
    public ReadOnlyMemory<float> GuidanceEmbeds { get; init; }
}

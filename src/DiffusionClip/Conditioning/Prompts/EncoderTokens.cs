using DiffusionClip.Tokenization;

namespace DiffusionClip.Conditioning.Prompts;

/// <summary>
/// A prompt as one text encoder reads it. Only its family knows the kind of tokens; other code reads lengths only.
/// </summary>
public abstract class EncoderTokens
{
    /// <summary>Tokens of the prompt that are read.</summary>
    public abstract int Count { get; }

    /// <summary>Tokens of the prompt that are not.</summary>
    public abstract int Dropped { get; }

    /// <summary>Sequences that the encoder reads one after the other; 1 where it reads one of any length.</summary>
    public abstract int Sequences { get; }

    /// <summary>The same with as many sequences as another text has; fewer than there are change nothing.</summary>
    public abstract EncoderTokens PaddedTo(int sequences);
}

/// <summary>Tokenizes prompts for one text encoder.</summary>
public interface IPromptReader
{
    /// <summary>Tokenizes a prompt.</summary>
    /// <param name="runs">The prompt's words with their weights.</param>
    EncoderTokens Read(IReadOnlyList<WeightedText> runs);
}

/// <summary>Tokenizes prompts for a CLIP text encoder: in windows, with weights.</summary>
/// <param name="tokenizer">The encoder's tokenizer.</param>
/// <param name="limit">Length of a window, start and end included, from 3.</param>
public sealed class ClipPromptReader(ITokenizer tokenizer, int limit) : IPromptReader
{
    /// <inheritdoc/>
    public EncoderTokens Read(IReadOnlyList<WeightedText> runs) => PromptWindows.Of(tokenizer, limit, runs);
}

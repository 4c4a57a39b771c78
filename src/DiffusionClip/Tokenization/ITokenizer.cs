namespace DiffusionClip.Tokenization;

/// <summary>From a text to the token ids that one text encoder reads. Thread-safe.</summary>
public interface ITokenizer
{
    /// <summary>Id of the token that starts a sequence; null: sequences have none.</summary>
    int? StartId { get; }

    /// <summary>Id of the token that ends a sequence.</summary>
    int EndId { get; }

    /// <summary>Id of the token that fills a sequence up.</summary>
    int PadId { get; }

    /// <summary>Longest sequence as the tokenizer's files say it, start and end included; null: they do not.</summary>
    int? MaxLength { get; }

    /// <summary>Token ids without start, end and padding, as many as there are.</summary>
    /// <param name="text">Any text; half of a surrogate pair that stands alone counts as U+FFFD.</param>
    int[] EncodeWords(string text);

    /// <summary>One sequence of a given length: cut, with the end token kept, or padded.</summary>
    /// <param name="text">Any text; half of a surrogate pair that stands alone counts as U+FFFD.</param>
    /// <param name="maxLength">Length of the sequence, with room for its special tokens.</param>
    TokenizedText Tokenize(string text, int maxLength);
}

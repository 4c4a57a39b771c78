namespace DiffusionClip.Tokenization;

/// <summary>A text as a text encoder takes it.</summary>
/// <param name="Ids">[max_length]: start, tokens, end, then padding.</param>
/// <param name="Count">Tokens of the text that <paramref name="Ids"/> holds, without start, end and padding.</param>
/// <param name="Dropped">Tokens of the text beyond the limit, which the encoder does not see.</param>
public sealed record TokenizedText(ReadOnlyMemory<int> Ids, int Count, int Dropped);

using System.Buffers;
using DiffusionClip.Unicode;
using Microsoft.ML.Tokenizers;

namespace DiffusionClip.Tokenization;

/// <summary>
/// CLIP's tokenizer: byte-pair encoding over bytes, whose words end in <c>&lt;/w&gt;</c> (Sennrich et al. 2016; openai/CLIP
/// simple_tokenizer.py). Equal, id by id, to Hugging Face's and to open_clip's. Thread-safe.
/// </summary>
public sealed class ClipTokenizer : ITokenizer
{
    internal const string OpenClipStart = "<start_of_text>";
    internal const string OpenClipEnd = "<end_of_text>";

    /// <summary>Longer words, in UTF-16 units, go the way that stays fast.</summary>
    internal const int LongWord = 200;

    private readonly BpeTokenizer _bpe;
    private readonly Lazy<LongWordMerger> _longWords;
    private readonly AddedTokenFinder _rawTokens;
    private readonly AddedTokenFinder _normalizedTokens;

    private ClipTokenizer(TokenizerFolder folder)
    {
        StartId = folder.StartId;
        EndId = folder.EndId;
        PadId = folder.PadId;
        MaxLength = folder.MaxLength;
        _rawTokens = new(folder.AddedTokens.Where(token => !token.Normalized).Select(token => (token.Content, token.Id)));
        _normalizedTokens = new(folder.AddedTokens.Where(token => token.Normalized).Select(token => (Normalize(token.Content), token.Id)));
        _bpe = BpeTokenizer.Create(new BpeOptions(folder.Vocabulary)
        {
            Merges = folder.Merges,
            ByteLevel = true,
            EndOfWordSuffix = TokenizerFolder.Suffix,
            UnknownToken = folder.UnknownToken,
        });
        _longWords = new(() => new(folder.Vocabulary, folder.Merges, TokenizerFolder.Suffix, folder.Vocabulary[folder.UnknownToken]));
    }

    /// <summary>Id of the token that starts a sequence.</summary>
    public int StartId { get; }

    /// <summary>Id of the token that ends a sequence; CLIP's pooled vector is read there.</summary>
    public int EndId { get; }

    /// <summary>Id of the token that fills a sequence up.</summary>
    public int PadId { get; }

    /// <summary>Longest sequence of the model, start and end included; 77 where the folder does not say.</summary>
    public int MaxLength { get; }

    /// <summary>The normalization that <see cref="ITokenizer"/> means.</summary>
    public TextNormalization Normalization { get; private init; }

    int? ITokenizer.StartId => StartId;

    int? ITokenizer.MaxLength => MaxLength;

    /// <summary>
    /// Reads a tokenizer folder: <c>vocab.json</c> and <c>merges.txt</c>, or <c>tokenizer.json</c>; <c>special_tokens_map.json</c>
    /// and <c>tokenizer_config.json</c> say the special tokens and the length.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="normalization">The normalization that <see cref="ITokenizer"/> means.</param>
    /// <exception cref="ModelFolderException">A file is missing or damaged, or the files do not fit together.</exception>
    public static ClipTokenizer Load(string folder, TextNormalization normalization = TextNormalization.Diffusion)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return new(TokenizerFolder.Read(folder)) { Normalization = normalization };
    }

    int[] ITokenizer.EncodeWords(string text) => EncodeWords(text, Normalization);

    TokenizedText ITokenizer.Tokenize(string text, int maxLength) => Tokenize(text, maxLength, Normalization);

    /// <summary>Token ids with start and end, as many as there are.</summary>
    /// <param name="text">Any text; half of a surrogate pair that stands alone counts as U+FFFD.</param>
    /// <param name="normalization">The normalization.</param>
    public int[] Encode(string text, TextNormalization normalization = TextNormalization.Diffusion)
    {
        List<int> ids = [StartId];
        AddWords(text, normalization, ids);
        ids.Add(EndId);
        return [.. ids];
    }

    /// <summary>Token ids without start and end, for callers that cut windows themselves.</summary>
    /// <param name="text">Any text; half of a surrogate pair that stands alone counts as U+FFFD.</param>
    /// <param name="normalization">The normalization.</param>
    public int[] EncodeWords(string text, TextNormalization normalization = TextNormalization.Diffusion)
    {
        List<int> ids = [];
        AddWords(text, normalization, ids);
        return [.. ids];
    }

    /// <summary>One sequence of a given length: cut, with the end token kept, or padded.</summary>
    /// <param name="text">Any text; half of a surrogate pair that stands alone counts as U+FFFD.</param>
    /// <param name="maxLength">Length of the sequence, from 2; mostly <see cref="MaxLength"/>.</param>
    /// <param name="normalization">The normalization.</param>
    public TokenizedText Tokenize(string text, int maxLength, TextNormalization normalization = TextNormalization.Diffusion)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 2);
        int[] words = EncodeWords(text, normalization);
        int count = Math.Min(words.Length, maxLength - 2);
        int[] ids = new int[maxLength];
        ids[0] = StartId;
        words.AsSpan(0, count).CopyTo(ids.AsSpan(1));
        ids[count + 1] = EndId;
        ids.AsSpan(count + 2).Fill(PadId);
        return new(ids, count, words.Length - count);
    }

    /// <summary>Adds the ids of one normalized word. Both ways give the same.</summary>
    internal void AddWord(ReadOnlySpan<char> word, bool asLong, List<int> ids)
    {
        if (asLong)
        {
            _longWords.Value.Encode(word, ids);
        }
        else
        {
            ids.AddRange(_bpe.EncodeToIds(word, considerPreTokenization: false, considerNormalization: false));
        }
    }

    private static string Normalize(string text) => Lowercase.PerCharacter(CanonicalComposition.Compose(text));

    private void AddWords(string text, TextNormalization normalization, List<int> ids)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (normalization == TextNormalization.Scoring)
        {
            text = Repair.TextRepair.Fix(text);
            text = HtmlEntities.Unescape(HtmlEntities.Unescape(text));
            AddWords(Lowercase.InContext(PythonText.Collapse(text)).AsSpan(), normalization, ids);
            return;
        }

        text = Surrogates.ReplaceLone(text);
        _rawTokens.Split(text, ids, (segment, ids) =>
            _normalizedTokens.Split(Normalize(segment.ToString()), ids, (inner, ids) => AddWords(inner, normalization, ids)));
    }

    private void AddWords(ReadOnlySpan<char> normalized, TextNormalization normalization, List<int> ids)
    {
        WordSplitter words = new(normalized, normalization);
        while (words.MoveNext())
        {
            if (normalization == TextNormalization.Scoring && words.Current[0] == '<' && words.Current is OpenClipStart or OpenClipEnd)
            {
                ids.Add(words.Current.Length == OpenClipStart.Length ? StartId : EndId);
            }
            else
            {
                AddWord(words.Current, words.Current.Length > LongWord, ids);
            }
        }
    }

    /// <summary>Finds added tokens in a text: the leftmost, of those the longest.</summary>
    private sealed class AddedTokenFinder
    {
        private readonly (string Content, int Id)[] _tokens;
        private readonly SearchValues<char> _beginnings;

        public AddedTokenFinder(IEnumerable<(string Content, int Id)> tokens)
        {
            _tokens = [.. tokens.OrderByDescending(token => token.Content.Length)];
            _beginnings = SearchValues.Create([.. _tokens.Select(token => token.Content[0])]);
        }

        public delegate void Between(ReadOnlySpan<char> text, List<int> ids);

        /// <summary>Adds the tokens' ids; what lies between goes to <paramref name="between"/>.</summary>
        public void Split(ReadOnlySpan<char> text, List<int> ids, Between between)
        {
            int start = 0;
            for (int position = 0; position < text.Length;)
            {
                int skip = text[position..].IndexOfAny(_beginnings);
                if (skip < 0)
                {
                    break;
                }

                position += skip;
                (string content, int id) = Match(text[position..]);
                if (content.Length == 0)
                {
                    position++;
                    continue;
                }

                if (position > start)
                {
                    between(text[start..position], ids);
                }

                ids.Add(id);
                position += content.Length;
                start = position;
            }

            if (start < text.Length)
            {
                between(text[start..], ids);
            }
        }

        private (string Content, int Id) Match(ReadOnlySpan<char> text)
        {
            foreach ((string Content, int Id) token in _tokens)
            {
                if (text.StartsWith(token.Content, StringComparison.Ordinal))
                {
                    return token;
                }
            }

            return ("", 0);
        }
    }
}

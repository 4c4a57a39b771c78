using DiffusionClip.Models;
using DiffusionClip.Tokenization.SentencePiece;
using DiffusionClip.Unicode;

namespace DiffusionClip.Tokenization;

/// <summary>
/// SigLIP's tokenizer: lower case, ASCII punctuation left out, white space collapsed, then unigram pieces of a <c>spiece.model</c>, an end
/// token and padding; equal to transformers' SiglipTokenizer. Thread-safe.
/// </summary>
public sealed class SiglipTokenizer : ITokenizer
{
    private const string SpaceSymbol = "\u2581";

    private readonly UnigramTokenizer _pieces;
    private readonly bool _lowercase;
    private readonly (string Text, int Id)[] _specials;

    private SiglipTokenizer(string folder)
    {
        var model = SentencePieceModel.Read(Path.Combine(folder, TokenizerFiles.SentencePiece));
        string configPath = Path.Combine(folder, "tokenizer_config.json");
        ConfigFile? config = File.Exists(configPath) ? ConfigFile.Read(configPath) : null;

        // The space before the text is SigLIP's own, a literal U+2581.
        _pieces = new(model, addDummyPrefix: false);
        _lowercase = config?.Bool("do_lower_case") ?? true;
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < model.Pieces.Count; id++)
        {
            ids.TryAdd(model.Pieces[id].Text, id);
        }

        string end = Content(config, "eos_token") ?? "</s>";
        string pad = Content(config, "pad_token") ?? end;
        EndId = IdOf(end);
        PadId = IdOf(pad);
        string unknown = Content(config, "unk_token") ?? model.Pieces[model.UnknownId].Text;
        _specials =
        [
            .. new[] { end, pad, unknown }
                .Distinct(StringComparer.Ordinal)
                .Select(text => (text, IdOf(text)))
                .OrderByDescending(special => special.text.Length),
        ];

        int IdOf(string token) =>
            ids.TryGetValue(token, out int id)
                ? id
                : throw new ModelFolderException(model.Path, $"lacks the special token {token} of tokenizer_config.json");
    }

    int? ITokenizer.StartId => null;

    int? ITokenizer.MaxLength => null;

    /// <summary>Id of the token that ends a sequence.</summary>
    public int EndId { get; }

    /// <summary>Id of the token that fills a sequence up.</summary>
    public int PadId { get; }

    /// <summary>Reads a folder: <c>spiece.model</c>, and <c>tokenizer_config.json</c> for the special tokens.</summary>
    /// <exception cref="ModelFolderException">A file is missing or damaged, or the model is not unigram.</exception>
    public static SiglipTokenizer Load(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return new(folder);
    }

    /// <summary>One sequence of a given length: cut, with the end token kept, or padded.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="maxLength">Length of the sequence, from 1.</param>
    public TokenizedText Tokenize(string text, int maxLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 1);
        List<int> tokens = Encode(text);
        int count = Math.Min(tokens.Count, maxLength - 1);
        int[] ids = new int[maxLength];
        tokens.CopyTo(0, ids, 0, count);
        ids[count] = EndId;
        ids.AsSpan(count + 1).Fill(PadId);
        return new(ids, count, tokens.Count - count);
    }

    /// <inheritdoc/>
    public int[] EncodeWords(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return [.. Encode(text)];
    }

    /// <summary>Token ids without end and padding.</summary>
    private List<int> Encode(string text)
    {
        string rest = SpaceSymbol + Surrogates.ReplaceLone(text).Replace(SpaceSymbol, " ", StringComparison.Ordinal);
        var ids = new List<int>();
        while (true)
        {
            // Special tokens stand for themselves; the earliest match wins.
            int at = rest.Length;
            (string Text, int Id) next = ("", 0);
            foreach ((string Text, int Id) special in _specials)
            {
                int found = rest.IndexOf(special.Text, StringComparison.Ordinal);
                if (found >= 0 && found < at)
                {
                    (at, next) = (found, special);
                }
            }

            ids.AddRange(_pieces.Encode(Canonical(rest[..at])));
            if (next.Text.Length == 0)
            {
                return ids;
            }

            ids.Add(next.Id);
            rest = rest[(at + next.Text.Length)..];
        }
    }

    private string Canonical(string text)
    {
        if (_lowercase)
        {
            text = Lowercase.InContext(text);
        }

        return PythonText.Collapse(
            string.Concat(
                text.Where(character => !(char.IsAscii(character) && (char.IsPunctuation(character) || char.IsSymbol(character))))));
    }

    // A token is a text, or an object with its content.
    private static string? Content(ConfigFile? config, string role) =>
        config?.Find(role) is not { } value ? null
        : value.ValueKind == System.Text.Json.JsonValueKind.String ? value.GetString()
        : value.ValueKind == System.Text.Json.JsonValueKind.Object
        && value.TryGetProperty("content", out System.Text.Json.JsonElement content)
        && content.ValueKind == System.Text.Json.JsonValueKind.String
            ? content.GetString()
        : throw config.Value.Wrong(role, value, "a token or an object with its content");
}

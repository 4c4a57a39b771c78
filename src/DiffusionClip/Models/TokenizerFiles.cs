namespace DiffusionClip.Models;

/// <summary>The files by which tokenizers are published.</summary>
internal static class TokenizerFiles
{
    /// <summary>The model of a SentencePiece tokenizer: SigLIP's, T5's.</summary>
    public const string SentencePiece = "spiece.model";

    private static readonly string[] _bytePairs =
        ["vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

    private static readonly string[] _pieces = [SentencePiece, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

    /// <summary>Whether a folder holds a SentencePiece model and no vocabulary of byte pairs.</summary>
    public static bool IsSentencePiece(string folder) =>
        File.Exists(Path.Combine(folder, SentencePiece)) && !File.Exists(Path.Combine(folder, "vocab.json"));

    /// <summary>The files of a tokenizer that exist, by path in the model's folder.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="tokenizer">The tokenizer's folder in it; empty: the folder itself.</param>
    /// <param name="isSentencePiece">Whether it has to be a SentencePiece model; null: what its files say.</param>
    /// <exception cref="ModelFolderException">There is no tokenizer.</exception>
    public static string[] Find(string folder, string tokenizer, bool? isSentencePiece = null)
    {
        string at = Path.Combine(folder, tokenizer);
        bool Has(string name) => File.Exists(Path.Combine(at, name));
        if (isSentencePiece ?? IsSentencePiece(at))
        {
            return Has(SentencePiece)
                ? Present(_pieces)
                : throw new ModelFolderException(
                    Path.GetFullPath(Path.Combine(at, SentencePiece)), "missing; expected the SentencePiece model of the tokenizer there");
        }

        string missing = !Has("vocab.json") ? "vocab.json" : "merges.txt";
        return Has(missing) || Has("tokenizer.json")
            ? Present(_bytePairs)
            : throw new ModelFolderException(
                Path.GetFullPath(Path.Combine(at, missing)), "missing; expected the tokenizer's vocab.json and merges.txt there");

        string[] Present(string[] names) => [.. names.Where(Has).Select(name => tokenizer.Length == 0 ? name : $"{tokenizer}/{name}")];
    }

    /// <summary>
    /// The smaller of an encoder's positions and the tokenizer's limit, which is 1e30 where transformers does not know one.
    /// </summary>
    /// <param name="positions">What the encoder's configuration says; null: nothing.</param>
    /// <param name="tokenizerPath">The tokenizer's folder.</param>
    public static int? TokenLimit(int? positions, string tokenizerPath)
    {
        double? limit = null;
        if (JsonFile.ReadIfThere(Path.Combine(tokenizerPath, "tokenizer_config.json")) is { } root
            && root.TryGetProperty("model_max_length", out System.Text.Json.JsonElement value)
            && value.ValueKind == System.Text.Json.JsonValueKind.Number
            && value.TryGetDouble(out double number)
            && number is >= 2 and < int.MaxValue)
        {
            limit = number;
        }

        return positions is { } most ? (int)Math.Min(most, limit ?? most) : (int?)limit;
    }
}

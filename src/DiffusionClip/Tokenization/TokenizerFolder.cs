using System.Globalization;
using System.Text.Json;
using DiffusionClip.Models;

namespace DiffusionClip.Tokenization;

/// <summary>What a tokenizer's folder says, in either of the two forms in which people publish it.</summary>
internal sealed class TokenizerFolder
{
    /// <summary>What the last token of a word ends in.</summary>
    public const string Suffix = "</w>";

    private const int DefaultMaxLength = 77;

    private TokenizerFolder(string path) => Path = path;

    public string Path { get; }

    /// <summary>Token to id.</summary>
    public required Dictionary<string, int> Vocabulary { get; init; }

    /// <summary>Pairs "left right", the earlier the sooner merged.</summary>
    public required List<string> Merges { get; init; }

    /// <summary>Tokens that are recognized in a text before it is normalized or after.</summary>
    public required List<AddedToken> AddedTokens { get; init; }

    public required int StartId { get; init; }

    public required int EndId { get; init; }

    public required int PadId { get; init; }

    public required string UnknownToken { get; init; }

    public required int MaxLength { get; init; }

    public static TokenizerFolder Read(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new ModelFolderException(
                folder,
                "there is no such tokenizer folder; expected one with vocab.json and merges.txt, or tokenizer.json.");
        }

        string vocabFile = System.IO.Path.Combine(folder, "vocab.json");
        string mergesFile = System.IO.Path.Combine(folder, "merges.txt");
        string tokenizerFile = System.IO.Path.Combine(folder, "tokenizer.json");
        JsonElement? tokenizer = File.Exists(tokenizerFile) ? JsonFile.Read(tokenizerFile) : null;
        bool isSplit = File.Exists(vocabFile) && File.Exists(mergesFile);
        if (!isSplit && tokenizer is null)
        {
            string missing = File.Exists(vocabFile) ? mergesFile : File.Exists(mergesFile) ? vocabFile : folder;
            throw new ModelFolderException(missing, "the tokenizer is incomplete; expected vocab.json and merges.txt, or tokenizer.json.");
        }

        JsonElement? model = isSplit ? null : Model(tokenizerFile, tokenizer!.Value);
        string source = isSplit ? vocabFile : tokenizerFile;
        Dictionary<string, int> vocabulary = ReadVocabulary(source, isSplit ? JsonFile.Read(vocabFile) : model!.Value.GetProperty("vocab"));
        List<string> merges = isSplit ? ReadMerges(mergesFile) : ReadMerges(tokenizerFile, model!.Value);

        Specials specials = Specials.Read(folder);
        List<AddedToken> added = [];
        foreach (AddedToken token in specials.AddedTokens.Concat(tokenizer is { } json ? ReadAddedTokens(json) : []))
        {
            vocabulary.TryAdd(token.Content, token.Id);
            if (!added.Exists(known => known.Content == token.Content))
            {
                added.Add(token);
            }
        }

        foreach (SpecialToken special in specials.All)
        {
            if (!vocabulary.TryGetValue(special.Content, out int id))
            {
                throw new ModelFolderException(source, $"the vocabulary lacks the special token {special.Content} ({special.Role}).");
            }

            if (!added.Exists(token => token.Content == special.Content))
            {
                added.Add(new(special.Content, id, special.Normalized));
            }
        }

        CheckMerges(isSplit ? mergesFile : tokenizerFile, merges, vocabulary);
        return new(folder)
        {
            Vocabulary = vocabulary,
            Merges = merges,
            AddedTokens = added,
            StartId = vocabulary[specials.Start],
            EndId = vocabulary[specials.End],
            PadId = vocabulary[specials.Pad],
            UnknownToken = specials.Unknown,
            MaxLength = specials.MaxLength ?? DefaultMaxLength,
        };
    }

    private static JsonElement Model(string file, JsonElement tokenizer)
    {
        if (
            tokenizer.ValueKind != JsonValueKind.Object
            || !tokenizer.TryGetProperty("model", out JsonElement model)
            || model.ValueKind != JsonValueKind.Object
            || !model.TryGetProperty("vocab", out _)
            || !model.TryGetProperty("merges", out _))
        {
            throw new ModelFolderException(
                file,
                "it has no model with vocab and merges; expected the byte-pair encoding of a CLIP tokenizer.");
        }

        return
            model.TryGetProperty("end_of_word_suffix", out JsonElement suffix)
            && suffix.ValueKind == JsonValueKind.String
            && suffix.ValueEquals(Suffix)
            ? model
            : throw new ModelFolderException(
                file,
                $"its words do not end in {Suffix}; expected the byte-pair encoding of a CLIP tokenizer.");
    }

    private static Dictionary<string, int> ReadVocabulary(string file, JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            throw new ModelFolderException(file, "the vocabulary is no JSON object of tokens and ids.");
        }

        Dictionary<string, int> vocabulary = new(StringComparer.Ordinal);
        foreach (JsonProperty token in json.EnumerateObject())
        {
            if (token.Value.ValueKind != JsonValueKind.Number || !token.Value.TryGetInt32(out int id) || id < 0)
            {
                throw new ModelFolderException(
                    file,
                    $"the id of token {token.Name} is {token.Value.GetRawText()}; expected a whole number from 0.");
            }

            vocabulary[token.Name] = id;
        }

        return vocabulary.Count > 0 ? vocabulary : throw new ModelFolderException(file, "the vocabulary is empty.");
    }

    private static List<string> ReadMerges(string file)
    {
        List<string> merges = [];
        foreach (string line in JsonFile.ReadText(file, "merges").Split('\n'))
        {
            string merge = line.TrimEnd('\r');
            if (merge.Length > 0 && !merge.StartsWith("#version", StringComparison.Ordinal))
            {
                merges.Add(merge);
            }
        }

        return merges;
    }

    /// <summary>Merges of a tokenizer.json: strings "left right", or pairs as newer versions write them.</summary>
    private static List<string> ReadMerges(string file, JsonElement model)
    {
        List<string> merges = [];
        var config = new ConfigFile(file, model);
        JsonElement list = model.GetProperty("merges");
        if (list.ValueKind != JsonValueKind.Array)
        {
            throw config.Wrong("merges", list, "a list of pairs of tokens");
        }

        foreach (JsonElement merge in list.EnumerateArray())
        {
            merges.Add(
                merge.ValueKind switch
                {
                    JsonValueKind.String => merge.GetString()!,
                    JsonValueKind.Array
                        when merge.GetArrayLength() == 2
                            && merge.EnumerateArray().All(token => token.ValueKind == JsonValueKind.String) =>
                        $"{merge[0].GetString()} {merge[1].GetString()}",
                    _ => throw config.Wrong($"merges[{merges.Count.ToString(CultureInfo.InvariantCulture)}]", merge, "a pair of tokens"),
                });
        }

        return merges;
    }

    /// <summary>The list of a tokenizer.json.</summary>
    private static IEnumerable<AddedToken> ReadAddedTokens(JsonElement tokenizer) =>
        tokenizer.ValueKind == JsonValueKind.Object
        && tokenizer.TryGetProperty("added_tokens", out JsonElement tokens)
        && tokens.ValueKind == JsonValueKind.Array
            ? tokens
                .EnumerateArray()
                .Select(token =>
                    token.ValueKind == JsonValueKind.Object
                    && token.TryGetProperty("id", out JsonElement id)
                    && id.ValueKind == JsonValueKind.Number
                    && id.TryGetInt32(out int value)
                        ? AddedToken.Read(token, value)
                        : null)
                .OfType<AddedToken>()
            : [];

    private static void CheckMerges(string file, List<string> merges, Dictionary<string, int> vocabulary)
    {
        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> tokens = vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (string merge in merges)
        {
            int space = merge.IndexOf(' ', StringComparison.Ordinal);
            if (space <= 0 || space == merge.Length - 1 || merge.IndexOf(' ', space + 1) >= 0)
            {
                throw new ModelFolderException(file, $"'{merge}' is no merge; expected two tokens with a space between.");
            }

            if (
                !tokens.ContainsKey(merge.AsSpan(0, space))
                || !tokens.ContainsKey(merge.AsSpan(space + 1))
                || !tokens.ContainsKey(merge.Remove(space, 1)))
            {
                throw new ModelFolderException(
                    file,
                    $"merge '{merge}' does not fit the vocabulary: its tokens or their union are not in it.");
            }
        }
    }

    /// <summary>A token that is found in a text as it stands.</summary>
    /// <param name="Content">Its spelling.</param>
    /// <param name="Id">Its id.</param>
    /// <param name="Normalized">Whether it is looked for after normalization instead of before.</param>
    internal sealed record AddedToken(string Content, int Id, bool Normalized)
    {
        /// <summary>Reads an object with a content; null if it is none.</summary>
        public static AddedToken? Read(JsonElement token, int id) =>
            token.ValueKind == JsonValueKind.Object
            && token.TryGetProperty("content", out JsonElement content)
            && content.ValueKind == JsonValueKind.String
            && content.GetString() is { Length: > 0 } text
                ? new(
                    text,
                    id,
                    token.TryGetProperty("normalized", out JsonElement normalized) && normalized.ValueKind == JsonValueKind.True)
                : null;
    }

    private sealed record SpecialToken(string Role, string Content, bool Normalized);

    /// <summary>Special tokens: of special_tokens_map.json, else of tokenizer_config.json, else CLIP's.</summary>
    private sealed class Specials
    {
        private readonly Dictionary<string, SpecialToken> _byRole = [];

        public string Start => _byRole["bos_token"].Content;

        public string End => _byRole["eos_token"].Content;

        public string Pad => _byRole["pad_token"].Content;

        public string Unknown => _byRole["unk_token"].Content;

        public int? MaxLength { get; private set; }

        public IEnumerable<SpecialToken> All => _byRole.Values;

        public List<AddedToken> AddedTokens { get; } = [];

        public static Specials Read(string folder)
        {
            Specials specials = new();
            foreach (string name in (string[])["special_tokens_map.json", "tokenizer_config.json"])
            {
                string file = System.IO.Path.Combine(folder, name);
                if (File.Exists(file))
                {
                    specials.Add(file, JsonFile.Read(file));
                }
            }

            specials._byRole.TryAdd("bos_token", new("bos_token", "<|startoftext|>", false));
            specials._byRole.TryAdd("eos_token", new("eos_token", "<|endoftext|>", false));
            specials._byRole.TryAdd("unk_token", new("unk_token", "<|endoftext|>", false));
            specials._byRole.TryAdd("pad_token", specials._byRole["eos_token"] with { Role = "pad_token" });
            return specials;
        }

        private void Add(string file, JsonElement json)
        {
            if (json.ValueKind != JsonValueKind.Object)
            {
                throw new ModelFolderException(file, "it is no JSON object.");
            }

            foreach (string role in (string[])["bos_token", "eos_token", "unk_token", "pad_token"])
            {
                if (json.TryGetProperty(role, out JsonElement token) && token.ValueKind != JsonValueKind.Null)
                {
                    SpecialToken? special =
                        token.ValueKind == JsonValueKind.String && token.GetString() is { Length: > 0 } text
                            ? new(role, text, Normalized: false)
                        : AddedToken.Read(token, 0) is { } added ? new(role, added.Content, added.Normalized)
                        : null;
                    _byRole.TryAdd(
                        role,
                        special
                            ?? throw new ModelFolderException(
                                file,
                                $"{role} is {token.GetRawText()}; expected a token or an object with its content."));
                }
            }

            if (json.TryGetProperty("added_tokens_decoder", out JsonElement decoder) && decoder.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty token in decoder.EnumerateObject())
                {
                    if (
                        int.TryParse(token.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                        && AddedToken.Read(token.Value, id) is { } added)
                    {
                        AddedTokens.Add(added);
                    }
                }
            }

            // Some tools write 1e30 for "no limit"; the text encoder's is 77 then as well.
            if (
                json.TryGetProperty("model_max_length", out JsonElement length)
                && length.ValueKind == JsonValueKind.Number
                && length.GetDouble() is >= 3 and <= int.MaxValue)
            {
                MaxLength = (int)length.GetDouble();
            }
        }
    }
}

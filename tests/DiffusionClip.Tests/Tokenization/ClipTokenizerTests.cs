using System.Globalization;
using System.Text;
using CsCheck;

namespace DiffusionClip.Tokenization;

public sealed class ClipTokenizerTests : IDisposable
{
    private static readonly string Embedded = Path.Combine(Golden.Repository, "models", "emoji-sd", "tokenizer");
    private static readonly ClipTokenizer Tokenizer = ClipTokenizer.Load(Embedded);
    private readonly string _folder = Directory.CreateTempSubdirectory("diffusionclip-tokenizer-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_folder_says_the_special_tokens()
    {
        Assert.Equal((1208, 1209, 1209, 77), (Tokenizer.StartId, Tokenizer.EndId, Tokenizer.PadId, Tokenizer.MaxLength));
    }

    [Fact]
    public void A_short_text_is_padded()
    {
        TokenizedText text = Tokenizer.Tokenize("a photo of a cat", 10);
        Assert.Equal([1208, 320, 581, 547, 320, 1166, 1209, 1209, 1209, 1209], text.Ids.ToArray());
        Assert.Equal((5, 0), (text.Count, text.Dropped));
    }

    [Fact]
    public void A_long_text_is_cut_and_keeps_its_end()
    {
        TokenizedText text = Tokenizer.Tokenize("a photo of a cat", 5);
        Assert.Equal([1208, 320, 581, 547, 1209], text.Ids.ToArray());
        Assert.Equal((3, 2), (text.Count, text.Dropped));
        Assert.Equal([1208, 1209], Tokenizer.Tokenize("a", 2).Ids.ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => Tokenizer.Tokenize("a", 1));
    }

    [Fact]
    public void Words_are_the_sequence_without_its_ends() => Gen.Select(Gen.String, Gen.Enum<TextNormalization>()).Sample((text, normalization) =>
    {
        int[] ids = Tokenizer.Encode(text, normalization);
        Assert.Equal(ids[1..^1], Tokenizer.EncodeWords(text, normalization));
        TokenizedText whole = Tokenizer.Tokenize(text, 77, normalization);
        Assert.Equal(77, whole.Ids.Length);
        Assert.Equal(ids.Length - 2, whole.Count + whole.Dropped);
        Assert.Equal(Tokenizer.EndId, whole.Ids.Span[whole.Count + 1]);
    });

    [Fact]
    public void Half_a_pair_counts_as_replacement_character()
    {
        foreach (TextNormalization normalization in Enum.GetValues<TextNormalization>())
        {
            Assert.Equal(Tokenizer.Encode("\uFFFD", normalization), Tokenizer.Encode("\uD83D", normalization));
            Assert.Equal(
                Tokenizer.Encode("a\uFFFDb \uFFFD\uD83D\uDE00", normalization),
                Tokenizer.Encode("a\uDE00b \uD83D\uD83D\uDE00", normalization));
        }
    }

    [Fact]
    public void Special_tokens_count_in_diffusion_only()
    {
        Assert.Equal([1208, 320, 1209, 320, 1208, 1209], Tokenizer.Encode("a<|endoftext|>a <|startoftext|>"));
        Assert.Equal([1208, 320, 1209, 320, 1208, 1209], Tokenizer.Encode("a<end_of_text>a <START_OF_TEXT>", TextNormalization.Scoring));
        Assert.DoesNotContain(1208, Tokenizer.EncodeWords("<|startoftext|>", TextNormalization.Scoring));
        Assert.DoesNotContain(1208, Tokenizer.EncodeWords("<start_of_text>"));
    }

    [Fact]
    public void In_capitals_a_special_token_is_text()
    {
        // Found after normalization by the expression, it is cut from what follows, but it is no token.
        Assert.Equal(
            Tokenizer.EncodeWords("<| startoftext |> !"),
            Tokenizer.EncodeWords("<|STARTOFTEXT|>!"));
    }

    [Theory]
    [InlineData("tr-TR")]
    [InlineData("de-DE")]
    public void Cultures_change_nothing(string culture)
    {
        const string text = "TITANIC Istanbul İ ı I 1.5 Ⅷ";
        int[][] expected = [.. Enum.GetValues<TextNormalization>().Select(n => Tokenizer.Encode(text, n))];
        CultureInfo before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo(culture);
            Assert.Equal(expected, [.. Enum.GetValues<TextNormalization>().Select(n => Tokenizer.Encode(text, n))]);
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public void Many_threads_get_the_same()
    {
        ClipTokenizer tokenizer = ClipTokenizer.Load(Embedded);
        string[] texts = [.. Enumerable.Range(0, 400).Select(i => $"word{i} {new string((char)('a' + (i % 26)), i)} naïve {i * 7919}")];
        int[][] expected = [.. texts.Select(text => Tokenizer.Encode(text))];
        int[][] actual = new int[texts.Length][];
        Parallel.For(0, texts.Length, i => actual[i] = tokenizer.Encode(texts[i]));
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void Long_words_come_out_as_short_ones_do()
    {
        Check(Tokenizer);
        string clip = Path.Combine(Golden.Shared, "clip_tokenizer");
        if (Directory.Exists(clip))
        {
            Check(ClipTokenizer.Load(clip));
        }

        static void Check(ClipTokenizer tokenizer) =>
            Gen.OneOf(
                    Gen.String[Gen.Char["aetnoshri"], 1, 300],
                    Gen.String[Gen.Char["!?-_"], 1, 300],
                    Gen.String[Gen.Char["яжé日\u0301"], 1, 80])
                .Sample(word =>
                {
                    List<int> direct = [],
                        heap = [];
                    tokenizer.AddWord(word, asLong: false, direct);
                    tokenizer.AddWord(word, asLong: true, heap);
                    Assert.Equal(direct, heap);
                });
    }

    [Theory]
    [InlineData("a")]
    [InlineData("日")]
    [InlineData("7 ")]
    [InlineData("&amp;")]
    public void A_megabyte_is_read_to_its_end(string piece)
    {
        string text = new StringBuilder().Insert(0, piece, (1 << 20) / piece.Length).ToString();
        foreach (TextNormalization normalization in Enum.GetValues<TextNormalization>())
        {
            TokenizedText tokens = Tokenizer.Tokenize(text, 77, normalization);
            Assert.Equal(75, tokens.Count);
            Assert.True(tokens.Dropped > 1000);
        }
    }

    [Fact]
    public void A_single_file_says_the_same()
    {
        Copy("tokenizer.json", "tokenizer_config.json");
        ClipTokenizer single = ClipTokenizer.Load(_folder);
        foreach (string text in (string[])["", "a fox and a purple umbrella", "café <|endoftext|> 4k!", "日本"])
        {
            Assert.Equal(Tokenizer.Encode(text), single.Encode(text));
        }
    }

    [Fact]
    public void A_newer_single_file_writes_pairs()
    {
        Copy("tokenizer.json");
        string file = Path.Combine(_folder, "tokenizer.json");
        System.Text.Json.Nodes.JsonNode json = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(file))!;
        json["model"]!["merges"] = new System.Text.Json.Nodes.JsonArray([
            .. json["model"]!["merges"]!
                .AsArray()
                .Select(m =>
                    m is System.Text.Json.Nodes.JsonArray pair
                        ? pair.DeepClone()
                        : new System.Text.Json.Nodes.JsonArray([
                            .. m!.GetValue<string>().Split(' ').Select(t => (System.Text.Json.Nodes.JsonNode)t),
                        ])),
        ]);
        File.WriteAllText(file, json.ToJsonString());
        Assert.Equal(Tokenizer.Encode("a purple umbrella"), ClipTokenizer.Load(_folder).Encode("a purple umbrella"));
    }

    [Fact]
    public void Without_settings_they_are_CLIPs()
    {
        Copy("vocab.json", "merges.txt");
        ClipTokenizer bare = ClipTokenizer.Load(_folder);
        Assert.Equal((1208, 1209, 1209, 77), (bare.StartId, bare.EndId, bare.PadId, bare.MaxLength));
    }

    [Fact]
    public void A_pad_token_is_a_token_in_the_text()
    {
        // Stable Diffusion 2 and the second encoder of XL pad with id 0, the exclamation mark; there each ! is that token.
        Copy("vocab.json", "merges.txt");
        File.WriteAllText(Path.Combine(_folder, "special_tokens_map.json"), """{"pad_token": {"content": "!", "normalized": false}}""");
        File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"), """{"model_max_length": 1000000000000000019884624838656, "pad_token": "<|endoftext|>"}""");
        ClipTokenizer tokenizer = ClipTokenizer.Load(_folder);
        Assert.Equal((0, 77), (tokenizer.PadId, tokenizer.MaxLength));
        Assert.Equal([1208, 320, 0, 0, 1209, 0], tokenizer.Tokenize("a!!", 6).Ids.ToArray());
        Assert.Equal(Tokenizer.EncodeWords("a!!", TextNormalization.Scoring), tokenizer.EncodeWords("a!!", TextNormalization.Scoring));
    }

    [Fact]
    public void A_normalized_token_is_found_in_any_case()
    {
        Copy("vocab.json", "merges.txt");
        File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"),
            """{"model_max_length": 20, "added_tokens_decoder": {"1208": {"content": "<|startoftext|>", "normalized": true}}}""");
        ClipTokenizer tokenizer = ClipTokenizer.Load(_folder);
        Assert.Equal(20, tokenizer.MaxLength);
        Assert.Equal([1208], tokenizer.EncodeWords("<|StartOfText|>"));
        Assert.NotEqual([1209], tokenizer.EncodeWords("<|EndOfText|>"));
    }

    [Theory]
    [InlineData("vocab.json", "", "empty")]
    [InlineData("vocab.json", "{", "JSON")]
    [InlineData("vocab.json", "[1]", "object")]
    [InlineData("vocab.json", "{}", "empty")]
    [InlineData("vocab.json", "{\"a\": \"b\"}", "whole number")]
    [InlineData("vocab.json", "{\"a\": 1}", "<|startoftext|>")]
    [InlineData("vocab.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS")]
    [InlineData("merges.txt", "<html><body>404</body></html>", "merge")]
    [InlineData("merges.txt", "#version: 0.2\nq qqqq\n", "vocabulary")]
    [InlineData("special_tokens_map.json", "{\"bos_token\": 7}", "bos_token")]
    [InlineData("tokenizer_config.json", "[]", "object")]
    public void A_damaged_file_is_named(string file, string content, string word)
    {
        Copy("vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json");
        File.WriteAllText(Path.Combine(_folder, file), content);
        ModelFolderException error = Assert.Throws<ModelFolderException>(() => ClipTokenizer.Load(_folder));
        Assert.Equal(Path.Combine(_folder, file), error.Path);
        Assert.Contains(word, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("{\"model\": {\"vocab\": {\"a\": 1}}}")]
    [InlineData("{\"model\": {\"vocab\": {\"a\": 1}, \"merges\": [], \"end_of_word_suffix\": null}}")]
    [InlineData("{\"model\": {\"vocab\": {\"a\": 1}, \"merges\": [3], \"end_of_word_suffix\": \"</w>\"}}")]
    [InlineData("{\"model\": {\"vocab\": 3, \"merges\": 3, \"end_of_word_suffix\": \"</w>\"}}")]
    [InlineData("{\"model\": {\"vocab\": {\"a\": 1}, \"merges\": [[\"a\", 3]], \"end_of_word_suffix\": \"</w>\"}}")]
    [InlineData("{\"model\": {\"vocab\": {\"a\": 1}, \"merges\": 3, \"end_of_word_suffix\": \"</w>\"}}")]
    [InlineData("{\"model\": {\"vocab\": {\"a\": 1}, \"merges\": [], \"end_of_word_suffix\": 3}}")]
    [InlineData(
        "{\"model\": {\"vocab\": {\"a\": 1}, \"merges\": [], \"end_of_word_suffix\": \"</w>\"}, \"added_tokens\": [{\"id\": \"x\", \"content\": \"b\"}]}"
    )]
    [InlineData("[]")]
    public void A_damaged_single_file_is_named(string content)
    {
        string file = Path.Combine(_folder, "tokenizer.json");
        File.WriteAllText(file, content);
        Assert.Equal(file, Assert.Throws<ModelFolderException>(() => ClipTokenizer.Load(_folder)).Path);
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        Assert.Equal(_folder, Assert.Throws<ModelFolderException>(() => ClipTokenizer.Load(_folder)).Path);
        Copy("vocab.json");
        Assert.Equal(Path.Combine(_folder, "merges.txt"), Assert.Throws<ModelFolderException>(() => ClipTokenizer.Load(_folder)).Path);
        string none = Path.Combine(_folder, "none");
        Assert.Equal(none, Assert.Throws<ModelFolderException>(() => ClipTokenizer.Load(none)).Path);
    }

    [Fact]
    public void Any_text_has_ids() => Gen.Select(Gen.Char.Array[0, 40], Gen.Enum<TextNormalization>()).Sample((characters, normalization) =>
    {
        int[] ids = Tokenizer.Encode(new string(characters), normalization);
        Assert.All(ids, id => Assert.InRange(id, 0, 1209));
    }, iter: 3000);

    private void Copy(params string[] files)
    {
        foreach (string file in files)
        {
            File.Copy(Path.Combine(Embedded, file), Path.Combine(_folder, file), overwrite: true);
        }
    }
}

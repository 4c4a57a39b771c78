using System.Text;
using CsCheck;
using DiffusionClip.Tokenization.SentencePiece;
using Microsoft.ML.Tokenizers;

namespace DiffusionClip.Tokenization;

public sealed class SiglipTokenizerTests
{
    private static readonly string Folder = Golden.PathOf("tiny-models", "siglip-tiny-random");

    [Fact]
    public void Long_texts_keep_the_end_and_count_what_is_lost()
    {
        SiglipTokenizer tokenizer = SiglipTokenizer.Load(Folder);
        TokenizedText whole = tokenizer.Tokenize("two cats", 64),
            cut = tokenizer.Tokenize(string.Concat(Enumerable.Repeat("two cats ", 30)), 64);
        Assert.Equal((4, 0, 64), (whole.Count, whole.Dropped, whole.Ids.Length));
        Assert.Equal((63, (30 * 4) - 63), (cut.Count, cut.Dropped));
        Assert.Equal(tokenizer.EndId, cut.Ids.Span[63]);
        Assert.Equal(whole.Ids.Span[..4], cut.Ids.Span[..4]);
    }

    [Theory]
    [InlineData("Two CATS!", "two cats")]
    [InlineData("two\t\n cats  ", "two cats")]
    [InlineData("two, (cats)...", "two cats")]
    [InlineData("t-w_o c'a\"ts", "two cats")]
    [InlineData("two\u2581cats", "two cats")]

    // Transformers puts its own mark before the text, so that a space before it becomes a token.
    [InlineData("\u2581two cats", " two cats")]
    [InlineData("   two cats", " two cats")]
    public void Case_punctuation_and_space_do_not_count(string text, string same)
    {
        SiglipTokenizer tokenizer = SiglipTokenizer.Load(Folder);
        Assert.Equal(tokenizer.Tokenize(same, 64).Ids.ToArray(), tokenizer.Tokenize(text, 64).Ids.ToArray());
    }

    [Fact]
    public void Special_tokens_stand_for_themselves()
    {
        SiglipTokenizer tokenizer = SiglipTokenizer.Load(Folder);
        TokenizedText tokens = tokenizer.Tokenize("two cats</s>a cat", 64);
        Assert.Equal([28, 38, 27, 192, tokenizer.EndId], tokens.Ids[..5].ToArray());
        Assert.NotEqual(tokenizer.EndId, tokens.Ids.Span[5]);
        Assert.Equal(tokenizer.EndId, tokens.Ids.Span[tokens.Count]);
    }

    [Fact]
    public void A_damaged_model_is_named()
    {
        using ModelCopy copy = new(Folder);
        byte[] whole = File.ReadAllBytes(copy.PathOf("spiece.model"));
        for (int length = 0; length < whole.Length; length += 37)
        {
            File.WriteAllBytes(copy.PathOf("spiece.model"), whole[..length]);
            try
            {
                SiglipTokenizer.Load(copy.Path).Tokenize("two cats", 64);
            }
            catch (ModelFolderException exception)
            {
                Assert.Contains("spiece.model", exception.Message, StringComparison.Ordinal);
            }
        }

        File.WriteAllText(copy.PathOf("spiece.model"), "version https://git-lfs.github.com/spec/v1");
        Assert.Contains(
            "Git LFS pointer",
            Assert.Throws<ModelFolderException>(() => SiglipTokenizer.Load(copy.Path)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Pieces_are_those_of_another_implementation()
    {
        // The other wants the unknown, start and end to come first.
        List<Piece> own = SentencePieceModel.Read(Path.Combine(Folder, "spiece.model")).Pieces;
        (string, float, int)[] pieces =
        [
            ("<unk>", 0, 2),
            ("<s>", 0, 3),
            ("</s>", 0, 3),
            .. own.Where(piece => piece.Kind == PieceKind.Normal).Select(piece => (piece.Text, piece.Score, 1)),
        ];
        byte[] file = Bytes(pieces, [], [0x18, 1, 0xC0, 0x02, 0, 0xC8, 0x02, 1, 0xD0, 0x02, 2]);
        using MemoryStream stream = new(file);
        SentencePieceTokenizer other = SentencePieceTokenizer.Create(stream, addBeginningOfSentence: false, addEndOfSentence: false);
        var ours = new UnigramTokenizer(Read(file));

        // The other gives each unknown character a token of its own; google/sentencepiece gives a run of them one.
        static IEnumerable<int> Merge(IReadOnlyList<int> ids) => ids.Where((id, i) => id != 0 || i == 0 || ids[i - 1] != 0);
        Gen.String[Gen.Char["abcdefghijklmnoprstuwxyz   éz"], 0, 60]
            .Sample(text => Assert.Equal(Merge(other.EncodeToIds(text)), ours.Encode(text)), iter: 2000);
    }

    [Fact]
    public void Replacements_unknown_runs_bytes_and_whole_pieces()
    {
        // A double array with the one key A: root, node 256^A, leaf beside it; its value points at the text "a".
        uint[] units = new uint[322];
        units[0] = 256u << 10;
        units[256 ^ 'A'] = (1u << 10) | 0x100 | 'A';
        units[(256 ^ 'A') ^ 1] = 0x80000000;
        byte[] trie = System.Runtime.InteropServices.MemoryMarshal.AsBytes<uint>(units).ToArray();
        byte[] map = [.. BitConverter.GetBytes(trie.Length), .. trie, (byte)'a', 0];

        (string, float, int)[] pieces =
        [
            ("<unk>", 0, 2),
            ("\u2581", -1, 1),
            ("a", -2, 1),
            ("\u2581a", -1.5f, 1),
            ("[x]", 0, 4),
            ("q", -1, 5),
        ];
        UnigramTokenizer plain = new(Read(Bytes(pieces, map, [0x18, 1])));
        Assert.Equal([3, 2], plain.Encode("aA"));
        Assert.Equal([3, 0, 2], plain.Encode("a日本a"));
        Assert.Equal([3, 4, 2], plain.Encode("a[x]a"));
        Assert.Equal([1, 0], plain.Encode("q"));
        Assert.Equal([3, 3], plain.Encode("  a   a "));
        Assert.Empty(plain.Encode("   "));

        (string, float, int)[] bytes = [.. pieces, ("<0xE6>", 0, 6), ("<0x97>", 0, 6), ("<0xA5>", 0, 6)];
        Assert.Equal([3, 6, 7, 8], new UnigramTokenizer(Read(Bytes(bytes, map, [0x18, 1, 0x98, 0x02, 1]))).Encode("a日"));
    }

    // A spiece.model of pieces, a map of replacements and trainer settings that are written already.
    private static byte[] Bytes((string Text, float Score, int Kind)[] pieces, byte[] map, byte[] trainer)
    {
        var file = new List<byte>();
        foreach ((string text, float score, int kind) in pieces)
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(text);
            Message(file, 1, [0x0A, (byte)utf8.Length, .. utf8, 0x15, .. BitConverter.GetBytes(score), 0x18, (byte)kind]);
        }

        Message(file, 2, trainer);
        Message(file, 3, [0x0A, 8, .. "identity"u8, 0x12, .. Varint(map.Length), .. map]);
        return [.. file];
    }

    private static SentencePieceModel Read(byte[] file)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, file);
            return SentencePieceModel.Read(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static void Message(List<byte> file, int field, byte[] content)
    {
        file.Add((byte)((field << 3) | 2));
        file.AddRange(Varint(content.Length));
        file.AddRange(content);
    }

    private static byte[] Varint(int value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7)
        {
            bytes.Add((byte)(value | 0x80));
        }

        bytes.Add((byte)value);
        return [.. bytes];
    }

    [Fact]
    public void A_special_token_of_another_type_is_named()
    {
        using ModelCopy copy = new(Folder);
        copy.Set("tokenizer_config.json", "eos_token", System.Text.Json.Nodes.JsonNode.Parse("""{"content": 3}"""));
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() => SiglipTokenizer.Load(copy.Path));
        Assert.Equal(copy.PathOf("tokenizer_config.json"), exception.Path);
        Assert.Contains("eos_token", exception.Message, StringComparison.Ordinal);
    }
}

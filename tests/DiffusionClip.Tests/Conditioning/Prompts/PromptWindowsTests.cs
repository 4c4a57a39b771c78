using CsCheck;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Conditioning.Prompts;

public sealed class PromptWindowsTests
{
    private const int Limit = 77;

    private static readonly string[] Pieces =
    [
        "cat ",
        "a red apple, ",
        "é",
        "don't ",
        "12 ",
        ",",
        ", ",
        "\U0001F600",
        "antidisestablishmentarianism ",
    ];

    internal static ClipTokenizer Tokenizer { get; } =
        ClipTokenizer.Load(Path.Combine(Golden.Repository, "models", "emoji-sd", "tokenizer"));

    [Fact]
    public void Windows_hold_every_token_in_order() =>
        Gen.Int[0, Pieces.Length - 1].Select(i => Pieces[i]).Array[0, 120].Select(string.Concat).Sample(
            text =>
            {
                PromptWindows windows = PromptWindows.Of(Tokenizer, Limit, [new(text, 1)]);
                Assert.Equal(Tokenizer.EncodeWords(text), windows.Windows.SelectMany(Words));
                Assert.Equal(0, windows.Dropped);
                foreach (PromptWindow window in windows.Windows)
                {
                    Assert.Equal(Limit, window.Ids.Length);
                    Assert.Equal(Tokenizer.StartId, window.Ids.Span[0]);
                    Assert.Equal(Tokenizer.EndId, window.Ids.Span[window.Count + 1]);
                    Assert.False(window.Ids.Span[(window.Count + 2)..].ContainsAnyExcept(Tokenizer.PadId));
                    Assert.False(window.IsWeighted);
                }
            },
            iter: 300);

    [Fact]
    public void A_short_prompt_is_what_the_tokenizer_makes_of_it() => Gen.String[0, 20].Sample(
        text =>
        {
            TokenizedText expected = Tokenizer.Tokenize(text, Limit);
            PromptWindows windows = PromptWindows.Of(Tokenizer, Limit, [new(text, 1)]);
            if (expected.Dropped == 0)
            {
                Assert.Equal(expected.Ids.ToArray(), Assert.Single(windows.Windows).Ids.ToArray());
                Assert.Equal(expected.Count, windows.Count);
            }
        },
        iter: 300);

    [Theory]
    [InlineData(55, 56)]
    [InlineData(54, 75)]
    public void A_window_ends_at_a_comma_among_its_last_20_tokens(int before, int count)
    {
        // The comma is token number before + 1 of 75.
        string text = string.Concat(Enumerable.Repeat("a ", before)) + ", " + string.Concat(Enumerable.Repeat("a ", 40));
        PromptWindows windows = PromptWindows.Of(Tokenizer, Limit, [new(text, 1)]);
        Assert.Equal(2, windows.Windows.Count);
        Assert.Equal(count, windows.Windows[0].Count);
        Assert.Equal(before + 41, windows.Count);
    }

    [Fact]
    public void Weights_go_with_their_tokens()
    {
        PromptWindow window = Assert.Single(PromptWindows.Of(Tokenizer, Limit, PromptEmphasis.Parse("a (a:1.5) [a]")).Windows);
        Assert.Equal([1, 1, 1.5, 1 / 1.1, 1], window.Weights[..5].ToArray());
        Assert.False(window.Weights.Span[5..].ContainsAnyExcept(1));
        Assert.True(window.IsWeighted);
    }

    [Fact]
    public void Padding_adds_empty_windows()
    {
        PromptWindows windows = PromptWindows.Of(Tokenizer, Limit, [new("a cat", 1)]).PaddedTo(3);
        Assert.Equal(3, windows.Windows.Count);
        Assert.Equal(Tokenizer.Tokenize("", Limit).Ids.ToArray(), windows.Windows[2].Ids.ToArray());
        Assert.Same(windows, windows.PaddedTo(2));
    }

    [Theory]
    [InlineData("a ")]
    [InlineData("a, ")]
    [InlineData("\U0001F600")]
    [InlineData(",")]
    [InlineData("x")]
    public void The_longest_prompts_have_64_windows_and_say_what_is_dropped(string piece)
    {
        string text = string.Concat(Enumerable.Repeat(piece, 65_536 / piece.Length));
        PromptWindows windows = PromptWindows.Of(Tokenizer, Limit, [new(text, 1)]);
        Assert.True(windows.Windows.Count <= PromptWindows.Most);
        int[] all = Tokenizer.EncodeWords(text);
        Assert.Equal(all.Length, windows.Count + windows.Dropped);
        Assert.Equal(all[..windows.Count], windows.Windows.SelectMany(Words));
        Assert.True(windows.Dropped == 0 || windows.Windows.Count == PromptWindows.Most);
    }

    [Fact]
    public void Breaks_stay_within_the_bound()
    {
        string text = string.Concat(Enumerable.Repeat("a BREAK ", 8_000));
        PromptWindows windows = PromptWindows.Of(Tokenizer, Limit, PromptEmphasis.Parse(text));
        Assert.Equal(PromptWindows.Most, windows.Windows.Count);
        Assert.Equal(8_000, windows.Count + windows.Dropped);
    }

    private static IEnumerable<int> Words(PromptWindow window) => window.Ids.ToArray().Skip(1).Take(window.Count);
}

using CsCheck;

namespace DiffusionClip.Conditioning.Prompts;

public sealed class PromptScheduleTests
{
    private static readonly string[] Pieces =
    [
        "[",
        "]",
        "(",
        ")",
        ":",
        "|",
        "\\",
        "a",
        "cat ",
        " ",
        "\n",
        "0.5",
        "3",
        ":2]",
        "[x:y:.5]",
        "[a|b]",
        "1e9",
        "-1",
        "1e999",
        "BREAK",
        "é",
        "\U0001F600",
    ];

    private static readonly Gen<string> Syntax = Gen.Int[0, Pieces.Length - 1].Select(i => Pieces[i]).Array[0, 24].Select(string.Concat);

    [Theory]
    [InlineData("[a:b:0.5]", 10, "5 a,10 b")]
    [InlineData("[a:b:1.0]", 10, "10 a")]
    [InlineData("[a:b:1]", 10, "1 a,10 b")]
    [InlineData("[a:b:0]", 10, "10 b")]
    [InlineData("[a:b:-3]", 10, "10 b")]
    [InlineData("[a:b:99]", 10, "10 a")]
    [InlineData("[a:b:1e999]", 10, "10 a")]
    [InlineData("[a::4]b", 10, "4 ab,10 b")]
    [InlineData("[fe|]male", 4, "1 female,2 male,3 female,4 male")]
    [InlineData("[a|b|c]", 4, "1 a,2 b,3 c,4 a")]
    [InlineData("[a|[b:c:3]]", 4, "1 a,2 b,3 a,4 c")]
    [InlineData("[a:b]", 10, "10 [a:b]")]
    [InlineData("[a:b:c:3]", 10, "10 [a:b:c:3]")]
    [InlineData("a|b [c:3]", 10, "10 a|b [c:3]")]
    [InlineData(@"\[a:b:3]", 10, @"10 \[a:b:3]")]
    [InlineData(@"[a\:b:3]", 10, @"3 ,10 a\:b")]
    [InlineData("[[a:b:3]", 10, "3 [a,10 [b")]
    [InlineData("[a:(b:3]", 10, "10 [a:(b:3]")]
    [InlineData("", 3, "3 ")]
    public void Prompts_over_steps(string prompt, int steps, string expected) =>
        Assert.Equal(expected, string.Join(',', PromptSchedule.Parse(prompt, steps).Select(entry => $"{entry.Until} {entry.Text}")));

    [Fact]
    public void A_schedule_covers_all_steps() => Gen.Select(Syntax, Gen.Int[1, 30]).Sample((prompt, steps) =>
    {
        int[] untils = [.. PromptSchedule.Parse(prompt, steps).Select(entry => entry.Until)];
        Assert.Equal(steps, untils[^1]);
        Assert.Equal(untils.Distinct().Order(), untils);
        Assert.True(untils[0] >= 1);
    });

    [Fact]
    public void No_syntax_is_too_bad() => Syntax.Sample(prompt =>
    {
        foreach (ScheduledPrompt entry in PromptSchedule.Parse(prompt, 7))
        {
            Assert.NotEmpty(PromptEmphasis.Parse(entry.Text));
        }

        PromptEmphasis.InvalidWeights(prompt);
        PromptTags.Remove(prompt, out _);
        PlainText.Of(prompt);
    });

    [Fact]
    public void What_is_no_edit_stays_to_the_letter() => Gen.String[Gen.Char["ab ,.()\\x"], 0, 40].Sample(prompt =>
        Assert.Equal([new(9, prompt)], PromptSchedule.Parse(prompt, 9)));

    [Theory]
    [InlineData("(")]
    [InlineData("[")]
    [InlineData("(a")]
    [InlineData("[a:b:3]")]
    [InlineData("[a:")]
    [InlineData("([)]")]
    [InlineData("<a:b>")]
    [InlineData("[a")]
    [InlineData("BREAK ")]
    [InlineData("(a:1.2)")]
    [InlineData(")")]
    public void Long_prompts_end(string piece)
    {
        string prompt = string.Concat(Enumerable.Repeat(piece, 65_536 / piece.Length));
        IReadOnlyList<ScheduledPrompt> schedule = PromptSchedule.Parse(prompt, 20);
        Assert.Equal(20, schedule[^1].Until);
        Assert.NotEmpty(PromptEmphasis.Parse(schedule[^1].Text));
        PlainText.Of(prompt);
        PromptTags.Remove(prompt, out _);
    }

    [Fact]
    public void Deep_edits_end()
    {
        Assert.NotEmpty(PromptEmphasis.Parse(string.Concat(Enumerable.Repeat("(a", 20_000)) + new string(')', 20_000)));
        Assert.NotEmpty(PromptEmphasis.Parse(string.Concat(Enumerable.Repeat("[a", 20_000)) + new string(']', 20_000)));

        string deep = string.Concat(Enumerable.Repeat("[", 9_000)) + "x" + string.Concat(Enumerable.Repeat(":3]", 9_000));
        Assert.Equal([new(3, ""), new(10, "x")], PromptSchedule.Parse(deep, 10));
    }
}

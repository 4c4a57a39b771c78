namespace DiffusionClip.Conditioning.Prompts;

public sealed class PromptEmphasisTests
{
    [Theory]
    [InlineData("(a:1.2.3)", "1.2.3")]
    [InlineData("(a: . )", ".")]
    [InlineData("(a:+)", null)]
    [InlineData("a:1.2.3)", null)]
    [InlineData("(a:-.5) (b:2.)", null)]
    [InlineData("[a:1.2.3)", null)]
    public void Weights_that_are_no_numbers_are_named(string prompt, string? weight) =>
        Assert.Equal(weight is null ? [] : [weight], PromptEmphasis.InvalidWeights(prompt));

    [Fact]
    public void A_weight_that_is_no_number_is_read_as_words() =>
        Assert.Equal([new("a:1.2.3", 1.1)], PromptEmphasis.Parse("(a:1.2.3)"));

    [Fact]
    public void A_weight_may_be_no_number_at_all()
    {
        // Infinity times 0: whatever comes of it, it ends.
        Assert.Equal(["a", "b"], PromptEmphasis.Parse($"((a:{new string('9', 400)})b:0)").Select(run => run.Text));
    }

    [Fact]
    public void Digits_of_any_script_weigh() => Assert.Equal([new("a", 1.5)], PromptEmphasis.Parse("(a:\u0661.\u0665)"));

    [Fact]
    public void Half_a_character_ends_the_word_before_BREAK() =>
        Assert.Equal([false, true, false], PromptEmphasis.Parse("a\uDC00BREAK").Select(run => run.IsBreak));

    [Fact]
    public void Break_is_a_word_inside_of_weights()
    {
        Assert.Equal([false, true, false], PromptEmphasis.Parse("a BREAK b").Select(run => run.IsBreak));
        Assert.DoesNotContain(PromptEmphasis.Parse("(a BREAK b:1.2)"), run => run.IsBreak);
        Assert.Equal("a b", PlainText.Of("(a BREAK b:1.2)"));
    }

    [Theory]
    [InlineData("\U0001D400BREAK", false)]
    [InlineData("\u00B2BREAK", false)]
    [InlineData("\U0001F600BREAK", true)]
    [InlineData("BREAK_", false)]
    [InlineData("BREAK\u0301", true)]
    public void Break_stands_at_word_boundaries(string prompt, bool expected) =>
        Assert.Equal(expected, PromptEmphasis.Parse(prompt).Any(run => run.IsBreak));
}

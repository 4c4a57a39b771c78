namespace DiffusionClip.Conditioning.Prompts;

public sealed class PlainTextTests
{
    [Theory]
    [InlineData("a red apple, on  a table", "a red apple, on  a table")]
    [InlineData("a (red:1.3) apple", "a red apple")]
    [InlineData("((masterpiece)), [blurry] cat", "masterpiece, blurry cat")]
    [InlineData(@"a cat \(animal\)", "a cat (animal)")]
    [InlineData("a cat <lora:detail:0.8> on a mat", "a cat on a mat")]
    [InlineData("a [dog:cat:0.5] on a mat", "a cat on a mat")]
    [InlineData("a [cat:3]", "a cat")]
    [InlineData("a [cat|dog] on a mat", "a cat on a mat")]
    [InlineData("a [[red:blue:2] cat|dog]", "a blue cat")]
    [InlineData("a cat BREAK a dog", "a cat a dog")]
    [InlineData("a BREAKFAST", "a BREAKFAST")]
    [InlineData("[a:b]", "a:b")]
    [InlineData("(open", "open")]
    [InlineData("", "")]
    public void Words_stay(string prompt, string words) => Assert.Equal(words, PlainText.Of(prompt));

    [Fact]
    public void Deep_nesting_ends()
    {
        string deep = new string('[', 30_000) + "x" + new string(']', 30_000);
        Assert.Equal("x", PlainText.Of(deep));
        Assert.Equal("x", PlainText.Of(new string('[', 60_000) + "x"));
    }
}

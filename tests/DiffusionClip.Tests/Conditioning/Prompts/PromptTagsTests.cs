namespace DiffusionClip.Conditioning.Prompts;

public sealed class PromptTagsTests
{
    [Theory]
    [InlineData("a cat <lora:detail:0.8> on a mat", "a cat  on a mat", "<lora:detail:0.8>")]
    [InlineData("<hypernet:x:1><lora:y:1><lora:y:1>", "", "<hypernet:x:1>|<lora:y:1>")]
    [InlineData("a cat, embedding:EasyNegative, b", "a cat, , b", "embedding:EasyNegative")]
    [InlineData("(embedding:bad-hands-5:1.2)", "(:1.2)", "embedding:bad-hands-5")]
    [InlineData("my_embedding:x", "my_embedding:x", "")]
    [InlineData("a < b: c > d", "a < b: c > d", "")]
    [InlineData("<b> (a:1.2)", "<b> (a:1.2)", "")]
    [InlineData("a cat", "a cat", "")]
    public void Tags_are_taken_out_and_named(string prompt, string rest, string tags)
    {
        Assert.Equal(rest, PromptTags.Remove(prompt, out IReadOnlyList<string> found));
        Assert.Equal(tags, string.Join('|', found));
    }

    [Fact]
    public void Tags_are_not_scored()
    {
        Assert.Equal("a cat", PlainText.Of("a cat <lora:detail:0.8>"));
        Assert.Equal("a cat,", PlainText.Of("a cat, embedding:EasyNegative"));
    }
}

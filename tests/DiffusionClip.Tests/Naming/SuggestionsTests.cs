namespace DiffusionClip.Naming;

public sealed class SuggestionsTests
{
    private static readonly string[] Known = ["generate", "rank", "score", "verify"];

    [Theory]
    [InlineData("generat", "generate")]
    [InlineData("GENERATE", "generate")]
    [InlineData("rnak", "rank")]
    [InlineData("socre", "score")]
    [InlineData("", "rank")]
    public void The_word_of_the_fewest_edits_is_nearest(string word, string nearest) =>
        Assert.Equal(nearest, Suggestions.Nearest(word, Known));

    [Theory]
    [InlineData("verfy", "verify")]
    [InlineData("ran", "rank")]
    [InlineData("completely else", null)]
    [InlineData("x", null)]
    public void What_is_far_is_not_suggested(string word, string? likely) => Assert.Equal(likely, Suggestions.Likely(word, Known));

    [Fact]
    public void Where_nothing_is_known_nothing_is_near()
    {
        Assert.Null(Suggestions.Nearest("rank", []));
        Assert.Null(Suggestions.Likely("rank", []));
    }

    [Fact]
    public void Of_two_equally_near_the_first_is_taken() => Assert.Equal("cat", Suggestions.Nearest("bat", ["cat", "rat"]));

    [Fact]
    public void A_word_of_a_megabyte_takes_no_time_and_is_not_near()
    {
        string word = "generate" + new string('e', 1 << 20);
        Assert.Equal("generate", Suggestions.Nearest(word, Known));
        Assert.Null(Suggestions.Likely(word, Known));
    }
}

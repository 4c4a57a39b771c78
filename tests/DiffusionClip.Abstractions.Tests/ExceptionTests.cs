namespace DiffusionClip;

public sealed class ExceptionTests
{
    [Theory]
    [InlineData(null, "nothing")]
    [InlineData("", "''")]
    [InlineData("two cats", "'two cats'")]
    [InlineData("a 🐱 and a 🐶", "'a 🐱 and a 🐶'")]
    [InlineData("👩‍🚀", "'👩‍🚀'")]
    [InlineData("one\ntwo\0", "'one\uFFFDtwo\uFFFD'")]
    public void A_value_is_quoted_on_one_line(string? value, string quoted) => Assert.Equal(quoted, InvalidRequestException.Quote(value));

    [Fact]
    public void Half_a_pair_becomes_one_replacement_character()
    {
        Assert.Equal("'a\uFFFDb'", InvalidRequestException.Quote("a" + '\uD83D' + "b"));
        Assert.Equal("'\uFFFD'", InvalidRequestException.Quote('\uDC31'.ToString()));
    }

    [Theory]
    [InlineData(56)]
    [InlineData(58)]
    [InlineData(59)]
    [InlineData(60)]
    public void A_long_value_is_never_cut_inside_a_character(int before)
    {
        string value = new string('a', before) + "🐱" + new string('b', 10);
        string quoted = InvalidRequestException.Quote(value);
        Assert.DoesNotContain('\uFFFD', quoted);
        string kept = value[..(before <= 58 ? 60 : before)];
        Assert.Equal($"'{kept}…' ({value.Length} characters)", quoted);
    }

    [Fact]
    public void A_value_of_the_longest_length_is_shown_whole()
    {
        Assert.Equal($"'{new string('a', 60)}'", InvalidRequestException.Quote(new string('a', 60)));
        Assert.Equal($"'{new string('a', 58)}🐱'", InvalidRequestException.Quote(new string('a', 58) + "🐱"));
    }
}

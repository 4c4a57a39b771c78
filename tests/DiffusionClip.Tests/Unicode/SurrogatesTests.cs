using CsCheck;

namespace DiffusionClip.Unicode;

public sealed class SurrogatesTests
{
    [Theory]
    [InlineData("", -1)]
    [InlineData("a fox", -1)]
    [InlineData("\U0001F98A\U0001F98A", -1)]
    [InlineData("\uD83E", 0)]
    [InlineData("\uDD8A", 0)]
    [InlineData("a\uDD8A\uD83E", 1)]
    [InlineData("\U0001F98A\uD83E", 2)]
    [InlineData("\uD83E\uD83E\uDD8A", 0)]
    [InlineData("\uD83E\uDD8A\uDD8A", 2)]
    public void The_first_half_that_stands_alone_is_found(string text, int expected) => Assert.Equal(expected, Surrogates.IndexOfLone(text));

    [Fact]
    public void Replaced_they_are_what_runes_make_of_them() =>
        Gen.OneOfConst('a', '\uD83E', '\uDD8A', '\uFFFD', '\uE000').Array[0, 12].Sample(characters =>
        {
            string text = new(characters);
            Assert.Equal(string.Concat(text.EnumerateRunes()), Surrogates.ReplaceLone(text));
        });
}

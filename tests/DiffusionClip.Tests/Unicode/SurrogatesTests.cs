using CsCheck;

namespace DiffusionClip.Unicode;

public sealed class SurrogatesTests
{
    [Fact]
    public void The_first_half_that_stands_alone_is_found()
    {
        // Not a theory: attributes cannot hold such halves.
        (string Text, int Expected)[] cases =
        [
            ("", -1), ("a fox", -1), ("\U0001F98A\U0001F98A", -1), ("\uD83E", 0), ("\uDD8A", 0), ("a\uDD8A\uD83E", 1),
            ("\U0001F98A\uD83E", 2), ("\uD83E\uD83E\uDD8A", 0), ("\uD83E\uDD8A\uDD8A", 2),
        ];
        Assert.All(cases, given => Assert.Equal(given.Expected, Surrogates.IndexOfLone(given.Text)));
    }

    [Fact]
    public void Replaced_they_are_what_runes_make_of_them() =>
        Gen.OneOf('a', '\uD83E', '\uDD8A', '\uFFFD', '\uE000').Array[0, 12].Sample(characters =>
        {
            string text = new(characters);
            Assert.Equal(string.Concat(text.EnumerateRunes()), Surrogates.ReplaceLone(text));
        });
}

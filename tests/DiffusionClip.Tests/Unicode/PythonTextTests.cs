using System.Text;

namespace DiffusionClip.Unicode;

public sealed class PythonTextTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData(" \u001C\t", "")]
    [InlineData("\u3000a  b\u0085", "a b")]
    [InlineData("a\u001Fb\u200Bc", "a b\u200Bc")]
    public void Words_are_joined_by_single_spaces(string text, string expected) => Assert.Equal(expected, PythonText.Collapse(text));

    [Theory]
    [InlineData('_', true)]
    [InlineData('7', true)]
    [InlineData('\u00B2', true)] // superscript two
    [InlineData('\u2167', true)] // Roman numeral
    [InlineData('\u65E5', true)]
    [InlineData('\u0301', false)] // a mark
    [InlineData('\u203F', false)] // a connector
    [InlineData('-', false)]
    public void Word_characters_are_those_of_Python(char character, bool expected)
    {
        Assert.Equal(expected, PythonText.IsWord(new Rune(character)));
        Assert.Equal(expected, PythonText.IsWord($"{character}", 0, out int length));
        Assert.Equal(1, length);
    }

    [Fact]
    public void Half_a_pair_is_no_word_character()
    {
        Assert.False(PythonText.IsWord("\uD835a", 0, out int length));
        Assert.Equal(1, length);
        Assert.True(PythonText.IsWord("\U0001D400", 0, out length));
        Assert.Equal(2, length);
    }
}

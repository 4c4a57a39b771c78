using System.Text;
using CsCheck;
using DiffusionClip.Tokenization.Repair;

namespace DiffusionClip.Tokenization;

/// <summary>Expectations are what ftfy 6.3.1 gives.</summary>
public sealed class TextRepairTests
{
    private static readonly string[] Texts = ["été à Besançon", "“quoted” – naïve…", "日本語の猫", "кошка и собака", "🎨 👍🏽"];

    [Theory]
    [InlineData("plain text, 100 %", "plain text, 100 %")]
    [InlineData("Ã©tÃ©", "été")]
    [InlineData("â€œa catâ€\u009d", "\"a cat\"")]
    [InlineData("â€œa catâ€�", "\"a cat�")]
    [InlineData("Ã\u0083Â©", "é")]
    [InlineData("voilÃ le chat", "voilà le chat")]
    [InlineData("Ã s vezes", "às vezes")]
    [InlineData("РїСЂРёРІРµС‚", "привет")]
    [InlineData("日本 and Ã© together", "日本 and é together")]
    [InlineData("Ø´ Å", "Ø´ Å")]
    [InlineData("\u0093quoted\u0094", "\"quoted\"")]
    [InlineData("what\u0085now", "what…now")]
    public void Mojibake(string broken, string expected) => Assert.Equal(expected, TextRepair.Fix(broken));

    [Theory]
    [InlineData("“a” ‘b’ don’t", "\"a\" 'b' don't")]
    [InlineData("ﬁne ﬂuﬀ ǅ œuvre", "fine fluff Dž œuvre")]
    [InlineData("ＡＢＣ　１", "ABC 1")]
    [InlineData("ﾊﾟﾝ", "パン")]
    [InlineData("a\r\nb\rc\u2028d", "a\nb\nc\nd")]
    [InlineData("\u001B[31;1mred\u001B[0m", "red")]
    [InlineData("\u001B[31 red", "[31 red")]
    [InlineData("\uFEFFa\0b\u0007\u206Ac", "abc")]
    [InlineData("cafe\u0301", "café")]
    [InlineData("a\uFFFEe\u0301", "a\uFFFEé")]
    public void Characters(string broken, string expected) => Assert.Equal(expected, TextRepair.Fix(broken));

    [Fact]
    public void Halves_of_pairs() => Assert.Equal("�x 😀�", TextRepair.Fix("\uD800x \uD83D\uDE00\uDE00"));

    [Theory]
    [InlineData("&amp;amp; &eacute; &EACUTE; &#233; &#xe9;", "& é É é é")]
    [InlineData("&SZLIG; &notanentity; &eacute", "SS &notanentity; &eacute")]
    [InlineData("&#59; &#12ab; &#; &;", "&#59; &#12ab; &#; &;")]
    [InlineData("&eacute;\n&lt; <b>\n&eacute;", "é\n&lt; <b>\n&eacute;")]
    public void Entities(string broken, string expected) => Assert.Equal(expected, TextRepair.Fix(broken));

    [Fact]
    public void Misread_text_comes_back() =>
        Gen.Select(Gen.Int[0, Texts.Length - 1], Gen.Int[1, 3]).Sample((index, times) =>
        {
            string text = Texts[index], misread = text;
            for (int i = 0; i < times; i++)
            {
                misread = string.Concat(Encoding.UTF8.GetBytes(misread).Select(b => SingleByteEncoding.Windows1252.Decode(b)));
            }

            Assert.Equal(TextRepair.Fix(text), TextRepair.Fix(misread));
        });

    [Fact]
    public void What_is_repaired_stays() =>
        Gen
            .Char.Array[0, 30]
            .Sample(
                characters =>
                {
                    string once = TextRepair.Fix(new string(characters));
                    Assert.True(
                        once.Contains('<', StringComparison.Ordinal)
                            || once.Contains('\n', StringComparison.Ordinal)
                            || TextRepair.Fix(once) == once);
                },
                iter: 3000);

    [Theory]
    [InlineData("&", "amp;", "")]
    [InlineData("Ã", "ƒ", "")]
    [InlineData("&#", "&#", "53;3;2;")]
    public void A_text_that_unfolds_step_by_step_ends(string head, string body, string tail)
    {
        string text = head + new StringBuilder().Insert(0, body, (1 << 17) / body.Length) + tail;
        Assert.NotEmpty(TextRepair.Fix(text));
    }

    [Fact]
    public void A_text_that_unfolds_step_by_step_unfolds_to_its_end() =>
        Assert.Equal("& é", TextRepair.Fix("&" + new StringBuilder().Insert(0, "amp;", 500) + " Ãƒ©"));
}

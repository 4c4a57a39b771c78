namespace DiffusionClip.Tokenization;

/// <summary>Expectations are what Python's html.unescape gives.</summary>
public sealed class HtmlEntitiesTests
{
    [Theory]
    [InlineData("no reference", "no reference")]
    [InlineData("&lt;b&gt; &amp;amp;", "<b> &amp;")]
    [InlineData("&notit; &notin; &NotEqualTilde;", "¬it; ∉ ≂̸")]
    [InlineData("&eacute &eacutexyz", "é éxyz")]
    [InlineData("&nosuch; & &; &# &#x; &#xg", "&nosuch; & &; &# &#x; &#xg")]
    [InlineData("&#65;&#66&#x43;&#X44", "ABCD")]
    [InlineData("&#128;&#x81;&#0;&#xD800;&#x110000;&#99999999999999999999;", "€\u0081����")]
    [InlineData("a&#1;b&#xFFFE;c&#x7f;d&#xB;e", "abcde")]
    [InlineData("&#13;&#10;", "\r\n")]
    [InlineData("&ampamp;&&amp", "&amp;&&")]
    [InlineData("&CounterClockwiseContourIntegral;", "∳")]
    [InlineData("&😀amp;", "&😀amp;")]
    public void Unescapes_as_Python_does(string text, string expected) => Assert.Equal(expected, HtmlEntities.Unescape(text));
}

namespace DiffusionClip.Tokenization;

public sealed class LowercaseTests
{
    [Theory]
    [InlineData("ΟΔΥΣΣΕΥΣ ΣΑΣ", "οδυσσευς σας")]
    [InlineData("Σ", "σ")]
    [InlineData("ΑΣ. ΑΣ.Α Α'Σ 1Σ", "ας. ασ.α α'ς 1σ")]
    [InlineData("Α\u0301Σ\u0301", "α\u0301ς\u0301")]
    [InlineData("İI ẞ ǅ K Å \U00010400", "i\u0307i ß ǆ k å \U00010428")]
    public void In_context_as_Python(string text, string expected) => Assert.Equal(expected, Lowercase.InContext(text));

    [Fact]
    public void Per_character_sigma_is_never_final() => Assert.Equal("ας ασ i\u0307", Lowercase.PerCharacter("ας ΑΣ İ"));
}

using System.Text.Json;

namespace DiffusionClip.Requests;

public sealed class SeedJsonTests
{
    [Theory]
    [InlineData(0UL, "0")]
    [InlineData(9007199254740992UL, "9007199254740992")]
    [InlineData(9007199254740993UL, "\"9007199254740993\"")]
    [InlineData(ulong.MaxValue, "\"18446744073709551615\"")]
    public void A_seed_survives_JSON(ulong seed, string json)
    {
        ImageRequest request = ImageRequest.For("a cat") with { Sampling = new() { Seed = seed } };
        string text = JsonSerializer.Serialize(request, DiffusionClipJson.Compact);
        Assert.Contains($"\"seed\":{json}", text, StringComparison.Ordinal);
        Assert.Equal(request, JsonSerializer.Deserialize<ImageRequest>(text, DiffusionClipJson.Compact));
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("18446744073709551616")]
    [InlineData("1.5")]
    [InlineData("\" 1\"")]
    public void What_is_no_seed_is_refused(string json) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<SamplingRequest>($$"""{"seed":{{json}}}""", DiffusionClipJson.Compact));
}

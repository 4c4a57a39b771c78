using System.Globalization;
using System.Text.Json;

namespace DiffusionClip.Imaging.Png;

public sealed class GoldenPngTextTests
{
    [Fact]
    public void Golden_text_chunks()
    {
        List<string> failures = [];
        int count = 0;
        foreach (JsonElement @case in Golden.Read("golden", "infotext.json").GetProperty("png").EnumerateArray())
        {
            count++;
            byte[] file = @case.GetProperty("base64").GetBytesFromBase64();
            string expected = Describe(@case.GetProperty("expected"));
            foreach (
                PngTextContent content in (PngTextContent[])
                    [PngTextReader.Read(file), PngTextReader.Read(new MemoryStream(file)), PngTextReader.Read(new TrickleStream(file))])
            {
                string actual = Describe(content, withGuess: @case.GetProperty("expected").TryGetProperty("text_if_utf8", out _));
                if (actual != expected)
                {
                    failures.Add($"{@case.GetProperty("name")}: expected {expected}, got {actual}");
                }
            }
        }

        string line = string.Create(
            CultureInfo.InvariantCulture,
            $"png texts {count - failures.Select(failure => failure.Split(':')[0]).Distinct().Count()}/{count}");
        TestContext.Current.TestOutputHelper?.WriteLine(line);
        TestContext.Current.SendDiagnosticMessage(line);
        Assert.Empty(failures);
        Assert.NotEqual(0, count);
    }

    private static string Describe(JsonElement expected) =>
        JsonSerializer.Serialize(
            new object?[]
            {
                expected.GetProperty("readable").GetBoolean(),
                expected
                    .GetProperty("texts")
                    .EnumerateArray()
                    .Select(text => new[] { text.GetProperty("keyword").GetString(), text.GetProperty("text").GetString() })
                    .ToArray(),
                expected.GetProperty("problems").EnumerateArray().Select(problem => problem.GetString()).ToArray(),
                expected.TryGetProperty("text_if_utf8", out JsonElement guess) ? guess.GetString() : null,
            });

    private static string Describe(PngTextContent content, bool withGuess) => JsonSerializer.Serialize(new object?[]
    {
        content.Readable,
        content.Texts.Select(text => new[] { text.Keyword, text.Text }).ToArray(),
        content.Problems.Select(problem => JsonSerializer.SerializeToElement(problem.Kind).GetString()).ToArray(),
        withGuess ? content.Texts[0].TextIfUtf8 : null,
    });
}

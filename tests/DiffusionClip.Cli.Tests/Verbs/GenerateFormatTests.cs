using System.Text.Json;
using DiffusionClip.Imaging;

namespace DiffusionClip.Cli.Verbs;

public sealed class GenerateFormatTests : IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Theory]
    [InlineData("jpeg", "jpg", null)]
    [InlineData("webp", "webp", null)]
    [InlineData("webp", "webp", "100")]
    public async Task A_picture_of_any_format_says_what_a_PNG_says_and_is_repeated_from(string format, string extension, string? quality)
    {
        string[] flags = quality is null ? ["--format", format] : ["--format", format, "--quality", quality];
        string[] run = ["generate", GeneratedRunFixture.Prompt, "--seed", "7", "-n", "1", "--steps", "2"];
        (await Cli.RunAsync([.. run, "--output", _work["png"]])).AssertSuccess();
        (await Cli.RunAsync([.. run, .. flags, "--output", _work["other"]])).AssertSuccess();
        string png = Picture("png", "png"), other = Picture("other", extension);
        Assert.Equal(format, ImageHeader.FormatOf(File.ReadAllBytes(other)).ToString(), ignoreCase: true);

        JsonElement left = await InspectAsync(png), right = await InspectAsync(other);
        Assert.Equal(left.GetProperty("metadata").GetRawText(), right.GetProperty("metadata").GetRawText());
        Assert.Equal(left.GetProperty("foreign").GetRawText(), right.GetProperty("foreign").GetRawText());
        Assert.Equal(
            left.GetProperty("record").GetProperty("request").GetProperty("sampling").GetRawText(),
            right.GetProperty("record").GetProperty("request").GetProperty("sampling").GetRawText());

        CliResult scored = (await Cli.RunAsync("score", other, "--prompt-from-metadata")).AssertSuccess();
        Assert.Equal(GeneratedRunFixture.Prompt, JsonDocument.Parse(scored.Out).RootElement.GetProperty("text").GetString());

        CliResult repeated = (await Cli.RunAsync("generate", "--from", other, "--output", _work["again"])).AssertSuccess();
        Assert.Contains("the picture is repeated bit for bit", repeated.ErrorLines);
        Assert.Equal(File.ReadAllBytes(other), File.ReadAllBytes(Picture("again", extension)));
        if (quality == "100")
        {
            Assert.Equal(Pictures.Decode(png).Pixels.ToArray(), Pictures.Decode(other).Pixels.ToArray());
        }

        // A quality that was another format's is not carried over.
        (await Cli.RunAsync("generate", "--from", other, "--format", "png", "--output", _work["back"])).AssertSuccess();
        Assert.Equal(Pictures.Decode(png).Pixels.ToArray(), Pictures.Decode(Picture("back", "png")).Pixels.ToArray());
    }

    [Fact]
    public async Task What_a_JPEG_has_no_room_for_is_warned_of_and_the_picture_written()
    {
        string prompt = string.Concat(Enumerable.Repeat("a fox, ", 9_000));
        CliResult result = (await Cli.RunAsync(
            "generate", prompt, "--prompt-syntax", "plain", "--scorer", "none", "-n", "1", "--steps", "1", "--cfg-scale", "1",
            "--format", "jpeg", "--output", _work["output"], "--json")).AssertSuccess();
        const string Warning = "pictures were written without metadata";
        Assert.Contains(result.Complaints, line => line.Contains(Warning, StringComparison.Ordinal));
        string folder = _work.OnlyFolder("output");
        byte[] json = File.ReadAllBytes(Path.Combine(folder, "report.json"));
        RunReport report = JsonSerializer.Deserialize<RunReport>(json, DiffusionClipJson.Compact)!;
        Assert.Single(report.Warnings, warning => warning.Contains(Warning, StringComparison.Ordinal));
        Assert.Equal(128, Pictures.Decode(Path.Combine(folder, report.Candidates[0].File!)).Width);
    }

    [Theory]
    [InlineData("--format", "tiff", "known are png")]
    [InlineData("--quality", "90", "png is lossless")]
    [InlineData("--quality", "high", "a whole number")]
    public async Task What_cannot_be_used_is_refused(string flag, string value, string remedy) =>
        (await Cli.RunAsync("generate", "a fox", flag, value, "--output", _work["output"]))
            .AssertRefused(ExitCodes.Usage, flag, value, remedy);

    [Fact]
    public async Task A_line_of_prompts_has_a_format_of_its_own()
    {
        File.WriteAllText(_work["prompts.jsonl"], """
            {"prompt": "a fox", "format": "webp", "quality": 50}
            {"prompt": "a cat"}
            """);
        string[] flags = ["--seed", "1", "-n", "1", "--steps", "1", "--output", _work["output"]];
        (await Cli.RunAsync(["generate", "--prompts", _work["prompts.jsonl"], .. flags])).AssertSuccess();
        Assert.Equal(
            [".webp", ".png"],
            Directory.GetDirectories(_work["output"]).Order(StringComparer.Ordinal)
                .Select(folder => Path.GetExtension(Directory.GetFiles(folder, "01_*").Single())));
    }

    private string Picture(string folder, string extension) =>
        Assert.Single(Directory.GetFiles(_work.OnlyFolder(folder), $"01_*.{extension}"));

    private static async Task<JsonElement> InspectAsync(string file) =>
        JsonDocument.Parse((await Cli.RunAsync("inspect", file, "--json")).AssertSuccess().Out).RootElement;
}

using System.Text.Json;
using DiffusionClip.Reporting.Metadata;

namespace DiffusionClip.Cli.Verbs;

public sealed class GenerateOriginTests : IDisposable
{
    private static readonly string Init = Golden.PathOf("tiny-models", "expected", "init.png");
    private static readonly string Mask = Golden.PathOf("tiny-models", "expected", "mask.png");
    private static readonly string Model = Golden.PathOf("tiny-models", "sd1-tiny-random");

    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task A_picture_is_painted_over_and_ranked()
    {
        RunReport report = await Report(
            "two cats",
            "--init-image",
            Init,
            "--strength",
            "0.5",
            "-n",
            "3",
            "--keep",
            "2",
            "--scorer",
            "emoji-clip");
        Assert.Equal(OriginRequest.NameOf(File.ReadAllBytes(Init)), report.Request.Origin!.Image);
        Assert.Equal((0.5, null), (report.Request.Origin.Strength, report.Request.Origin.Mask));
        Assert.Equal((64, 64), (report.Request.Sampling.Width, report.Request.Sampling.Height));
        Assert.Equal(3, report.Candidates.Count);
        Assert.All(report.Candidates, candidate => Assert.NotNull(candidate.Score));
        Assert.All(report.Candidates, candidate => Assert.Equal(4, candidate.Evaluations)); // PNDM takes its second step twice
        string file = report.Candidates[0].File!;
        Assert.Contains(
            "Denoising strength: 0.5",
            PictureMetadataReader.Read(File.ReadAllBytes(file)).Texts.Single(text => text.Keyword == "parameters").Text,
            StringComparison.Ordinal);

        // Repeated with its picture, refused without.
        CliResult again = (await Generate("--from", file, "--model", Model, "--init-image", Init)).AssertSuccess();
        Assert.DoesNotContain("differs", again.Error, StringComparison.Ordinal);
        string repeated = Assert.Single(Directory.GetFiles(Directory.GetDirectories(_work["output"]).Order().Last(), "01_*.png"));
        Assert.Equal(Pictures.Decode(file).Pixels.ToArray(), Pictures.Decode(repeated).Pixels.ToArray());
        CliResult refused = await Generate("--from", file, "--model", Model);
        Assert.Equal(ExitCodes.Usage, refused.ExitCode);
        Assert.Contains("--init-image", refused.Error, StringComparison.Ordinal);
        Assert.Contains(OriginRequest.NameOf(File.ReadAllBytes(Init)), refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mask_says_where()
    {
        RunReport report = await Report("two cats", "--init-img", Init, "--mask", Mask, "-n", "2", "--scorer", "none");
        Assert.Equal(OriginRequest.NameOf(File.ReadAllBytes(Mask)), report.Request.Origin!.Mask);
        Assert.Equal(1, report.Request.Origin.Strength);
    }

    [Fact]
    public async Task A_file_of_prompts_paints_over_one_picture()
    {
        File.WriteAllText(_work["prompts.txt"], "two cats\n{\"prompt\": \"a dog\", \"strength\": 0.25, \"clip_skip\": 1}\n");
        CliResult result = (
            await Generate("--prompts", _work["prompts.txt"], "--init-image", Init, "-n", "1", "--scorer", "none", "--json")
        ).AssertSuccess();
        ImageRequest[] requests =
        [
            .. result
                .Out.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line =>
                    JsonDocument.Parse(line).RootElement.GetProperty("report").Deserialize<RunReport>(DiffusionClipJson.Compact)!.Request),
        ];
        Assert.Equal([0.8, 0.25], requests.Select(request => request.Origin!.Strength!.Value));
        Assert.Equal([null, 1], requests.Select(request => request.Sampling.ClipSkip));
    }

    [Theory]
    [InlineData("--strength", "0")]
    [InlineData("--strength", "1.5")]
    [InlineData("--strength", "NaN")]
    [InlineData("--strength", "half")]
    [InlineData("--strength", "0.1", "none of 6 steps")]
    [InlineData("--mask", "no-such.png", "no such file")]
    [InlineData("--clip-skip", "7", "3 layers")]
    [InlineData("--prompt-2", "two dogs", "one text encoder")]
    public async Task What_cannot_be_used_is_refused(string flag, string value, string words = "")
    {
        (await Generate("two cats", "--init-image", Init, flag, value)).AssertRefused(ExitCodes.Usage, flag, words);
        Assert.False(Directory.Exists(_work["output"]));
    }

    [Fact]
    public async Task Pictures_that_are_none_are_refused()
    {
        File.WriteAllText(_work["text.png"], "no picture");
        (await Generate("two cats", "--init-image", _work["text.png"])).AssertRefused(ExitCodes.Usage, "--init-image", "text.png");
        (await Generate("two cats", "--init-image", Init, "--mask", _work.Path)).AssertRefused(ExitCodes.Usage, "--mask", "folder");
        (await Generate("two cats", "--strength", "0.5")).AssertRefused(ExitCodes.Usage, "init_image");
        (await Generate("two cats", "--mask", Mask)).AssertRefused(ExitCodes.Usage, "init_image");
        (
            await Cli.RunAsync(
                "generate",
                "two cats",
                "--model",
                Golden.PathOf("tiny-models", "sd1-inpaint-tiny-random"),
                "--init-image",
                Init,
                "--output",
                _work["output"])
        ).AssertRefused(ExitCodes.Usage, "mask", "inpainting");
    }

    private async Task<RunReport> Report(params string[] args) =>
        JsonSerializer.Deserialize<RunReport>((await Generate([.. args, "--json"])).AssertSuccess().Out, DiffusionClipJson.Compact)!;

    private Task<CliResult> Generate(params string[] args) =>
        Cli.RunAsync([
            "generate",
            .. args,
            .. args.Contains("--model") ? [] : new[] { "--model", Model },
            .. args.Contains("--from") ? [] : new[] { "--steps", "6", "--seed", "7" },
            "--output",
            _work["output"],
        ]);
}

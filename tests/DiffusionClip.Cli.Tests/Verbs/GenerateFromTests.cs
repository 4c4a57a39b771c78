using System.Text.Json;
using DiffusionClip.Imaging.Png;
using DiffusionClip.Reporting.Metadata;

namespace DiffusionClip.Cli.Verbs;

public sealed class GenerateFromTests(GeneratedRunFixture run) : IClassFixture<GeneratedRunFixture>, IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task A_picture_is_repeated_bit_for_bit()
    {
        string file = run.Files[1];
        CliResult result = (await Cli.RunAsync("generate", "--from", file, "--output", _work["output"])).AssertSuccess();
        Assert.Contains("the picture is repeated bit for bit", result.ErrorLines);
        Assert.Empty(result.Complaints);
        string repeated = Assert.Single(Directory.GetFiles(_work.OnlyFolder("output"), "01_*.png"));
        Assert.Equal(Pictures.Decode(file).Pixels.ToArray(), Pictures.Decode(repeated).Pixels.ToArray());
        PictureRecord before = PictureMetadataReader.Read(File.ReadAllBytes(file)).Record!,
            after = PictureMetadataReader.Read(File.ReadAllBytes(repeated)).Record!;
        Assert.Equal(before.Candidate.Seed, after.Candidate.Seed);
        Assert.Equal(before.Candidate.Score, after.Candidate.Score);
        Assert.Equal(before.Plan, after.Plan);

        // And the repetition's repetition.
        CliResult again = (await Cli.RunAsync("generate", "--from", repeated, "--output", _work["again"])).AssertSuccess();
        Assert.Contains("the picture is repeated bit for bit", again.ErrorLines);
    }

    [Fact]
    public async Task Other_flags_change_it()
    {
        CliResult result = (
            await Cli.RunAsync("generate", "--from", run.Files[0], "--steps", "2", "-n", "2", "--output", _work["output"], "--json")
        ).AssertSuccess();
        ImageRequest request = JsonSerializer.Deserialize<RunReport>(result.Out, DiffusionClipJson.Compact)!.Request;
        Assert.Equal(GeneratedRunFixture.Prompt, request.Prompt.Text);
        Assert.Equal(run.Report.Candidates[0].Seed, request.Sampling.Seed);
        Assert.Equal((2, 2), (request.Sampling.NumInferenceSteps, request.Search.Candidates));
        Assert.DoesNotContain("bit for bit", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_model_of_the_same_name_is_told()
    {
        // The picture as if it had been painted with other weights.
        byte[] file = File.ReadAllBytes(run.Files[0]);
        PictureRecord record = PictureMetadataReader.Read(file).Record!;
        ModelReport generator = record.Models[0];
        var files = new Dictionary<string, string>(generator.Files) { ["unet/model.onnx"] = new string('0', 64) };
        record = record with { Models = [generator with { Sha256 = new string('0', 64), Files = files }, .. record.Models.Skip(1)] };
        File.WriteAllBytes(
            _work["other.png"],
            PngTextWriter.SetTexts(file, [new(PictureRecordJson.Keyword, PictureRecordJson.Write(record))]));
        CliResult result = (await Cli.RunAsync("generate", "--from", _work["other.png"], "--output", _work["output"])).AssertSuccess();
        Assert.Contains("unet/model.onnx differs", Assert.Single(result.Complaints), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_another_program_wrote_is_taken_over_as_far_as_it_goes()
    {
        byte[] plain = new Skia.SkiaImageCodec().EncodePng(Pictures.Decode(run.Files[0]));
        const string Text =
            "two cats\nNegative prompt: a dog\nSteps: 3, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 1.5, Seed: 12345678901234567890, Size: 64x128, Model: v1-5, Clip skip: 2, RNG: CPU, Hires upscale: 2, Version: v1.10.1";
        File.WriteAllBytes(_work["a1111.png"], PngTextWriter.SetTexts(plain, [new("parameters", Text)]));
        CliResult result = (
            await Cli.RunAsync("generate", "--from", _work["a1111.png"], "--output", _work["output"], "--json")
        ).AssertSuccess();
        ImageRequest request = JsonSerializer.Deserialize<RunReport>(result.Out, DiffusionClipJson.Compact)!.Request;
        Assert.Equal(
            new PromptRequest
            {
                Text = "two cats",
                Negative = "a dog",
                Syntax = PromptSyntax.A1111,
            },
            request.Prompt);
        Assert.Equal(
            (3, 1.5f, 12345678901234567890UL, NoiseKind.Cpu, 64, 128),
            (
                request.Sampling.NumInferenceSteps,
                request.Sampling.GuidanceScale,
                request.Sampling.Seed,
                request.Sampling.Noise,
                request.Sampling.Width,
                request.Sampling.Height));
        Assert.Contains("DPM++ 2M Karras", request.Sampling.Scheduler, StringComparison.Ordinal);
        Assert.Equal(1, request.Sampling.ClipSkip);
        string complaint = Assert.Single(result.Complaints);
        foreach (string lost in new[] { "a1111", "model v1-5", "Hires upscale" })
        {
            Assert.Contains(lost, complaint, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_picture_that_says_nothing_cannot_be_repeated()
    {
        File.WriteAllBytes(_work["plain.png"], new Skia.SkiaImageCodec().EncodePng(Pictures.Decode(run.Files[0])));
        (await Cli.RunAsync("generate", "--from", _work["plain.png"], "--output", _work["output"])).AssertRefused(
            ExitCodes.Usage,
            "--from",
            "plain.png",
            "does not say how it was made");
    }
}

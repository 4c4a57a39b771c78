using System.Text.Json;

namespace DiffusionClip.Cli.Verbs;

public sealed class InspectTests(GeneratedRunFixture run) : IClassFixture<GeneratedRunFixture>, IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task Our_pictures_say_everything()
    {
        CliResult text = (await Cli.RunAsync("inspect", run.Files[0])).AssertSuccess();
        Assert.Contains(GeneratedRunFixture.Prompt, text.Out, StringComparison.Ordinal);
        Assert.Contains("diffusionclip (DiffusionClip ", text.Out, StringComparison.Ordinal);
        Assert.Contains("emoji-clip", text.Out, StringComparison.Ordinal);
        Assert.Equal("", text.Error);

        CliResult json = (await Cli.RunAsync("inspect", run.Files[0], "--json")).AssertSuccess();
        using JsonDocument document = JsonDocument.Parse(json.Out);
        Assert.Equal("diffusionclip", document.RootElement.GetProperty("metadata").GetProperty("format").GetString());
        Assert.Equal(
            GeneratedRunFixture.Prompt,
            document.RootElement.GetProperty("record").GetProperty("request").GetProperty("prompt").GetProperty("text").GetString());
    }

    [Fact]
    public async Task A_picture_may_say_nothing()
    {
        File.WriteAllBytes(_work["photo.jpg"], Pictures.Jpeg(run.Files[0]));
        CliResult text = (await Cli.RunAsync("inspect", _work["photo.jpg"])).AssertSuccess();
        Assert.Contains("jpeg, 128x128", text.Out, StringComparison.Ordinal);
        Assert.Contains("unknown program", text.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_text_file_is_no_picture()
    {
        File.WriteAllText(_work["notes.txt"], "Steps: 20, Seed: 5, Size: 512x512");
        (await Cli.RunAsync("inspect", _work["notes.txt"])).AssertRefused(ExitCodes.Failure, "notes.txt", "no picture", "give a PNG");
    }
}

using System.Text.Json;

namespace DiffusionClip.Cli.Verbs;

public sealed class ModelsTests : IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Theory]
    [InlineData("models")]
    [InlineData("models", "list")]
    public async Task Lists_the_embedded_models(params string[] args)
    {
        CliResult text = (await Cli.RunAsync(args)).AssertSuccess();
        Assert.Contains("emoji-sd", text.Out, StringComparison.Ordinal);
        CliResult json = (await Cli.RunAsync([.. args, "--json"])).AssertSuccess();
        using JsonDocument document = JsonDocument.Parse(json.Out);
        Assert.Equal(
            ["emoji-clip", "emoji-sd"],
            document.RootElement.EnumerateArray().Select(model => model.GetProperty("id").GetString()));
    }

    [Fact]
    public async Task Shows_a_model()
    {
        CliResult text = (await Cli.RunAsync("models", "show", "emoji-sd")).AssertSuccess();
        Assert.Contains("unet/model.onnx", text.Out, StringComparison.Ordinal);
        CliResult json = (await Cli.RunAsync("models", "show", "emoji-sd", "--json")).AssertSuccess();
        using JsonDocument document = JsonDocument.Parse(json.Out);
        Assert.Equal(20, document.RootElement.GetProperty("num_inference_steps").GetInt32());
        Assert.Equal("emoji-clip", document.RootElement.GetProperty("scorer").GetString());
        (await Cli.RunAsync("models", "show", "nobody")).AssertRefused(ExitCodes.Failure, "nobody", "no such model", "emoji-sd");
    }

    [Fact]
    public async Task Verifies_sound_models()
    {
        CliResult all = (await Cli.RunAsync("models", "verify", "--json")).AssertSuccess();
        using JsonDocument document = JsonDocument.Parse(all.Out);
        Assert.All(
            document.RootElement.EnumerateArray().SelectMany(model => model.GetProperty("files").EnumerateArray()),
            file => Assert.Equal("ok", file.GetProperty("state").GetString()));
    }

    [Fact]
    public async Task Finds_a_tampered_and_a_missing_file()
    {
        string folder = CopyOfClip(_work);
        (await Cli.RunAsync("models", "verify", folder)).AssertSuccess();
        Tamper(folder);
        CliResult tampered = await Cli.RunAsync("models", "verify", folder);
        Assert.Equal(ExitCodes.Failure, tampered.ExitCode);
        string complaint = Assert.Single(tampered.Complaints);
        Assert.Contains("vision_model.onnx", complaint, StringComparison.Ordinal);
        Assert.Contains("SHA-256", complaint, StringComparison.Ordinal);

        // Neither paints or scores anything with it.
        (await Cli.RunAsync("rank", "a cat", Pictures.Expected("00_0.png"), "--scorer", folder, "--no-cache")).AssertRefused(
            ExitCodes.Failure,
            "vision_model.onnx",
            "SHA-256");
        File.Delete(Path.Combine(folder, "special_tokens_map.json"));
        CliResult missing = await Cli.RunAsync("models", "verify", folder);
        Assert.Equal(ExitCodes.Failure, missing.ExitCode);
        Assert.Contains(missing.Complaints, line => line.Contains("special_tokens_map.json: missing", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Lists_samplers()
    {
        CliResult text = (await Cli.RunAsync("samplers")).AssertSuccess();
        Assert.Contains("DPM++ 2M", text.Out, StringComparison.Ordinal);
        using JsonDocument document = JsonDocument.Parse((await Cli.RunAsync("samplers", "--json")).AssertSuccess().Out);
        Assert.Contains(document.RootElement.EnumerateArray(), sampler => sampler.GetProperty("class_name").GetString() == "DDIMScheduler");
    }

    /// <summary>A copy of the embedded CLIP with one bit of a weight turned.</summary>
    internal static string TamperedClip(Workspace work)
    {
        string folder = CopyOfClip(work);
        Tamper(folder);
        return folder;
    }

    private static string CopyOfClip(Workspace work)
    {
        string original = Path.Combine(Golden.Repository, "models", "emoji-clip"), folder = work["emoji-clip"];
        foreach (string file in Directory.GetFiles(original, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(folder, Path.GetRelativePath(original, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        return folder;
    }

    private static void Tamper(string folder)
    {
        string graph = Path.Combine(folder, "onnx", "vision_model.onnx");
        byte[] bytes = File.ReadAllBytes(graph);
        bytes[^100] ^= 1;
        File.WriteAllBytes(graph, bytes);
        File.SetLastWriteTimeUtc(graph, DateTime.UtcNow.AddMinutes(1));
    }
}

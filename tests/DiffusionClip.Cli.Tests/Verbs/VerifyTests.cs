using System.Text.Json;

namespace DiffusionClip.Cli.Verbs;

public sealed class VerifyTests
{
    [Theory]
    [InlineData("clip-tiny-random", "clip", "can be used for scoring and ranking (cosines)")]
    [InlineData("clip-tiny-random-textual-visual", "clip", "can be used for scoring and ranking (cosines)")]
    [InlineData("siglip-tiny-random", "siglip", "can be used for scoring and ranking (probabilities)")]
    [InlineData("sd1-tiny-random", "stable-diffusion", "can be used for painting at 64x64")]
    public async Task A_folder_is_described_tried_and_judged(string model, string family, string verdict)
    {
        using var folder = new Scratch();
        string file = folder.PathOf("report.json");
        CliResult result = (await Cli.RunAsync("verify", Golden.PathOf("tiny-models", model), "--report", file)).AssertSuccess();
        Assert.Contains(
            $"{model} {verdict}",
            result.Out.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)[^1],
            StringComparison.Ordinal);
        Assert.Contains("pytorch", result.Out, StringComparison.Ordinal);

        string text = await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken);
        Assert.DoesNotContain(Golden.Repository, text, StringComparison.Ordinal);
        Assert.DoesNotContain(Environment.UserName + "/", text, StringComparison.Ordinal);
        JsonElement report = JsonDocument.Parse(text).RootElement;
        Assert.Equal(family, report.GetProperty("family").GetString());
        Assert.True(report.GetProperty("is_usable").GetBoolean());
        Assert.Equal(verdict, report.GetProperty("verdict").GetString());
        Assert.All(
            report.GetProperty("trials").EnumerateArray(),
            trial =>
            {
                Assert.True(trial.GetProperty("is_finite").GetBoolean());
                Assert.True(trial.GetProperty("cpu_evaluations_per_second").GetDouble() > 0);
            });
        Assert.Contains(
            report.GetProperty("checks").EnumerateArray(),
            check => check.GetProperty("name").GetString() == "repetition" && check.GetProperty("state").GetString() == "ok");
    }

    [Fact]
    public async Task What_is_missing_is_said_and_the_report_names_no_folder()
    {
        using var folder = new Scratch();
        Directory.CreateDirectory(folder.PathOf("broken/unet"));
        await File.WriteAllTextAsync(folder.PathOf("broken/model_index.json"), "{}", TestContext.Current.CancellationToken);
        CliResult result = await Cli.RunAsync("verify", folder.PathOf("broken"), "--json");
        Assert.Equal(1, result.ExitCode);
        Assert.DoesNotContain(folder.Path, result.Out, StringComparison.Ordinal);
        JsonElement report = JsonDocument.Parse(result.Out).RootElement;
        Assert.False(report.GetProperty("is_usable").GetBoolean());
        Assert.StartsWith("cannot be used: MODEL/", report.GetProperty("verdict").GetString(), StringComparison.Ordinal);
        string[] missing = [.. report.GetProperty("missing").EnumerateArray().Select(part => part.GetString()!)];
        Assert.Contains("unet/model.onnx", missing);
        Assert.Contains("tokenizer/vocab.json", missing);
        Assert.DoesNotContain("model_index.json", missing);
    }

    [Fact]
    public async Task A_graph_that_is_not_the_folder_s_makes_it_unusable()
    {
        using var folder = new Scratch();
        string source = Golden.PathOf("tiny-models", "clip-tiny-random");
        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            string copy = folder.PathOf(Path.Combine("clip", Path.GetRelativePath(source, file)));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        File.Copy(Path.Combine(source, "onnx", "vision_model.onnx"), folder.PathOf("clip/onnx/text_model.onnx"), overwrite: true);
        CliResult result = await Cli.RunAsync("verify", folder.PathOf("clip"), "--report", folder.PathOf("r.json"));
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("clip cannot be used: scoring: MODEL/onnx/text_model.onnx", result.Out, StringComparison.Ordinal);
        Assert.True(File.Exists(folder.PathOf("r.json")));
    }

    [Fact]
    public async Task Bad_arguments_are_refused()
    {
        string model = Golden.PathOf("tiny-models", "clip-tiny-random");
        (await Cli.RunAsync("verify", "no-such-model")).AssertRefused(1, "no-such-model", "no such model");
        (await Cli.RunAsync("verify", "no-org/no-such-model")).AssertRefused(
            1,
            "Hugging Face cache",
            "huggingface-cli download no-org/no-such-model");
        (await Cli.RunAsync("verify", model, "--provider", "tpu")).AssertRefused(2, "provider", "tpu");
        (await Cli.RunAsync("verify", model, "--report", Path.Combine(model, "config.json"))).AssertRefused(
            2,
            "--report",
            "not overwritten");
    }

    [Fact]
    public async Task Models_verify_tries_the_model_too()
    {
        CliResult result = (await Cli.RunAsync("models", "verify", Golden.PathOf("tiny-models", "siglip-tiny-random"))).AssertSuccess();
        Assert.Contains("spiece.model", result.Out, StringComparison.Ordinal);
        Assert.Contains("siglip-tiny-random can be used for scoring and ranking (probabilities)", result.Out, StringComparison.Ordinal);
    }

    /// <summary>A temporary folder.</summary>
    private sealed class Scratch : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("dclip-verify-").FullName;

        public string PathOf(string name) => System.IO.Path.Combine(Path, name);

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}

using System.Text.Json;
using System.Text.RegularExpressions;

namespace DiffusionClip.Cli.Verbs;

public sealed class GeneratePromptsTests : IDisposable
{
    private static readonly string[] Fast = ["--steps", "1", "-n", "1", "--seed", "3"];

    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task A_folder_per_prompt_and_finished_ones_are_skipped()
    {
        File.WriteAllText(
            _work["prompts.txt"],
            "# animals\n\n  two cats \na dog\n{\"prompt\":\"a red apple\",\"steps\":2,\"seed\":\"18446744073709551615\"}\n{\"prompt\":{\"text\":\"a dog\"},\"sampling\":{\"num_inference_steps\":2}}\n"
        );
        string[] args = ["generate", "--prompts", _work["prompts.txt"], .. Fast, "--output", _work["output"]];
        (await Cli.RunAsync(args)).AssertSuccess();
        string[] folders = Folders();
        Assert.Equal(4, folders.Length);
        Assert.Matches(new Regex("^0001-two-cats-[0-9a-f]{8}$"), folders[0]);
        Assert.Matches(new Regex("^0003-a-red-apple-[0-9a-f]{8}$"), folders[2]);
        RunReport third = Report(folders[2]);
        Assert.Equal(
            (2, ulong.MaxValue, 1),
            (third.Request.Sampling.NumInferenceSteps, third.Request.Sampling.Seed, third.Request.Search.Candidates));
        Assert.Equal((2, 3UL), (Report(folders[3]).Request.Sampling.NumInferenceSteps, Report(folders[3]).Request.Sampling.Seed));

        // One is lost, one line is new: only they are painted.
        Directory.Delete(_work["output", folders[1]], recursive: true);
        File.AppendAllText(_work["prompts.txt"], "a small house\n");
        DateTime[] before =
        [
            .. folders
                .Where(folder => folder != folders[1])
                .Select(folder => File.GetLastWriteTimeUtc(_work["output", folder, "report.json"])),
        ];
        CliResult again = (await Cli.RunAsync(args)).AssertSuccess();
        Assert.Contains("5 prompts: 2 painted, 3 finished before, 0 failed", again.ErrorLines);
        Assert.Equal(5, Folders().Length);
        Assert.Equal(folders, Folders().Take(4));
        Assert.Equal(
            before,
            folders
                .Where(folder => folder != folders[1])
                .Select(folder => File.GetLastWriteTimeUtc(_work["output", folder, "report.json"])));
    }

    [Fact]
    public async Task Lines_choose_syntax_and_long_text()
    {
        File.WriteAllText(
            _work["prompts.txt"],
            "{\"prompt\":\"a (dog:1.2)\",\"syntax\":\"plain\",\"long_text\":\"windows-mean\"}\na (dog:1.2)\n");
        (await Cli.RunAsync(["generate", "--prompts", _work["prompts.txt"], .. Fast, "--output", _work["output"]])).AssertSuccess();
        RunReport plain = Report(Folders()[0]),
            webui = Report(Folders()[1]);
        Assert.Equal(
            (PromptSyntax.Plain, "a (dog:1.2)", "windows-mean"),
            (plain.Request.Prompt.Syntax, plain.Scoring!.Text, plain.Scoring.LongText));
        Assert.Equal(
            (PromptSyntax.A1111, "a dog", "truncate"),
            (webui.Request.Prompt.Syntax, webui.Scoring!.Text, webui.Scoring.LongText));
    }

    [Fact]
    public async Task Json_is_one_line_a_prompt()
    {
        File.WriteAllText(_work["prompts.txt"], "two cats\na dog\n");
        string[] args = ["generate", "--prompts", _work["prompts.txt"], .. Fast, "--output", _work["output"], "--json"];
        (await Cli.RunAsync(args)).AssertSuccess();
        Directory.Delete(_work["output", Folders()[0]], recursive: true);
        JsonElement[] lines =
        [
            .. (await Cli.RunAsync(args))
                .AssertSuccess()
                .Out.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => JsonDocument.Parse(line).RootElement),
        ];
        Assert.Equal(2, lines.Length);
        Assert.Equal(
            "two cats",
            lines[0].GetProperty("report").GetProperty("request").GetProperty("prompt").GetProperty("text").GetString());
        Assert.True(lines[1].GetProperty("skipped").GetBoolean());
    }

    [Theory]
    [InlineData("{\"prompt\":\"a dog\",\"width\":7}", "width", "'7'")]
    [InlineData("{\"prompt\":\"a dog\",\"widht\":64}", "widht", "there is no such field")]
    [InlineData("{\"prompt\":\"a dog\",\"seed\":-1}", "seed", "18446744073709551615")]
    [InlineData("{\"prompt\":\"a dog\",\"sampler\":\"Eulre\"}", "scheduler", "nearest is Euler")]
    [InlineData("{\"prompt\":\"a dog\",\"sampler\":\"LCM\",\"steps\":1000}", "num_inference_steps", "1000")]
    [InlineData("{\"prompt\":\"a dog\",\"steps\":2,\"num_inference_steps\":3}", "num_inference_steps", "twice")]
    [InlineData("{\"prompt\":null}", "prompt", "JSON")]
    [InlineData("{\"prompt\":{\"text\":\"a dog\"},\"sampling\":{\"stepps\":2}}", "stepps", "JSON")]
    [InlineData("{\"seed\":1}", "prompt", "every line needs one")]
    [InlineData("{\"prompt\":\"half a \\ud83d pair\"}", "ud83d", "JSON")]
    [InlineData("{not json", "not json", "JSON")]
    public async Task A_bad_line_is_found_before_the_first_runs(string line, string field, string remedy)
    {
        File.WriteAllText(_work["prompts.txt"], $"two cats\n\n{line}\n");
        (await Cli.RunAsync(["generate", "--prompts", _work["prompts.txt"], .. Fast, "--output", _work["output"]])).AssertRefused(
            ExitCodes.Usage,
            "prompts.txt:3",
            field,
            remedy);
        Assert.False(Path.Exists(_work["output"]));
    }

    [Fact]
    public async Task A_line_whose_model_is_missing()
    {
        File.WriteAllText(_work["prompts.txt"], "two cats\n{\"prompt\":\"a dog\",\"model\":\"nobody\"}\n");
        (await Cli.RunAsync(["generate", "--prompts", _work["prompts.txt"], .. Fast, "--output", _work["output"]])).AssertRefused(
            ExitCodes.Failure,
            "prompts.txt:2",
            "nobody",
            "no such model");
    }

    [Fact]
    public async Task A_file_that_is_missing_or_empty()
    {
        (await Cli.RunAsync("generate", "--prompts", _work["none.txt"])).AssertRefused(ExitCodes.Usage, "--prompts", "none.txt");
        File.WriteAllText(_work["empty.txt"], "# nothing\n");
        (await Cli.RunAsync("generate", "--prompts", _work["empty.txt"])).AssertRefused(
            ExitCodes.Usage,
            "--prompts",
            "empty.txt",
            "holds no prompt");
    }

    [Fact]
    public async Task One_failure_does_not_end_the_others()
    {
        // That a graph is damaged shows when it is loaded.
        string scorer = ModelsTests.TamperedClip(_work);
        File.WriteAllText(_work["prompts.txt"], $"{JsonSerializer.Serialize(new { prompt = "two cats", scorer })}\na dog\n");
        CliResult result = await Cli.RunAsync([
            "generate",
            "--prompts",
            _work["prompts.txt"],
            "--steps",
            "1",
            "-n",
            "1",
            "--seed",
            "3",
            "--output",
            _work["output"],
        ]);
        Assert.Equal(ExitCodes.Failure, result.ExitCode);
        string complaint = Assert.Single(result.Complaints);
        Assert.Contains("prompts.txt:1", complaint, StringComparison.Ordinal);
        Assert.Contains("vision_model.onnx", complaint, StringComparison.Ordinal);
        Assert.StartsWith("0002-a-dog-", Assert.Single(Folders()), StringComparison.Ordinal);
    }

    private string[] Folders() =>
        [.. Directory.GetDirectories(_work["output"]).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    private RunReport Report(string folder) =>
        JsonSerializer.Deserialize<RunReport>(File.ReadAllBytes(_work["output", folder, "report.json"]), DiffusionClipJson.Compact)!;
}

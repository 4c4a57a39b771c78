using System.Text.Json;
using CsvHelper;

namespace DiffusionClip.Cli.Verbs;

public sealed class ScoreTests(GeneratedRunFixture run) : IClassFixture<GeneratedRunFixture>, IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task Every_picture_meets_every_prompt()
    {
        CliResult result = await Cli.RunAsync([
            "score",
            .. run.Files,
            "--prompt",
            "a cat",
            "--prompt",
            GeneratedRunFixture.Prompt,
            "--no-cache",
        ]);
        result.AssertSuccess();
        Assert.Contains("6 rows, on cpu (provider auto fell back to cpu: ", result.Error, StringComparison.Ordinal);
        JsonElement[] rows = Rows(result);
        Assert.Equal(2 * run.Files.Length, rows.Length);
        Assert.Equal(["a cat", GeneratedRunFixture.Prompt], rows.Take(2).Select(row => row.GetProperty("text").GetString()));
        foreach (CandidateReport candidate in run.Report.Candidates)
        {
            JsonElement row = Assert.Single(
                rows,
                row =>
                    row.GetProperty("image").GetString()!.EndsWith(candidate.File!, StringComparison.Ordinal)
                    && row.GetProperty("text").GetString() == GeneratedRunFixture.Prompt);
            Assert.Equal(candidate.Score!.Value, row.GetProperty("score").GetDouble(), 1e-5);
            JsonElement scoring = row.GetProperty("scoring");
            Assert.Equal("emoji-clip", scoring.GetProperty("model").GetString());
            Assert.Equal(64, scoring.GetProperty("sha256").GetString()!.Length);
            Assert.Equal(64, row.GetProperty("content_sha256").GetString()!.Length);
        }
    }

    [Fact]
    public async Task A_bad_file_is_one_error_row()
    {
        File.WriteAllText(_work["b.png"], "no picture");
        File.Copy(run.Files[0], _work["a.png"]);
        File.Copy(run.Files[1], _work["c.png"]);
        CliResult result = await Cli.RunAsync("score", _work.Path, "--prompt", "a cat", "--no-cache");
        Assert.Equal(ExitCodes.Failure, result.ExitCode);
        JsonElement[] rows = Rows(result);
        Assert.Equal(["a.png", "b.png", "c.png"], rows.Select(row => Path.GetFileName(row.GetProperty("image").GetString())));
        Assert.Equal([true, false, true], rows.Select(row => row.TryGetProperty("score", out _)));
        Assert.Contains("not a picture", rows[1].GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(
        "pairs.jsonl",
        "{\"image\":\"a.png\",\"text\":\"a, \\\"cat\\\"\"}\n\n{\"file\":\"b.png\",\"caption\":\"=cmd()\",\"id\":3}\n{\"path\":\"none.png\",\"prompt\":\"a dog\"}\n{\"image\":7}\nno json\n"
    )]
    [InlineData("pairs.csv", "id,Image,Caption\r\n1,a.png,\"a, \"\"cat\"\"\"\r\n2,b.png,=cmd()\r\n3,none.png,a dog\r\n4,,\r\n5\r\n")]
    public async Task Pairs_are_scored_row_by_row(string name, string content)
    {
        File.Copy(run.Files[0], _work["a.png"]);
        File.Copy(run.Files[1], _work["b.png"]);
        File.WriteAllText(_work[name], content);
        CliResult result = await Cli.RunAsync("score", "--pairs", _work[name], "--no-cache");
        Assert.Equal(ExitCodes.Failure, result.ExitCode);
        JsonElement[] rows = Rows(result);
        Assert.Equal(5, rows.Length);
        Assert.Equal(["a, \"cat\"", "=cmd()", "a dog"], rows.Take(3).Select(row => row.GetProperty("text").GetString()));
        Assert.True(rows[0].TryGetProperty("score", out _) && rows[1].TryGetProperty("score", out _));
        Assert.Contains("no such file", rows[2].GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Contains($"{name}:", rows[3].GetProperty("image").GetString(), StringComparison.Ordinal);
        Assert.Contains("names no image", rows[3].GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.True(rows[4].TryGetProperty("error", out _));
    }

    [Fact]
    public async Task Csv_runs_no_formula_and_keeps_the_sign_of_numbers()
    {
        File.Copy(run.Files[0], _work["=a.png"]);
        string output = _work["scores.csv"];
        CliResult result = await Cli.RunAsync(
            "score",
            _work["=a.png"],
            "--prompt",
            "=cmd()|' /C calc'!A0",
            "--prompt",
            "@x, \"y\"",
            "--prompt",
            "a cat\nand a dog",
            "--prompt",
            "-1",
            "--format",
            "csv",
            "--out",
            output,
            "--no-cache");
        result.AssertSuccess();
        Assert.Equal("", result.Out);
        using CsvReader csv = CsvReader.FromFile(output);
        var texts = new List<string>();
        while (csv.Read())
        {
            texts.Add(csv.GetString("text"));
            Assert.InRange(csv["score"].Parse<double>(), -1, 1);
            Assert.DoesNotContain("'", csv.GetString("score"), StringComparison.Ordinal);
            Assert.Equal("emoji-clip", csv.GetString("model"));
        }

        Assert.Equal(["'=cmd()|' /C calc'!A0", "'@x, \"y\"", "a cat\nand a dog", "'-1"], texts);
        (await Cli.RunAsync("score", run.Files[0], "--prompt", "x", "--out", output)).AssertRefused(
            ExitCodes.Usage,
            "--out",
            output,
            "not overwritten");
    }

    [Fact]
    public async Task Each_picture_meets_the_prompt_that_it_carries()
    {
        File.Copy(run.Files[0], _work["ours.png"]);
        File.WriteAllBytes(_work["plain.png"], new Skia.SkiaImageCodec().EncodePng(Pictures.Decode(run.Files[1])));
        CliResult result = await Cli.RunAsync("score", _work.Path, "--prompt-from-metadata", "--no-cache");
        Assert.Equal(ExitCodes.Failure, result.ExitCode);
        JsonElement[] rows = Rows(result);
        Assert.Equal(GeneratedRunFixture.Prompt, rows[0].GetProperty("text").GetString());
        Assert.Equal(run.Report.Candidates[0].Score!.Value, rows[0].GetProperty("score").GetDouble(), 1e-5);
        Assert.Contains("carries no prompt", rows[1].GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Embeddings_are_kept_between_runs()
    {
        string[] args = ["score", .. run.Files, "--prompt", "a cat", "--set", $"CacheFolder={_work["cache"]}"];
        CliResult first = await Cli.RunAsync(args);
        first.AssertSuccess();
        Assert.Equal(run.Files.Length, Directory.GetFiles(_work["cache"], "*.f32", SearchOption.AllDirectories).Length);
        CliResult second = await Cli.RunAsync(args);
        Assert.Equal(first.Out, second.Out);
    }

    private static JsonElement[] Rows(CliResult result) =>
        [.. result.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
}

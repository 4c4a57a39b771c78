using System.Diagnostics;
using System.Text.Json;

namespace DiffusionClip.Cli;

/// <summary>The program as a process: signals, exit codes, configuration, cultures.</summary>
public sealed class ProcessTests : IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task It_finds_its_models_from_another_folder()
    {
        CliResult result = await Cli.RunProcessAsync(
            _work.Path,
            null,
            "generate",
            "two cats",
            "--seed",
            "1",
            "-n",
            "1",
            "--steps",
            "1",
            "--json");
        result.AssertSuccess();
        RunReport report = JsonSerializer.Deserialize<RunReport>(result.Out, DiffusionClipJson.Compact)!;
        Assert.StartsWith(Path.Combine(Real(_work.Path), "output"), report.Candidates[0].File, StringComparison.Ordinal);
        Assert.True(File.Exists(report.Candidates[0].File));
    }

    [Fact]
    public async Task It_leaves_nothing_but_its_results_and_its_own_cache()
    {
        // ONNX Runtime would keep a device id and a database of events here.
        var environment = new Dictionary<string, string>
        {
            ["HOME"] = _work["home"],
            ["XDG_CACHE_HOME"] = _work["cache"],
            ["XDG_DATA_HOME"] = _work["data"],
            ["LOCALAPPDATA"] = _work["cache"],
        };
        Directory.CreateDirectory(_work["home"]);
        (
            await Cli.RunProcessAsync(_work.Path, environment, "generate", "two cats", "--seed", "1", "-n", "1", "--steps", "1", "-q")
        ).AssertSuccess();
        Assert.Equal(
            ["home", "output"],
            Directory.GetFileSystemEntries(_work.Path).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        (await Cli.RunProcessAsync(_work.Path, environment, "score", "output/*/0*.png", "-p", "two cats", "-q")).AssertSuccess();
        Assert.Equal(["diffusionclip"], Directory.GetFileSystemEntries(_work["cache"]).Select(path => Path.GetFileName(path)));
        Assert.Empty(Directory.GetFiles(_work["home"], "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Version_and_help()
    {
        CliResult version = await Cli.RunProcessAsync(_work.Path, null, "--version");
        Assert.Equal(0, version.ExitCode);
        Assert.Matches(@"^dclip \d+\.\d+\.\d+\S*\n$", version.Out.ReplaceLineEndings("\n"));
        CliResult help = await Cli.RunProcessAsync(_work.Path, null, "generate", "--help");
        Assert.Equal(0, help.ExitCode);
        foreach (
            string flag in new[]
            {
                "--negative-prompt",
                "--steps",
                "--cfg-scale",
                "--seed",
                "--sampler",
                "--width",
                "--height",
                "--candidates",
                "--keep",
                "--model",
                "--scorer",
                "--score-text",
                "--noise",
                "--provider",
                "--output",
                "--prompts",
                "--from",
                "--json",
                "Examples:",
            })
        {
            Assert.Contains(flag, help.Out, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_command_line_wins_over_the_environment_and_that_over_the_file()
    {
        var environment = new Dictionary<string, string>
        {
            ["DIFFUSIONCLIP__Candidates"] = "2",
            ["DIFFUSIONCLIP__Output"] = _work["from-environment"],
        };
        string[] args = ["generate", "two cats", "--seed", "1", "--steps", "1", "--json"];
        RunReport report = JsonSerializer.Deserialize<RunReport>(
            (await Cli.RunProcessAsync(_work.Path, environment, args)).AssertSuccess().Out,
            DiffusionClipJson.Compact
        )!;
        Assert.Equal(2, report.Request.Search.Candidates);
        Assert.True(Directory.Exists(_work["from-environment"]));
        report = JsonSerializer.Deserialize<RunReport>(
            (await Cli.RunProcessAsync(_work.Path, environment, [.. args, "-n", "1", "-o", _work["from-flag"]])).AssertSuccess().Out,
            DiffusionClipJson.Compact
        )!;
        Assert.Equal(1, report.Request.Search.Candidates);
        Assert.True(Directory.Exists(_work["from-flag"]));

        (
            await Cli.RunProcessAsync(_work.Path, new Dictionary<string, string> { ["DIFFUSIONCLIP__Candidatez"] = "2" }, args)
        ).AssertRefused(ExitCodes.Usage, "Candidatez", "there is no such key");
    }

    [Fact]
    public async Task An_appsettings_of_the_working_folder_counts()
    {
        string models = Path.Combine(Golden.Repository, "models");
        File.WriteAllText(
            _work["appsettings.json"],
            JsonSerializer.Serialize(
                new
                {
                    DiffusionClip = new
                    {
                        ModelFolders = new[] { models },
                        Candidates = 1,
                        Output = "mine",
                    },
                }));
        (await Cli.RunProcessAsync(_work.Path, null, "generate", "two cats", "--seed", "1", "--steps", "1", "-q")).AssertSuccess();
        Assert.Single(Directory.GetFiles(_work.OnlyFolder("mine"), "0*.png"));
        File.WriteAllText(_work["appsettings.json"], "{ \"DiffusionClip\": { \"Limits\": { \"Stepz\": 3 } } }");
        (await Cli.RunProcessAsync(_work.Path, null, "generate", "two cats")).AssertRefused(
            ExitCodes.Usage,
            "DiffusionClip:Limits:Stepz",
            "there is no such key");
        File.WriteAllText(_work["appsettings.json"], "{ \"DiffusionClip\": { ");
        (await Cli.RunProcessAsync(_work.Path, null, "generate", "two cats")).AssertRefused(
            ExitCodes.Usage,
            "appsettings.json",
            "readable JSON");
    }

    [Fact]
    public async Task Bad_input_ends_in_one_line_and_its_exit_code()
    {
        (await Cli.RunProcessAsync(_work.Path, null, "generate", "a cat", "--width", "7")).AssertRefused(
            ExitCodes.Usage,
            "width",
            "'7'",
            "nearest");
        (await Cli.RunProcessAsync(_work.Path, null, "generate", "a cat", "--model", "./none")).AssertRefused(
            ExitCodes.Failure,
            "none",
            "missing");
        (await Cli.RunProcessAsync(_work.Path, null, "rank", "a cat", "*.png")).AssertRefused(ExitCodes.Usage, "files", "*.png");
        _work.AssertEmpty();
    }

    [Theory]
    [InlineData("de_DE.UTF-8")]
    [InlineData("tr_TR.UTF-8")]
    public async Task The_language_of_the_machine_changes_nothing(string language)
    {
        string[] args =
        [
            "generate",
            "TWO CATS IN ISTANBUL",
            "--seed",
            "1",
            "-n",
            "2",
            "--steps",
            "1",
            "--cfg-scale",
            "2.5",
            "--sampler",
            "EULER A",
            "--output",
            "output",
        ];
        var results = new List<(CliResult Result, string Folder)>();
        foreach (string lang in new[] { "C.UTF-8", language })
        {
            string folder = Directory.CreateDirectory(_work[lang]).FullName;
            results.Add(
                (await Cli.RunProcessAsync(folder, new Dictionary<string, string> { ["LC_ALL"] = lang, ["LANG"] = lang }, args), folder));
        }

        Assert.Equal(WithoutTime(results[0].Result.AssertSuccess().Out), WithoutTime(results[1].Result.AssertSuccess().Out));
        string[] names =
        [
            .. results.Select(result =>
                string.Join(
                    '\n',
                    Directory
                        .GetFiles(Directory.GetDirectories(Path.Combine(result.Folder, "output")).Single())
                        .Select(path => Path.GetFileName(path))
                        .Order(StringComparer.Ordinal))),
        ];
        Assert.Equal(names[0], names[1]);
        foreach (string name in names[0].Split('\n').Where(name => name.EndsWith(".png", StringComparison.Ordinal)))
        {
            byte[][] files =
            [
                .. results.Select(result =>
                    File.ReadAllBytes(Path.Combine(Directory.GetDirectories(Path.Combine(result.Folder, "output")).Single(), name))),
            ];
            Assert.Equal(files[0], files[1]);
        }

        CliResult refused = await Cli.RunProcessAsync(
            _work.Path,
            new Dictionary<string, string> { ["LC_ALL"] = language },
            "generate",
            "a cat",
            "--cfg-scale",
            "100.5");
        refused.AssertRefused(ExitCodes.Usage, "'100.5'", "from 0 to 100");
    }

    [Fact]
    public async Task Interrupted_once_it_finishes_with_the_best_so_far()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent with kill");
        using Process process = Cli.Start(_work.Path, null, "generate", "two cats", "--seed", "1", "-n", "1000", "--steps", "4", "--json");
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        await ReadUntilAsync(process, "candidate 1 of");
        Signal(process, "INT");
        string error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(ExitCodes.Interrupted, process.ExitCode);
        Assert.Contains("finishing with the best so far; Ctrl-C again aborts", error, StringComparison.Ordinal);
        RunReport report = JsonSerializer.Deserialize<RunReport>(await output, DiffusionClipJson.Compact)!;
        Assert.True(report.FinishedEarly);
        Assert.True(File.Exists(report.Candidates[0].File));
        string folder = _work.OnlyFolder("output");
        Assert.True(File.Exists(Path.Combine(folder, "report.json")) && File.Exists(Path.Combine(folder, "contact-sheet.png")));
    }

    [Theory]
    [InlineData("INT", 2)]
    [InlineData("TERM", 1)]
    public async Task Aborted_it_leaves_nothing(string signal, int times)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent with kill");
        using Process process = Cli.Start(_work.Path, null, "generate", "two cats", "--seed", "1", "-n", "1000", "--steps", "500");
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        await ReadUntilAsync(process, "denoising");
        for (int i = 0; i < times; i++)
        {
            Signal(process, signal);
            if (i + 1 < times)
            {
                await ReadUntilAsync(process, "finishing");
            }
        }

        string error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(ExitCodes.Interrupted, process.ExitCode);
        Assert.Equal("", await output);
        Assert.Contains("dclip: interrupted", error, StringComparison.Ordinal);
        _work.AssertEmpty();
    }

    private static async Task ReadUntilAsync(Process process, string beginning)
    {
        while (await process.StandardError.ReadLineAsync() is { } line)
        {
            if (line.StartsWith(beginning, StringComparison.Ordinal))
            {
                return;
            }
        }

        Assert.Fail($"the program ended before it said '{beginning}'");
    }

    private static void Signal(Process process, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    // macOS has its temporary folder behind a link.
    private static string Real(string path) => OperatingSystem.IsMacOS() ? "/private" + path : path;

    private static string WithoutTime(string text) => System.Text.RegularExpressions.Regex.Replace(text, @"\d{8}-\d{6}", "TIME");
}

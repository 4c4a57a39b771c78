using System.Text;

namespace DiffusionClip.Cli.Verbs;

/// <summary>Every bad input gets one line that names field, value and remedy, exit code 1 or 2, and leaves no file.</summary>
public sealed class BadInputTests : IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    public static TheoryData<string, string, string, string> Flags => new()
    {
        { "--width", "0", "width", "from 1 to 4096" },
        { "--width", "7", "width", "nearest" },
        { "--width", "1000000000", "width", "from 1 to 4096" },
        { "--width", "99999999999999999999", "width", "from 1 to 4096" },
        { "--width", "12x", "width", "whole number" },
        { "--height", "-64", "height", "from 1 to 4096" },
        { "--steps", "0", "steps", "from 1 to 1000" },
        { "--steps", "1000000", "steps", "from 1 to 1000" },
        { "--cfg-scale", "NaN", "cfg-scale (guidance_scale)", "from 0 to 100" },
        { "--cfg-scale", "Infinity", "cfg-scale (guidance_scale)", "from 0 to 100" },
        { "--cfg-scale", "-1", "cfg-scale (guidance_scale)", "from 0 to 100" },
        { "--cfg-scale", "7,5", "guidance_scale", "with a point" },
        { "--cfg-rescale", "2", "cfg-rescale (guidance_rescale)", "from 0 to 1" },
        { "--eta", "nan", "eta", "from 0 to 1" },
        { "--seed", "-1", "seed", "leave --seed out" },
        { "--seed", "-2", "seed", "from 0 to 18446744073709551615" },
        { "--seed", "18446744073709551616", "seed", "from 0 to 18446744073709551615" },
        { "--seed", "1.5", "seed", "from 0 to 18446744073709551615" },
        { "--sampler", "Eulre", "sampler (scheduler)", "nearest is Euler" },
        { "--sampler", "Eulre", "DPM++ 2M", "DDIM" },
        { "--scheduler-option", "karras", "scheduler-option", "use_karras_sigmas=true" },
        { "--scheduler-option", "use_karas_sigmas=true", "use_karas_sigmas", "nearest is use_karras_sigmas" },
        { "--candidates", "0", "candidates", "from 1 to 1024" },
        { "--candidates", "100000", "candidates", "from 1 to 1024" },
        { "--keep", "5", "keep", "from 1 to 4" },
        { "--strategy", "best", "strategy", "best-of-n" },
        { "--noise", "mt19937", "noise", "cpu, philox" },
        { "--prompt-syntax", "comfy", "prompt-syntax (syntax)", "a1111, plain" },
        { "--long-text", "average", "--long-text", "truncate, windows-mean" },
        { "--provider", "tpu", "provider", "auto, cpu, dml, cuda" },
        { "--set", "Limits:Stepps=3", "Limits:Stepps", "known are" },
        { "--set", "Candidates=many", "configuration", "many" },
    };

    [Theory]
    [MemberData(nameof(Flags))]
    public async Task A_flag_s_value_is_refused(string flag, string value, string field, string remedy)
    {
        CliResult result = await Cli.RunAsync("generate", "a cat", flag, value, "--output", _work["output"]);
        result.AssertRefused(ExitCodes.Usage, field, value.Contains('=', StringComparison.Ordinal) ? value.Split('=')[1] : value, remedy);
        _work.AssertEmpty();
    }

    [Fact]
    public async Task A_missing_model_folder()
    {
        (await Cli.RunAsync("generate", "a cat", "--model", _work["none"], "--output", _work["output"])).AssertRefused(
            ExitCodes.Failure,
            _work["none"],
            "missing",
            "expected the folder of a model");
        (await Cli.RunAsync("generate", "a cat", "--model", "emoji-sdd", "--output", _work["output"])).AssertRefused(
            ExitCodes.Failure,
            "emoji-sdd",
            "no such model",
            "emoji-sd");
        (await Cli.RunAsync("generate", "a cat", "--scorer", _work["none"], "--output", _work["output"])).AssertRefused(
            ExitCodes.Failure,
            _work["none"],
            "missing");
        _work.AssertEmpty();
    }

    [Fact]
    public async Task An_output_folder_that_cannot_be_written()
    {
        string file = _work["output"];
        File.WriteAllText(file, "in the way");
        (await Cli.RunAsync("generate", "a cat", "--output", file)).AssertRefused(
            ExitCodes.Usage,
            "output",
            file,
            "folder that can be written");
        (await Cli.RunAsync("generate", "a cat", "--output", _work["output", "below"])).AssertRefused(
            ExitCodes.Usage,
            "output",
            "folder that can be written");
        Assert.Equal("in the way", File.ReadAllText(file));
        Assert.Single(Directory.GetFileSystemEntries(_work.Path));
    }

    [Fact]
    public async Task A_prompt_of_a_megabyte()
    {
        (await Cli.RunAsync("generate", new string('a', 1 << 20), "--output", _work["output"])).AssertRefused(
            ExitCodes.Usage,
            "prompt",
            "1048576 characters",
            "up to 65536");
        (await Cli.RunAsync("generate", "a cat", "--negative", new string('a', 1 << 20), "--output", _work["output"])).AssertRefused(
            ExitCodes.Usage,
            "negative",
            "1048576 characters",
            "up to 65536");
        (await Cli.RunAsync("rank", new string('a', 1 << 20), Pictures.Expected("00_0.png"))).AssertRefused(
            ExitCodes.Usage,
            "prompt",
            "1048576 characters",
            "up to 65536");
        _work.AssertEmpty();
    }

    [Fact]
    public async Task Half_a_surrogate_pair()
    {
        (await Cli.RunAsync("generate", "a \uD83D cat", "--output", _work["output"])).AssertRefused(
            ExitCodes.Usage,
            "prompt",
            "surrogate pair at character 2",
            "remove it");
        (await Cli.RunAsync("rank", "a \uDE00 cat", Pictures.Expected("00_0.png"))).AssertRefused(
            ExitCodes.Usage,
            "prompt",
            "surrogate pair at character 2",
            "remove it");
        (await Cli.RunAsync("score", Pictures.Expected("00_0.png"), "--prompt", "\uD83D")).AssertRefused(
            ExitCodes.Usage,
            "prompt",
            "surrogate pair at character 0",
            "remove it");
        _work.AssertEmpty();
    }

    [Fact]
    public async Task More_kept_than_there_are() =>
        (await Cli.RunAsync("generate", "a cat", "-n", "2", "--keep", "3", "--output", _work["output"])).AssertRefused(
            ExitCodes.Usage,
            "keep",
            "'3'",
            "from 1 to 2");

    [Fact]
    public async Task Nothing_to_paint() =>
        (await Cli.RunAsync("generate")).AssertRefused(ExitCodes.Usage, "prompt", "nothing", "--prompts");

    [Fact]
    public async Task What_cannot_go_together()
    {
        (await Cli.RunAsync("generate", "a cat", "--prompts", "x.txt")).AssertRefused(
            ExitCodes.Usage,
            "--prompts",
            "x.txt",
            "leave one out");
        (await Cli.RunAsync("score", "a.png")).AssertRefused(ExitCodes.Usage, "--prompt", "--pairs", "--prompt-from-metadata");
        (await Cli.RunAsync("score", "a.png", "--pairs", "x.csv")).AssertRefused(ExitCodes.Usage, "files", "a.png", "leave it out");
        (await Cli.RunAsync("score", "--prompt", "a cat")).AssertRefused(ExitCodes.Usage, "files", "nothing", "name pictures");
        (await Cli.RunAsync("score", "a.png", "--prompt", "a cat", "--format", "xml")).AssertRefused(
            ExitCodes.Usage,
            "--format",
            "xml",
            "jsonl, csv");
        (await Cli.RunAsync("rank", "a cat", "a.png", "--copy-top", "none", "best")).AssertRefused(
            ExitCodes.Usage,
            "--copy-top",
            "none",
            "how many");
    }

    [Fact]
    public async Task A_file_where_copies_should_go()
    {
        File.WriteAllText(_work["best"], "");
        (await Cli.RunAsync("rank", "a cat", Pictures.Expected("00_0.png"), "--copy-top", "1", _work["best", "below"])).AssertRefused(
            ExitCodes.Usage,
            "--copy-top",
            "below",
            "is a file");
    }

    [Theory]
    [InlineData("--stepz", "--steps")]
    [InlineData("--widht", "--width")]
    [InlineData("--nonsense-altogether", "dclip generate --help")]
    public async Task An_unknown_flag(string flag, string remedy) =>
        (await Cli.RunAsync("generate", "a cat", flag, "3")).AssertRefused(ExitCodes.Usage, flag, remedy);

    [Fact]
    public async Task An_unknown_verb() =>
        (await Cli.RunAsync("genrate")).AssertRefused(ExitCodes.Usage, "genrate", "did you mean generate?");

    [Fact]
    public async Task A_flag_without_its_value() =>
        (await Cli.RunAsync("generate", "a cat", "--steps")).AssertRefused(ExitCodes.Usage, "--steps", "--help");

    [Fact]
    public async Task No_verb_is_help_and_a_usage_error()
    {
        CliResult result = await Cli.RunAsync();
        Assert.Equal(ExitCodes.Usage, result.ExitCode);
        Assert.Contains("generate", result.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_truncated_png_in_rank()
    {
        string file = _work["cut.png"];
        byte[] whole = File.ReadAllBytes(Pictures.Expected("00_0.png"));
        File.WriteAllBytes(file, whole[..(whole.Length / 2)]);
        (await Cli.RunAsync("rank", "a cat", file, "--no-cache")).AssertRefused(ExitCodes.Failure, "files", file, "truncated");
    }

    [Fact]
    public async Task A_png_of_900_megapixels_in_rank()
    {
        string file = _work["huge.png"];
        File.WriteAllBytes(file, Pictures.Huge());
        Assert.InRange(new FileInfo(file).Length, 50_000, 200_000);
        (await Cli.RunAsync("rank", "a cat", file, "--no-cache")).AssertRefused(
            ExitCodes.Failure,
            "files",
            file,
            "30000x30000",
            "100000000 allowed",
            "scale it down");
    }

    [Fact]
    public async Task A_text_file_in_rank()
    {
        string file = _work["notes.png"];
        File.WriteAllText(file, "Dear diary, today I saw a cat.\n", Encoding.UTF8);
        (await Cli.RunAsync("rank", "a cat", file, "--no-cache")).AssertRefused(
            ExitCodes.Failure,
            "files",
            file,
            "not a picture",
            "give a PNG");
    }

    [Fact]
    public async Task A_missing_file_and_a_folder_that_holds_none()
    {
        (await Cli.RunAsync("rank", "a cat", _work["none.png"], "--no-cache")).AssertRefused(
            ExitCodes.Failure,
            "files",
            "none.png",
            "no such file");
        (await Cli.RunAsync("rank", "a cat", _work["*.png"])).AssertRefused(ExitCodes.Usage, "files", "*.png", "no file matches");
        (await Cli.RunAsync("rank", "a cat", _work.Path)).AssertRefused(ExitCodes.Usage, "files", "holds no pictures");
        (await Cli.RunAsync("inspect", _work["none.png"])).AssertRefused(ExitCodes.Failure, "files", "none.png", "no such file");
        (await Cli.RunAsync("generate", "--from", _work["none.png"], "--output", _work["output"])).AssertRefused(
            ExitCodes.Usage,
            "--from",
            "none.png",
            "no such file");
        _work.AssertEmpty();
    }

    [Fact]
    public async Task A_bad_file_does_not_keep_the_others_from_being_ranked()
    {
        File.WriteAllText(_work["notes.png"], "no picture");
        CliResult result = await Cli.RunAsync("rank", "a cat", _work["notes.png"], Pictures.Expected("00_0.png"), "--no-cache");
        Assert.Equal(ExitCodes.Failure, result.ExitCode);
        Assert.Contains("00_0.png", result.Out, StringComparison.Ordinal);
        Assert.Single(result.Complaints);
    }
}

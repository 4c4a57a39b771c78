using System.Text.Json;

namespace DiffusionClip.Cli;

/// <summary>One small run on the embedded model that several tests look at.</summary>
public sealed class GeneratedRunFixture : IAsyncLifetime
{
    public const string Prompt = "a fox and a purple umbrella on a white background";

    public const int Candidates = 3;

    private readonly Workspace _work = new();

    internal CliResult Result { get; private set; } = null!;

    public string Folder { get; private set; } = null!;

    internal RunReport Report { get; private set; } = null!;

    /// <summary>The pictures, best first.</summary>
    public string[] Files { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Result = await Cli.RunAsync("generate", Prompt, "--seed", "7", "-n", "3", "--steps", "4", "--output", _work["output"]);
        Result.AssertSuccess();
        Folder = _work.OnlyFolder("output");
        Report = JsonSerializer.Deserialize<RunReport>(File.ReadAllBytes(Path.Combine(Folder, "report.json")), DiffusionClipJson.Compact)!;
        Files = [.. Report.Candidates.Select(candidate => Path.Combine(Folder, candidate.File!))];
    }

    public ValueTask DisposeAsync()
    {
        _work.Dispose();
        return ValueTask.CompletedTask;
    }
}

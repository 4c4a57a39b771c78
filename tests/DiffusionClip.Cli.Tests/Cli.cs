using System.Diagnostics;
using System.Text;
using DiffusionClip.Cli.Output;
using DiffusionClip.Onnx;
using DiffusionClip.Runtime;
using Microsoft.Extensions.DependencyInjection;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace DiffusionClip.Cli;

/// <summary>What a command line came to.</summary>
internal sealed record CliResult(int ExitCode, string Out, string Error)
{
    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Errors and warnings, without what is said on the way.</summary>
    public string[] Complaints => [.. ErrorLines.Where(line => line.StartsWith("dclip: ", StringComparison.Ordinal))];

    /// <summary>Fails unless this is a refusal in one line that holds the words.</summary>
    public CliResult AssertRefused(int exitCode, params string[] words)
    {
        Assert.True(exitCode == ExitCode, $"exit code {ExitCode} instead of {exitCode}: {Error}");
        Assert.Equal("", Out);
        string line = Assert.Single(ErrorLines);
        Assert.StartsWith("dclip: ", line, StringComparison.Ordinal);
        Assert.True(line.Length < 1000, $"{line.Length} characters");
        foreach (string word in words)
        {
            Assert.Contains(word, line, StringComparison.OrdinalIgnoreCase);
        }

        return this;
    }

    public CliResult AssertSuccess()
    {
        Assert.True(ExitCode == 0, $"exit code {ExitCode}: {Error}");
        return this;
    }
}

/// <summary>Runs command lines: in this process, where models stay loaded, or as a process of their own.</summary>
internal static class Cli
{
    // Loaded once for all tests; a run's own container does not dispose what it did not make.
    private static readonly Lazy<OnnxModelStore> Store = new(() =>
        new OnnxModelStore(new OnnxOptions(), [new GeneratorLoader(Folders.Families), new ClipLoader()]));

    public static Task<CliResult> RunAsync(params string[] args) => RunAsync(new Interruption(), null, args);

    public static async Task<CliResult> RunAsync(Interruption interruption, Action<IServiceCollection>? configure, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int exitCode = await CliApplication.RunAsync(args, new Terminal(output, error), interruption, services =>
        {
            services.AddSingleton<IModelStore>(Store.Value);
            configure?.Invoke(services);
        });
        return new CliResult(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>Starts a process.</summary>
    public static Process Start(string folder, IReadOnlyDictionary<string, string>? environment, params string[] args)
    {
        // Where tests run in the background, their children inherit that interrupts are ignored, and so would this one.
        string[] command =
        [
            .. OperatingSystem.IsLinux() ? new[] { "env", "--default-signal=INT" } : [],
            "dotnet",
            Path.Combine(AppContext.BaseDirectory, "dclip.dll"),
            .. args,
        ];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
        };
        foreach ((string key, string value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[key] = value;
        }

        return Process.Start(start)!;
    }

    /// <summary>Runs a process to its end.</summary>
    public static async Task<CliResult> RunProcessAsync(
        string folder,
        IReadOnlyDictionary<string, string>? environment,
        params string[] args)
    {
        using Process process = Start(folder, environment, args);
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new CliResult(process.ExitCode, await output, await error);
    }
}

/// <summary>A folder that goes when its test ends.</summary>
internal sealed class Workspace : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("dclip-").FullName;

    public string this[params string[] parts] => System.IO.Path.Combine([Path, .. parts]);

    /// <summary>The one folder in a folder.</summary>
    public string OnlyFolder(params string[] parts) => Assert.Single(Directory.GetDirectories(this[parts]));

    public void AssertEmpty() =>
        Assert.Empty(
            Directory.EnumerateFileSystemEntries(Path, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }));

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

using System.Diagnostics;

namespace DiffusionClip.Worker.Tests;

/// <summary>Row 42 of the fault table: what is configured wrong fails at start and says where.</summary>
public class OptionTests
{
    [Theory]
    [InlineData("Worker:Queu:Capacity=1", "Worker:Queu")]
    [InlineData("Worker:Queue:Capactiy=1", "Worker:Queue:Capactiy")]
    [InlineData("Worker:Queue:Capacity=-1", "Worker:Queue:Capacity")]
    [InlineData("Worker:Queue:Concurrency=0", "Worker:Queue:Concurrency")]
    [InlineData("Worker:Queue:DrainTimeout=-00:00:01", "Worker:Queue:DrainTimeout")]
    [InlineData("Worker:Queue:MaxAttempts=many", "Worker:Queue:MaxAttempts")]
    [InlineData("Worker:Retention:TotalBytes=-5", "Worker:Retention:TotalBytes")]
    [InlineData("Worker:Trust:BodyBytes=1", "Worker:Trust:BodyBytes")]
    [InlineData("Worker:Compatibility:CandidatesPerImage=0", "Worker:Compatibility:CandidatesPerImage")]
    [InlineData("Worker:DataFolder= ", "Worker:DataFolder")]
    [InlineData("Worker:Url=https://127.0.0.1:1", "Worker:Url")]
    [InlineData("Worker:Url=http://example.org", "Worker:Url")]
    [InlineData("Worker:Url=7860", "Worker:Url")]
    [InlineData("DiffusionClip:Candidate=1", "DiffusionClip:Candidate")]
    [InlineData("DiffusionClip:Limits:Steps=-1", "DiffusionClip:Limits:Steps")]
    public void Row42_the_key_is_named(string argument, string key)
    {
        var exception = Assert.Throws<InvalidRequestException>(() => WorkerApplication.Build(["--" + argument]));
        Assert.Contains(key, exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
    }

    [Fact]
    public async Task Row42_the_process_says_it_in_one_line_and_ends()
    {
        using Process process = Process.Start(
            new ProcessStartInfo("dotnet", [typeof(WorkerApplication).Assembly.Location, "--Worker:Queue:Capacity=-1"])
            {
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            }
        )!;
        string error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(1, process.ExitCode);
        Assert.Equal("dclip-worker: Worker:Queue:Capacity: '-1' cannot be used; it lies from 1 to 1000000", error.TrimEnd());
    }

    [Fact]
    public async Task What_ships_is_valid() => await WorkerApplication.Build([]).DisposeAsync();

    [Fact]
    public void Mistyped_secrets_are_not_shown()
    {
        var exception = Assert.Throws<InvalidRequestException>(() => WorkerApplication.Build(["--Worker:Trust:Key=0123456789abcdef0"]));
        Assert.DoesNotContain("0123456789abcdef0", exception.Message, StringComparison.Ordinal);
    }
}

using System.Diagnostics;

namespace DiffusionClip.Tokenization;

public sealed class WithoutIcuTests
{
    private const string Variable = "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT";

    /// <summary>Without ICU, .NET gives a decomposed text back as it is: it would become other tokens, and nothing would say so.</summary>
    [Fact]
    public async Task Missing_tables_of_Unicode_are_an_error_with_a_remedy()
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        {
            start.ArgumentList.Add(typeof(WithoutIcuTests).Assembly.Location);
        }

        start.ArgumentList.Add("-method");
        start.ArgumentList.Add($"{typeof(WithoutIcuTests).FullName}.{nameof(In_a_process_without_them)}");
        start.Environment[Variable] = "1";
        using var child = Process.Start(start)!;
        Task<string> output = child.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Task<string> error = child.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await child.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(child.ExitCode == 0, $"{await output}{await error}");
        Assert.Contains("Skipped: 0", await output, StringComparison.Ordinal);
    }

    [Fact]
    public void In_a_process_without_them()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable(Variable) == "1", "run by the other test, in a process of its own");
        DiffusionClipException exception = Assert.Throws<DiffusionClipException>(() => CanonicalComposition.Compose("cafe\u0301"));
        Assert.Contains("install ICU", exception.Message, StringComparison.Ordinal);
        Assert.Equal("cafe", CanonicalComposition.Compose("cafe"));
    }

    [Fact]
    public void A_probe_knows_what_does_not_compose()
    {
        Assert.True(CanonicalComposition.Probe(text => text.Normalize(System.Text.NormalizationForm.FormC)));
        Assert.False(CanonicalComposition.Probe(text => text));
        Assert.False(CanonicalComposition.Probe(_ => throw new PlatformNotSupportedException()));
    }
}

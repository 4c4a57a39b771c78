using System.Diagnostics;

namespace DiffusionClip.Worker.Tests.Interfaces;

/// <summary>Other people's clients, unmodified, against a real worker: <c>tests/clients</c>.</summary>
public sealed class ClientTests(ApisHost host) : IClassFixture<ApisHost>
{
    private static readonly string _folder = Path.Combine(Golden.Repository, "tests", "clients");

    [Theory]
    [InlineData("openai.mjs")]
    [InlineData("ai-sdk.mjs")]
    [InlineData("node-sd-webui.mjs")]
    [InlineData("a1111-webui-api.mjs")]
    public Task Node_client(string script) => RunAsync("node", Path.Combine(_folder, script));

    [Theory]
    [InlineData("sillytavern/replay.mjs")]
    [InlineData("blender-ai-render/replay.mjs")]
    [InlineData("krita-sd-paint-ext/replay.mjs")]
    public Task What_a_creative_tool_sends(string script) => RunAsync("node", Path.Combine(Golden.Repository, "plugins", "clients", script));

    private async Task RunAsync(string program, string script)
    {
        bool isThere = Directory.Exists(Path.Combine(_folder, "node_modules")) && HasNode();
        Assert.SkipUnless(
            isThere || Environment.GetEnvironmentVariable("CI") == "true",
            "needs Node 20 and `npm ci` in tests/clients; .ci/run does both");
        using var process = Process.Start(
            new ProcessStartInfo(program, [script, host.Worker.Address.ToString().TrimEnd('/')])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = Path.GetDirectoryName(script),
            }
        )!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        string errors = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        TestContext.Current.TestOutputHelper?.WriteLine(await output);
        Assert.True(process.ExitCode == 0, $"{script} ended with {process.ExitCode}:\n{await output}\n{errors}");
    }

    private static bool HasNode() => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, "node")) || File.Exists(Path.Combine(folder, "node.exe")));
}

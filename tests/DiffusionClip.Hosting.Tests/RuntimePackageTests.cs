using System.Text.Json;

namespace DiffusionClip.Hosting;

/// <summary>
/// Which package of ONNX Runtime a program takes. DirectML's cannot be restored everywhere, so what a restore would ask for is read off
/// the graph that MSBuild hands it.
/// </summary>
public sealed class RuntimePackageTests : IDisposable
{
    private const string Cpu = "Microsoft.ML.OnnxRuntime",
        DirectMl = "Microsoft.ML.OnnxRuntime.DirectML",
        Managed = "Microsoft.ML.OnnxRuntime.Managed";

    private readonly string _folder = Directory.CreateTempSubdirectory("diffusionclip-restore-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("win-x64", DirectMl, "1.24.4")]
    [InlineData("win-arm64", DirectMl, "1.24.4")]
    [InlineData("linux-x64", Cpu, "1.31.1")]
    [InlineData("osx-arm64", Cpu, "1.31.1")]
    public async Task The_target_decides_and_not_the_machine_that_builds(string runtimeIdentifier, string package, string managed)
    {
        string graph = Path.Combine(_folder, "graph.json");
        await DotnetCommand.RunAsync(
            Golden.Repository,
            "msbuild",
            "src/DiffusionClip.Cli/DiffusionClip.Cli.csproj",
            "-nologo",
            "-t:GenerateRestoreGraphFile",
            $"-p:RestoreGraphOutputPath={graph}",
            $"-p:RuntimeIdentifier={runtimeIdentifier}");
        using JsonDocument document = JsonDocument.Parse(await File.ReadAllBytesAsync(graph));
        JsonElement onnx = document.RootElement.GetProperty("projects").EnumerateObject()
            .Single(project => project.Name.EndsWith("DiffusionClip.Onnx.csproj", StringComparison.Ordinal)).Value
            .GetProperty("frameworks").GetProperty("net10.0");
        string[] taken = [.. onnx.GetProperty("dependencies").EnumerateObject().Select(dependency => dependency.Name)];
        Assert.Equal([package], taken.Where(name => name.StartsWith(Cpu, StringComparison.Ordinal)));
        Assert.Equal(managed, onnx.GetProperty("centralPackageVersions").GetProperty(Managed).GetString());
    }

    [Fact]
    public async Task The_target_is_handed_down_to_the_project_that_chooses()
    {
        foreach (string project in new[] { "DiffusionClip.Onnx", "DiffusionClip.Hosting" })
        {
            string value = await DotnetCommand.RunAsync(
                Golden.Repository, "msbuild", $"src/{project}/{project}.csproj", "-nologo", "-getProperty:IsRidAgnostic");
            Assert.Equal("false", value.Trim());
        }
    }
}

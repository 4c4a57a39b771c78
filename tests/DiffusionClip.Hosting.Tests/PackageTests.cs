using System.Text.RegularExpressions;

namespace DiffusionClip.Hosting;

/// <summary>What a library user does: packs restored from a folder, the README's sample compiled and run.</summary>
public sealed partial class PackageTests(ITestOutputHelper output) : IDisposable
{
#if DEBUG
    private const string Configuration = "Debug";
#else
    private const string Configuration = "Release";
#endif

    private readonly string _folder = Directory.CreateTempSubdirectory("diffusionclip-consumer-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task The_sample_of_the_README_runs_against_the_packages()
    {
        string sample = Sample().Match(await File.ReadAllTextAsync(Path.Combine(Golden.Repository, "README.md"))).Groups["code"].Value;
        Assert.InRange(sample.TrimEnd().Split('\n').Length, 5, 15);
        string feed = Path.Combine(_folder, "feed");
        foreach (string project in new[] { "DiffusionClip.Abstractions", "DiffusionClip", "DiffusionClip.Onnx", "DiffusionClip.Skia", "DiffusionClip.Hosting" })
        {
            await DotnetCommand.RunAsync(Golden.Repository, "pack", $"src/{project}/{project}.csproj", "-c", Configuration, "--no-build", "-o", feed, "-p:PackageVersion=0.0.0-test", "-v", "q");
        }

        string consumer = Directory.CreateDirectory(Path.Combine(_folder, "consumer")).FullName;
        await File.WriteAllTextAsync(Path.Combine(consumer, "Program.cs"), sample);
        await File.WriteAllTextAsync(Path.Combine(consumer, "consumer.csproj"), """
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <NuGetAudit>false</NuGetAudit>
                <RestoreAdditionalProjectSources>../feed</RestoreAdditionalProjectSources>
                <RestorePackagesPath>../packages</RestorePackagesPath>
                <RestoreFallbackFolders>$(NuGetPackageRoot)</RestoreFallbackFolders>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="DiffusionClip.Hosting" Version="0.0.0-test" />
              </ItemGroup>
            </Project>
            """);
        await DotnetCommand.RunAsync(consumer, "build", "-v", "q", "-o", "out");
        foreach (string folder in new[] { "models" })
        {
            Directory.CreateSymbolicLink(Path.Combine(consumer, folder), Path.Combine(Golden.Repository, folder));
        }

        string printed = await DotnetCommand.RunAsync(consumer, "out/consumer.dll");
        output.WriteLine(printed);
        Assert.Matches(@"1\. seed \d+, score 0\.\d{4}", printed);
        Assert.Matches(@"4\. seed \d+, score 0\.\d{4}", printed);
        Assert.True(new FileInfo(Path.Combine(consumer, "apple.png")).Length > 1000);
    }

    [GeneratedRegex("```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Sample();
}

using System.Text.RegularExpressions;

namespace DiffusionClip.Hosting;

/// <summary>What a library user does: packs restored from a folder, the README's samples compiled and run.</summary>
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
    public async Task The_samples_of_the_README_run_against_the_packages()
    {
        string readme = await File.ReadAllTextAsync(Path.Combine(Golden.Repository, "README.md"));
        string[] samples = [.. Sample().Matches(readme).Select(match => match.Groups["code"].Value)];
        Assert.Equal(2, samples.Length);
        Assert.All(samples, sample => Assert.InRange(sample.TrimEnd().Split('\n').Length, 5, 20));
        string feed = Path.Combine(_folder, "feed");
        string[] projects =
        [
            "DiffusionClip.Abstractions", "DiffusionClip", "DiffusionClip.Onnx", "DiffusionClip.Skia", "DiffusionClip.Hosting",
            "DiffusionClip.ImageSharp",
        ];

        // What `dotnet pack --no-build` does, for all of them in one process.
        await File.WriteAllTextAsync(Path.Combine(_folder, "feed.proj"), $"""
            <Project>
              <ItemGroup>
                <Packed Include="{string.Join(
                ';',
                projects.Select(project => Path.Combine(Golden.Repository, "src", project, project + ".csproj"))
            )}" />
              </ItemGroup>
              <Target Name="Pack">
                <MSBuild
                  Projects="@(Packed)"
                  Targets="Pack"
                  Properties="Configuration={Configuration};NoBuild=true;_IsPacking=true;PackageVersion=0.0.0-test;PackageOutputPath={feed}" />
              </Target>
            </Project>
            """);
        await DotnetCommand.RunAsync(_folder, "msbuild", "feed.proj", "-t:Pack", "-v:q", "-nologo");
        Assert.Equal(projects.Length, Directory.GetFiles(feed, "*.nupkg").Length);

        // Two programs, built at once; the one that does not ask for ImageSharp must not get it.
        string consumers = Directory.CreateDirectory(Path.Combine(_folder, "consumers")).FullName;
        await WriteAsync(consumers, "library", samples[0], "DiffusionClip.Hosting");
        await WriteAsync(consumers, "pictures", samples[1], "DiffusionClip.Hosting", "DiffusionClip.ImageSharp");
        await File.WriteAllTextAsync(
            Path.Combine(consumers, "consumers.slnx"),
            """<Solution><Project Path="library/library.csproj" /><Project Path="pictures/pictures.csproj" /></Solution>""");
        await DotnetCommand.RunAsync(consumers, "build", "consumers.slnx", "-v", "q");
        Directory.CreateSymbolicLink(Path.Combine(consumers, "models"), Path.Combine(Golden.Repository, "models"));
        Assert.False(File.Exists(Path.Combine(consumers, "library", "bin", "Debug", "net10.0", "SixLabors.ImageSharp.dll")));

        string printed = await DotnetCommand.RunAsync(consumers, Path.Combine("library", "bin", "Debug", "net10.0", "library.dll"));
        output.WriteLine(printed);
        Assert.Matches(@"1\. seed \d+, score 0\.\d{4}", printed);
        Assert.Matches(@"4\. seed \d+, score 0\.\d{4}", printed);
        Assert.True(new FileInfo(Path.Combine(consumers, "apple.png")).Length > 1000);

        printed = await DotnetCommand.RunAsync(consumers, Path.Combine("pictures", "bin", "Debug", "net10.0", "pictures.dll"));
        output.WriteLine(printed);
        Assert.Matches(@"1\. colour 0\.\d{4}", printed);
        Assert.Matches(@"2\. grey 0\.\d{4}", printed);
    }

    private static async Task WriteAsync(string folder, string name, string sample, params string[] packages)
    {
        string project = Directory.CreateDirectory(Path.Combine(folder, name)).FullName;
        await File.WriteAllTextAsync(Path.Combine(project, "Program.cs"), sample);
        await File.WriteAllTextAsync(Path.Combine(project, $"{name}.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <NuGetAudit>false</NuGetAudit>
                <RestoreAdditionalProjectSources>../../feed</RestoreAdditionalProjectSources>
                <RestorePackagesPath>../../packages</RestorePackagesPath>
                <RestoreFallbackFolders>$(NuGetPackageRoot)</RestoreFallbackFolders>
              </PropertyGroup>
              <ItemGroup>
                {string.Join('\n', packages.Select(package => $"<PackageReference Include=\"{package}\" Version=\"0.0.0-test\" />"))}
              </ItemGroup>
            </Project>
            """);
    }

    [GeneratedRegex("```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Sample();
}

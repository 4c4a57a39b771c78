using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;

namespace DiffusionClip.Architecture;

/// <summary>The direction of projects: Cli, Worker → Hosting → Onnx, Skia → DiffusionClip → Abstractions.</summary>
public sealed class ProjectTests
{
    // Which of our assemblies each may use, besides itself.
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["DiffusionClip.Abstractions"] = [],
        ["DiffusionClip"] = ["DiffusionClip.Abstractions"],
        ["DiffusionClip.Testing"] = ["DiffusionClip.Abstractions", "DiffusionClip"],
        ["DiffusionClip.Onnx"] = ["DiffusionClip.Abstractions", "DiffusionClip"],
        ["DiffusionClip.Skia"] = ["DiffusionClip.Abstractions", "DiffusionClip"],
        ["DiffusionClip.ImageSharp"] = ["DiffusionClip.Abstractions", "DiffusionClip"],
        ["DiffusionClip.Hosting"] = ["DiffusionClip.Abstractions", "DiffusionClip", "DiffusionClip.Onnx", "DiffusionClip.Skia"],
        ["DiffusionClip.Cli"] =
            ["DiffusionClip.Abstractions", "DiffusionClip", "DiffusionClip.Onnx", "DiffusionClip.Skia", "DiffusionClip.Hosting"],
        ["DiffusionClip.Worker"] =
            ["DiffusionClip.Abstractions", "DiffusionClip", "DiffusionClip.Onnx", "DiffusionClip.Skia", "DiffusionClip.Hosting"],
    };

    // Assemblies of others that only one of ours may use.
    private static readonly Dictionary<string, string> Owners = new(StringComparer.Ordinal)
    {
        ["Microsoft.ML.OnnxRuntime"] = "DiffusionClip.Onnx",
        ["SkiaSharp"] = "DiffusionClip.Skia",
        ["SixLabors.ImageSharp"] = "DiffusionClip.ImageSharp",
    };

    public static TheoryData<string> Projects =>
    [
        .. Directory.EnumerateFiles(Path.Combine(Golden.Repository, "src"), "*.csproj", SearchOption.AllDirectories)
            .Select(path => Path.GetFileNameWithoutExtension(path)),
    ];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_references_only_what_lies_below_it(string project)
    {
        string[] allowed = Assert.Contains(project, Allowed);
        string[] references =
        [
            .. Project(project).Descendants("ProjectReference")
                .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/'))),
        ];
        Assert.Empty(references.Except(allowed));
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void An_assembly_uses_only_what_lies_below_it(string project)
    {
        if (!File.Exists(AssemblyOf(project)))
        {
            Assert.Skip($"{project} is not built beside these tests");
        }

        string[] used = [.. ReferencesOf(AssemblyOf(project))];
        string[] allowed = Assert.Contains(project, Allowed);
        Assert.Empty(used.Where(name => name.StartsWith("DiffusionClip", StringComparison.Ordinal)).Except(allowed));
        Assert.DoesNotContain(used, name => Owners.TryGetValue(name, out string? owner) && owner != project);
    }

    [Fact]
    public void Abstractions_and_plugins_reference_no_packages()
    {
        string plugins = Path.Combine(Golden.Repository, "plugins");
        string[] projects =
        [
            ProjectFile("DiffusionClip.Abstractions"),
            .. Directory.EnumerateFiles(plugins, "*.csproj", SearchOption.AllDirectories),
        ];
        foreach (string path in projects)
        {
            XDocument project = XDocument.Load(path);
            Assert.Empty(project.Descendants("PackageReference").Select(reference => $"{path}: {reference.Attribute("Include")?.Value}"));
        }

        foreach (string path in projects[1..])
        {
            Assert.All(
                XDocument.Load(path).Descendants("ProjectReference").Select(reference => reference.Attribute("Include")!.Value),
                reference => Assert.EndsWith("DiffusionClip.Abstractions.csproj", reference, StringComparison.Ordinal));
        }
    }

    private static string AssemblyOf(string project) =>
        Path.Combine(AppContext.BaseDirectory, (project == "DiffusionClip.Cli" ? "dclip" : project) + ".dll");

    private static string ProjectFile(string project) => Path.Combine(Golden.Repository, "src", project, $"{project}.csproj");

    private static XDocument Project(string project) => XDocument.Load(ProjectFile(project));

    private static List<string> ReferencesOf(string path)
    {
        using var file = new PEReader(File.OpenRead(path));
        MetadataReader reader = file.GetMetadataReader();
        return [.. reader.AssemblyReferences.Select(handle => reader.GetString(reader.GetAssemblyReference(handle).Name))];
    }
}

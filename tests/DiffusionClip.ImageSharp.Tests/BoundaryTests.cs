using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.Json;
using System.Xml.Linq;

namespace DiffusionClip.ImageSharp;

/// <summary>Where ImageSharp may be and what it may do: flaws with crafted files are reported against it.</summary>
public sealed class BoundaryTests
{
    [Theory]
    [InlineData("DiffusionClip.Cli")]
    [InlineData("DiffusionClip.Worker")]
    [InlineData("DiffusionClip.Hosting")]
    [InlineData("DiffusionClip.Testing")]
    public void No_default_composition_brings_it(string project)
    {
        // What a project brings, by projects and by packages that bring others: the restore has written it down.
        string path = Path.Combine(Golden.Repository, "src", project, "obj", "project.assets.json");
        using JsonDocument assets = JsonDocument.Parse(File.ReadAllBytes(path));
        string[] brought = [.. assets.RootElement.GetProperty("libraries").EnumerateObject().Select(library => library.Name.Split('/')[0])];
        Assert.Contains("DiffusionClip.Abstractions", brought);
        Assert.DoesNotContain(brought, name => name.Contains("ImageSharp", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void One_project_of_src_refers_to_it()
    {
        string src = Path.Combine(Golden.Repository, "src");
        IEnumerable<string> users = Directory.EnumerateFiles(src, "*.csproj", SearchOption.AllDirectories)
            .Where(path => XDocument.Load(path).Descendants().Attributes("Include").Any(name =>
                name.Value.Contains("ImageSharp", StringComparison.OrdinalIgnoreCase)
                && !name.Value.EndsWith(".Tests", StringComparison.Ordinal)))
            .Select(path => Path.GetFileNameWithoutExtension(path));
        Assert.Equal(["DiffusionClip.ImageSharp"], users);
    }

    [Fact]
    public void It_decodes_nothing()
    {
        using var file = new PEReader(File.OpenRead(typeof(ImageConversion).Assembly.Location));
        MetadataReader metadata = file.GetMetadataReader();
        List<string> called = [];
        foreach (MemberReferenceHandle handle in metadata.MemberReferences)
        {
            MemberReference member = metadata.GetMemberReference(handle);
            called.Add(metadata.GetString(member.Name));
        }

        // The names by which ImageSharp reads files and streams; pixels in memory come in by LoadPixelData.
        Assert.Contains("LoadPixelData", called);
        string[] reading = ["Load", "Decode", "Identify", "DetectFormat"];
        Assert.DoesNotContain(called, name => reading.Any(word => name == word || name == word + "Async"));
        Assert.DoesNotContain(
            metadata.TypeReferences,
            handle =>
                metadata
                    .GetString(metadata.GetTypeReference(handle).Namespace)
                    .StartsWith("SixLabors.ImageSharp.Formats", StringComparison.Ordinal));
    }
}

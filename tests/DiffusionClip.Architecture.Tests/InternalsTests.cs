using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;

namespace DiffusionClip.Architecture;

/// <summary>
/// The applications and the codec are the library's customers: what they use of it is public, or an API is missing. Tests may look
/// inside.
/// </summary>
public sealed class InternalsTests
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    [Theory]
    [InlineData("dclip")]
    [InlineData("DiffusionClip.Worker")]
    [InlineData("DiffusionClip.Skia")]
    [InlineData("DiffusionClip.Hosting")]
    [InlineData("DiffusionClip.Onnx")]
    [InlineData("DiffusionClip.Testing")]
    public void Product_code_uses_what_is_public(string assembly)
    {
        string[] used = [.. InternalsUsedBy(assembly).Distinct().Order(StringComparer.Ordinal)];
        Assert.True(used.Length == 0, $"internals used: {string.Join(", ", used)}");
    }

    [Fact]
    public void Internals_are_shown_to_tests_alone()
    {
        string source = Path.Combine(Golden.Repository, "src");
        IEnumerable<string> shown = Directory.EnumerateFiles(source, "*.csproj", SearchOption.AllDirectories)
            .SelectMany(project => XDocument.Load(project).Descendants("InternalsVisibleTo"))
            .Select(element => element.Attribute("Include")!.Value);
        Assert.All(shown, friend => Assert.Matches(@"\.(Tests|Benchmarks)$", friend));
    }

    private static IEnumerable<string> InternalsUsedBy(string assembly)
    {
        using var file = new PEReader(File.OpenRead(Path.Combine(AppContext.BaseDirectory, $"{assembly}.dll")));
        MetadataReader reader = file.GetMetadataReader();
        var types = new Dictionary<TypeReferenceHandle, Type>();
        foreach (TypeReferenceHandle handle in reader.TypeReferences)
        {
            if (Resolve(reader, handle) is { } type)
            {
                types.Add(handle, type);
                if (!type.IsVisible)
                {
                    yield return Name(type);
                }
            }
        }

        foreach (MemberReferenceHandle handle in reader.MemberReferences)
        {
            MemberReference member = reader.GetMemberReference(handle);
            if (member.Parent.Kind == HandleKind.TypeReference && types.TryGetValue((TypeReferenceHandle)member.Parent, out Type? type)
                && type.IsVisible)
            {
                string name = reader.GetString(member.Name);
                MemberInfo[] candidates = type.GetMember(name, Declared);
                if (candidates.Length > 0 && !candidates.Any(IsPublic))
                {
                    yield return $"{Name(type)}.{name}";
                }
            }
        }
    }

    private static string Name(Type type) => type.FullName!["DiffusionClip.".Length..].Replace('+', '.');

    private static bool IsPublic(MemberInfo member) => member switch
    {
        MethodBase method => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly,
        FieldInfo field => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly,
        _ => true,
    };

    // A type of another of our assemblies.
    private static Type? Resolve(MetadataReader reader, TypeReferenceHandle handle)
    {
        TypeReference type = reader.GetTypeReference(handle);
        string name = reader.GetString(type.Name);
        switch (type.ResolutionScope.Kind)
        {
            case HandleKind.AssemblyReference:
                string assembly = reader.GetString(reader.GetAssemblyReference((AssemblyReferenceHandle)type.ResolutionScope).Name);
                return assembly.StartsWith("DiffusionClip", StringComparison.Ordinal)
                    ? Assembly.Load(assembly).GetType($"{reader.GetString(type.Namespace)}.{name}", throwOnError: true)
                    : null;
            case HandleKind.TypeReference:
                return Resolve(reader, (TypeReferenceHandle)type.ResolutionScope)?.GetNestedType(name, Declared);
            default:
                return null;
        }
    }
}

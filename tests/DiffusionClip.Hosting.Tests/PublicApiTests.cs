using System.Reflection;
using System.Runtime.CompilerServices;

namespace DiffusionClip.Hosting;

/// <summary>The public surface of the libraries is what the approved files say; a change of it is a change of a file.</summary>
public sealed class PublicApiTests
{
    private static readonly string[] _generated =
    [
        "PrintMembers",
        "<Clone>$",
        "op_Equality",
        "op_Inequality",
        "Equals",
        "GetHashCode",
        "ToString",
        "Deconstruct",
        "get_EqualityContract",
    ];

    [Theory]
    [InlineData("DiffusionClip.Abstractions")]
    [InlineData("DiffusionClip")]
    [InlineData("DiffusionClip.Onnx")]
    [InlineData("DiffusionClip.Skia")]
    [InlineData("DiffusionClip.Hosting")]
    [InlineData("DiffusionClip.ImageSharp")]
    [InlineData("DiffusionClip.Testing")]
    public async Task The_public_API_is_the_approved_one(string assembly)
    {
        string approvedPath = Path.Combine(Golden.Repository, "tests", "PublicApi", $"{assembly}.txt");
        string[] approved = File.Exists(approvedPath) ? await File.ReadAllLinesAsync(approvedPath) : [];
        string[] actual = [.. Describe(Assembly.Load(assembly))];
        if (!approved.SequenceEqual(actual))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(approvedPath)!);
            string received = Path.ChangeExtension(approvedPath, ".received.txt");
            await File.WriteAllLinesAsync(received, actual);
            Assert.Fail(
                $"The public API of {assembly} differs. New: {string.Join(" | ", actual.Except(approved).Take(8))}. Gone: {string.Join(" | ", approved.Except(actual).Take(8))}. "
                    + $"If that is meant, replace {Path.GetFileName(approvedPath)} by {Path.GetFileName(received)}.");
        }
    }

    private static IEnumerable<string> Describe(Assembly assembly) =>
        from type in assembly.GetExportedTypes().OrderBy(type => type.FullName, StringComparer.Ordinal)
        from line in Members(type).Prepend($"{Kind(type)} {type}{Bases(type)}")
        select line;

    private static string Kind(Type type) => type.IsInterface ? "interface" : type.IsEnum ? "enum" : type.IsValueType ? "struct"
        : type.IsAbstract && type.IsSealed ? "static class" : type.IsAbstract ? "abstract class" : type.IsSealed ? "sealed class" : "class";

    private static string Bases(Type type)
    {
        IEnumerable<Type> bases = type.GetInterfaces()
            .Where(candidate =>
                candidate.Assembly.GetName().Name!.StartsWith("DiffusionClip", StringComparison.Ordinal)
                || candidate == typeof(IDisposable));
        if (type.BaseType is { } parent && parent != typeof(object) && parent != typeof(ValueType) && parent != typeof(Enum))
        {
            bases = bases.Prepend(parent);
        }

        string joined = string.Join(", ", bases.Select(candidate => candidate.ToString()));
        return joined.Length == 0 ? "" : $" : {joined}";
    }

    private static IEnumerable<string> Members(Type type) =>
        type.GetMembers(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
            .Where(member => !_generated.Contains(member.Name, StringComparer.Ordinal) && member is not Type)
            .Where(member => member is not MethodInfo { IsSpecialName: true } || member.Name.StartsWith("op_", StringComparison.Ordinal))
            .Where(member => member.GetCustomAttribute<CompilerGeneratedAttribute>() is null || member is PropertyInfo)
            .Where(member => member is not FieldInfo { Name: "value__" })
            .Select(member =>
                member switch
                {
                    PropertyInfo property =>
                        $"  {property} {{{(property.GetMethod is { IsPublic: true } ? " get;" : "")}{(property.SetMethod is { IsPublic: true } setter ? IsInit(setter) ? " init;" : " set;" : "")} }}",
                    FieldInfo { IsLiteral: true } field => $"  const {field}",
                    _ => $"  {member}",
                })
            .Order(StringComparer.Ordinal);

    private static bool IsInit(MethodInfo setter) => setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));
}

using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace DiffusionClip.Denoising;

/// <summary>Names of enum values as scheduler files write them.</summary>
internal static class OptionNames
{
    private static readonly ConcurrentDictionary<Type, (string Name, object Value)[]> _names = new();

    public static string Of(Enum value) => Names(value.GetType()).First(n => n.Value.Equals(value)).Name;

    public static object Parse(Type type, string option, JsonElement value)
    {
        (string Name, object Value)[] names = Names(type);
        string? given = value.ValueKind == JsonValueKind.String ? value.GetString() : value.GetRawText();
        foreach ((string name, object known) in names)
        {
            if (string.Equals(name, given, StringComparison.Ordinal))
            {
                return known;
            }
        }

        throw new InvalidRequestException(option, given, $"known are {string.Join(", ", names.Select(n => n.Name))}");
    }

    private static (string Name, object Value)[] Names(Type type) => _names.GetOrAdd(type, static t =>
    [
        .. from field in t.GetFields(BindingFlags.Public | BindingFlags.Static)
           from name in Aliases(field)
           select (name, field.GetValue(null)!),
    ]);

    private static IEnumerable<string> Aliases(FieldInfo field)
    {
        yield return field.GetCustomAttribute<JsonStringEnumMemberNameAttribute>()?.Name
            ?? JsonNamingPolicy.SnakeCaseLower.ConvertName(field.Name);
        foreach (OptionAliasAttribute alias in field.GetCustomAttributes<OptionAliasAttribute>())
        {
            yield return alias.Name;
        }
    }
}

using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace DiffusionClip.Denoising;

/// <summary>Binds JSON values to the properties of a <see cref="SchedulerConfig"/> by their snake_case names.</summary>
internal static class SchedulerOptions
{
    private static readonly ConcurrentDictionary<Type, SortedDictionary<string, PropertyInfo>> _properties = new();

    /// <summary>The options that a configuration has, by their JSON names, in ordinal order.</summary>
    public static IReadOnlyDictionary<string, PropertyInfo> Of(Type config) => _properties.GetOrAdd(config, static type =>
    {
        var options = new SortedDictionary<string, PropertyInfo>(StringComparer.Ordinal);
        string[] without = type.GetCustomAttribute<WithoutOptionsAttribute>()?.Names ?? [];
        foreach (PropertyInfo property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.SetMethod is not null && !without.Contains(p.Name)))
        {
            options.Add(JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name), property);
        }

        return options;
    });

    /// <summary>Sets one option; null leaves what is not optional at its default.</summary>
    /// <exception cref="InvalidRequestException">The value does not fit.</exception>
    public static void Set(SchedulerConfig config, string name, JsonElement value)
    {
        PropertyInfo property = Of(config.GetType())[name];
        Type? optional = Nullable.GetUnderlyingType(property.PropertyType);
        if (value.ValueKind == JsonValueKind.Null)
        {
            if (optional is not null || !property.PropertyType.IsValueType)
            {
                property.SetValue(config, null);
            }

            return;
        }

        property.SetValue(config, Convert(name, value, optional ?? property.PropertyType));
    }

    /// <summary>The value of an option as JSON writes it.</summary>
    public static object? Get(SchedulerConfig config, string name)
    {
        object? value = Of(config.GetType())[name].GetValue(config);
        return value is Enum e ? OptionNames.Of(e) : value;
    }

    private static object Convert(string name, JsonElement value, Type type)
    {
        if (type.IsEnum)
        {
            return OptionNames.Parse(type, name, value);
        }

        if (type == typeof(bool))
        {
            return value.ValueKind switch
            {
                JsonValueKind.True => true,
                JsonValueKind.False => false,
                JsonValueKind.String when bool.TryParse(value.GetString(), out bool b) => b,
                _ => throw Invalid(name, value, "true or false is needed"),
            };
        }

        if (type == typeof(int))
        {
            double number = Number(name, value);
            return number == Math.Floor(number) && Math.Abs(number) <= int.MaxValue ? (int)number : throw Invalid(name, value, "a whole number is needed");
        }

        if (type == typeof(double))
        {
            return Number(name, value);
        }

        if (type == typeof(IReadOnlyList<double>) || type == typeof(IReadOnlyList<int>))
        {
            if (value.ValueKind != JsonValueKind.Array)
            {
                throw Invalid(name, value, "a list of numbers is needed");
            }

            double[] numbers = [.. value.EnumerateArray().Select(v => Number(name, v))];
            return type == typeof(IReadOnlyList<double>) ? numbers : Array.ConvertAll(numbers, n => (int)n);
        }

        return type == typeof(string) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw Invalid(name, value, "text is needed");
    }

    private static double Number(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => value.GetDouble(),
        JsonValueKind.String when double.TryParse(value.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double number) => number,
        _ => throw Invalid(name, value, "a number is needed"),
    };

    private static InvalidRequestException Invalid(string name, JsonElement value, string remedy) =>
        new(name, value.ValueKind == JsonValueKind.String ? value.GetString() : value.GetRawText(), remedy);
}

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
        [.. t.GetFields(BindingFlags.Public | BindingFlags.Static).SelectMany(f => Aliases(f).Select(name => (name, f.GetValue(null)!)))]);

    private static IEnumerable<string> Aliases(FieldInfo field)
    {
        yield return field.GetCustomAttribute<JsonStringEnumMemberNameAttribute>()?.Name ?? JsonNamingPolicy.SnakeCaseLower.ConvertName(field.Name);
        foreach (OptionAliasAttribute alias in field.GetCustomAttributes<OptionAliasAttribute>())
        {
            yield return alias.Name;
        }
    }
}

/// <summary>A further name that a value is read by.</summary>
[AttributeUsage(AttributeTargets.Field, AllowMultiple = true)]
internal sealed class OptionAliasAttribute(string name) : Attribute
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;
}

/// <summary>Properties of a base that this configuration does not offer as options.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class WithoutOptionsAttribute(params string[] names) : Attribute
{
    /// <summary>The properties.</summary>
    public string[] Names { get; } = names;
}

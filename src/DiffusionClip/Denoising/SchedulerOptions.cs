using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Text.Json;

namespace DiffusionClip.Denoising;

/// <summary>Options that several configurations hold as one property; the file has them beside all others.</summary>
internal abstract record OptionGroup;

/// <summary>One option: a property of a configuration or of one of its groups.</summary>
/// <param name="group">The property that holds the group; null: the configuration's own.</param>
/// <param name="property">The property.</param>
internal readonly struct SchedulerOption(PropertyInfo? group, PropertyInfo property)
{
    /// <summary>Type of its value.</summary>
    public Type Type => property.PropertyType;

    /// <summary>Its value.</summary>
    public object? Get(SchedulerConfig config) => property.GetValue(Owner(config));

    /// <summary>Sets its value; only before the configuration is handed out.</summary>
    public void Set(SchedulerConfig config, object? value) => property.SetValue(Owner(config), value);

    private object Owner(SchedulerConfig config) => group is null ? config : group.GetValue(config)!;
}

/// <summary>Binds JSON values to the properties of a <see cref="SchedulerConfig"/> by their snake_case names.</summary>
internal static class SchedulerOptions
{
    private static readonly ConcurrentDictionary<Type, SortedDictionary<string, SchedulerOption>> _options = new();

    /// <summary>The options that a configuration has, by their JSON names, in ordinal order.</summary>
    public static IReadOnlyDictionary<string, SchedulerOption> Of(Type config) => _options.GetOrAdd(config, static type =>
    {
        var options = new SortedDictionary<string, SchedulerOption>(StringComparer.Ordinal);
        string[] without = type.GetCustomAttribute<WithoutOptionsAttribute>()?.Names ?? [];
        foreach (PropertyInfo property in Settable(type).Where(property => !without.Contains(property.Name)))
        {
            if (property.PropertyType.IsSubclassOf(typeof(OptionGroup)))
            {
                foreach (PropertyInfo member in Settable(property.PropertyType))
                {
                    options.Add(NameOf(member), new SchedulerOption(property, member));
                }
            }
            else
            {
                options.Add(NameOf(property), new SchedulerOption(null, property));
            }
        }

        return options;

        static IEnumerable<PropertyInfo> Settable(Type type) =>
            type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.SetMethod is not null);

        static string NameOf(PropertyInfo property) => JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name);
    });

    /// <summary>Sets one option; null leaves what is not optional at its default.</summary>
    /// <exception cref="InvalidRequestException">The value does not fit.</exception>
    public static void Set(SchedulerConfig config, string name, JsonElement value)
    {
        SchedulerOption option = Of(config.GetType())[name];
        Type? optional = Nullable.GetUnderlyingType(option.Type);
        if (value.ValueKind == JsonValueKind.Null)
        {
            if (optional is not null || !option.Type.IsValueType)
            {
                option.Set(config, null);
            }

            return;
        }

        option.Set(config, Convert(name, value, optional ?? option.Type));
    }

    /// <summary>The value of an option as JSON writes it.</summary>
    public static object? Get(SchedulerConfig config, string name)
    {
        object? value = Of(config.GetType())[name].Get(config);
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
            return number == Math.Floor(number) && Math.Abs(number) <= int.MaxValue
                ? (int)number
                : throw Invalid(name, value, "a whole number is needed");
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
        JsonValueKind.String when Parse(value.GetString()) is { } number => number,
        _ => throw Invalid(name, value, "a number is needed"),
    };

    private static double? Parse(string? text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : null;

    private static InvalidRequestException Invalid(string name, JsonElement value, string remedy) =>
        new(name, value.ValueKind == JsonValueKind.String ? value.GetString() : value.GetRawText(), remedy);
}

using System.Collections;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;

namespace DiffusionClip.Hosting;

/// <summary>Reads the options and refuses what it does not know: a mistyped key would otherwise be silence.</summary>
internal static class OptionsReader
{
    public static DiffusionClipOptions Read(IConfiguration configuration)
    {
        DiffusionClipOptions options = Read<DiffusionClipOptions>(configuration, DiffusionClipOptions.Section);
        Validate(options);
        return options;
    }

    /// <summary>Reads a section; the caller checks ranges.</summary>
    /// <param name="configuration">The whole configuration.</param>
    /// <param name="sectionName">Name of the section.</param>
    /// <exception cref="InvalidRequestException">A key is unknown or a value is of another type.</exception>
    public static T Read<T>(IConfiguration configuration, string sectionName)
        where T : class, new()
    {
        IConfigurationSection section = configuration.GetSection(sectionName);
        CheckKeys(section, typeof(T));
        var options = new T();
        try
        {
            section.Bind(options);
        }
        catch (InvalidOperationException exception)
        {
            throw new InvalidRequestException("configuration", sectionName, exception.Message);
        }

        return options;
    }

    /// <summary>Checks that a value lies in its range.</summary>
    /// <param name="key">The key with its section, e.g. <c>Worker:Queue:Capacity</c>.</param>
    /// <param name="value">The value.</param>
    /// <param name="least">The least allowed.</param>
    /// <param name="most">The most allowed.</param>
    public static void CheckRange(string key, long value, long least, long most)
    {
        if (value < least || value > most)
        {
            throw new InvalidRequestException(
                key, value.ToString(CultureInfo.InvariantCulture), string.Create(CultureInfo.InvariantCulture, $"it lies from {least} to {most}"));
        }
    }

    private static void CheckKeys(IConfigurationSection section, Type type)
    {
        PropertyInfo[] known = type.GetProperties(BindingFlags.Public | BindingFlags.Instance);
        foreach (IConfigurationSection child in section.GetChildren())
        {
            PropertyInfo property = known.FirstOrDefault(candidate => string.Equals(candidate.Name, child.Key, StringComparison.OrdinalIgnoreCase))
                ?? throw new InvalidRequestException(child.Path, Shown(child), $"there is no such key; known are {string.Join(", ", known.Select(candidate => candidate.Name))}");
            if (property.PropertyType.IsClass && property.PropertyType != typeof(string) && !typeof(IEnumerable).IsAssignableFrom(property.PropertyType))
            {
                CheckKeys(child, property.PropertyType);
            }
        }
    }

    // What is mistyped may be a secret.
    private static string Shown(IConfigurationSection section) =>
        section.Value is null ? "(section)" : section.Path.Contains("key", StringComparison.OrdinalIgnoreCase) ? "(not shown)" : section.Value;

    private static void Validate(DiffusionClipOptions options)
    {
        CheckOwn("Candidates", options.Candidates, 1, options.Limits.Candidates);
        CheckOwn("Plan:CandidatesPerRun", options.Plan.CandidatesPerRun, 1, 64);
        CheckOwn("Limits:Candidates", options.Limits.Candidates, 1, 1_000_000);
        CheckOwn("Limits:Side", options.Limits.Side, 8, LimitOptions.MostSide);
        CheckOwn("Limits:Steps", options.Limits.Steps, 1, 10_000);
        CheckOwn("Limits:PromptLength", options.Limits.PromptLength, 1, 1 << 24);
        CheckOwn("Limits:ImagePixels", options.Limits.ImagePixels, 1, 1L << 32);
        CheckOwn("Limits:ImageBytes", options.Limits.ImageBytes, 1, 1L << 40);
        if (string.IsNullOrWhiteSpace(options.DefaultModel))
        {
            throw new InvalidRequestException("DiffusionClip:DefaultModel", options.DefaultModel, "name a model folder");
        }
    }

    private static void CheckOwn(string key, long value, long least, long most) =>
        CheckRange($"{DiffusionClipOptions.Section}:{key}", value, least, most);
}

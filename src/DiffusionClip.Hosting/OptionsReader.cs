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
        AtLeast("Candidates", options.Candidates, 1, options.Limits.Candidates);
        AtLeast("Plan:CandidatesPerRun", options.Plan.CandidatesPerRun, 1, 64);
        AtLeast("Limits:Candidates", options.Limits.Candidates, 1, 1_000_000);
        AtLeast("Limits:Side", options.Limits.Side, 8, 65_536);
        AtLeast("Limits:Steps", options.Limits.Steps, 1, 10_000);
        AtLeast("Limits:PromptLength", options.Limits.PromptLength, 1, 1 << 24);
        AtLeast("Limits:ImagePixels", options.Limits.ImagePixels, 1, 1L << 32);
        AtLeast("Limits:ImageBytes", options.Limits.ImageBytes, 1, 1L << 40);
        if (options.Scoring.Timeout < TimeSpan.FromMilliseconds(1) || options.Scoring.Timeout > TimeSpan.FromDays(1))
        {
            throw new InvalidRequestException("DiffusionClip:Scoring:Timeout", options.Scoring.Timeout.ToString(), "it lies from 1 ms to 1 day: 00:05:00");
        }

        if (string.IsNullOrWhiteSpace(options.DefaultModel))
        {
            throw new InvalidRequestException("DiffusionClip:DefaultModel", options.DefaultModel, "name a model folder");
        }
    }

    private static void AtLeast(string key, long value, long least, long most) => CheckRange($"DiffusionClip:{key}", value, least, most);
}

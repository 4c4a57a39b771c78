using System.Collections;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;

namespace DiffusionClip.Hosting;

/// <summary>Reads the options and refuses what it does not know: a mistyped key would otherwise be silence.</summary>
public static class OptionsReader
{
    private const long LeastMemory = 1L << 20;

    /// <summary>Reads the section <c>DiffusionClip</c> and checks its ranges.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <exception cref="InvalidRequestException">A key is unknown or a value cannot be used; it is named.</exception>
    public static DiffusionClipOptions Read(IConfiguration configuration)
    {
        DiffusionClipOptions options = Read<DiffusionClipOptions>(configuration, DiffusionClipOptions.Section);
        Validate(options);
        return options;
    }

    /// <summary>Lays a section over options; the caller checks ranges.</summary>
    /// <param name="configuration">The whole configuration.</param>
    /// <param name="sectionName">Name of the section.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="InvalidRequestException">A key is unknown or a value is of another type.</exception>
    public static void Bind(IConfiguration configuration, string sectionName, object options)
    {
        IConfigurationSection section = configuration.GetSection(sectionName);
        CheckKeys(section, options.GetType());
        try
        {
            section.Bind(options);
        }
        catch (InvalidOperationException exception)
        {
            throw new InvalidRequestException("configuration", sectionName, exception.Message);
        }
    }

    /// <summary>Reads a section; the caller checks ranges.</summary>
    /// <param name="configuration">The whole configuration.</param>
    /// <param name="sectionName">Name of the section.</param>
    /// <exception cref="InvalidRequestException">A key is unknown or a value is of another type.</exception>
    public static T Read<T>(IConfiguration configuration, string sectionName)
        where T : class, new()
    {
        var options = new T();
        Bind(configuration, sectionName, options);
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
                key,
                value.ToString(CultureInfo.InvariantCulture),
                string.Create(CultureInfo.InvariantCulture, $"it lies from {least} to {most}"));
        }
    }

    /// <summary>Checks ranges.</summary>
    /// <param name="options">The options.</param>
    /// <exception cref="InvalidRequestException">A value is out of range; its key is named.</exception>
    public static void Validate(DiffusionClipOptions options)
    {
        Check("Candidates", options.Candidates, 1, options.Limits.Candidates);
        Check("Plan:CandidatesPerRun", options.Plan.CandidatesPerRun, 1, 64);
        Check("Limits:Candidates", options.Limits.Candidates, 1, 1_000_000);
        Check("Plan:PicturesPerScoring", options.Plan.PicturesPerScoring, 1, 1024);

        Check("Limits:Side", options.Limits.Side, 8, LimitOptions.MostSide);
        Check("Limits:Steps", options.Limits.Steps, 1, 10_000);
        Check("Limits:PromptLength", options.Limits.PromptLength, 1, 1 << 24);
        Check("Limits:ImagePixels", options.Limits.ImagePixels, 1, 1L << 32);
        Check("Limits:ImageBytes", options.Limits.ImageBytes, 1, 1L << 40);
        Check("Runtime:Threads", options.Runtime.Threads ?? 1, 1, 1024);
        Check("Runtime:KeepLoaded", options.Runtime.KeepLoaded, 0, 1000);
        Check("Runtime:MemoryBudget", options.Runtime.MemoryBudget ?? LeastMemory, LeastMemory, 1L << 50);
        if (options.Scoring.Timeout < TimeSpan.FromMilliseconds(1) || options.Scoring.Timeout > TimeSpan.FromDays(1))
        {
            throw new InvalidRequestException(
                "DiffusionClip:Scoring:Timeout",
                options.Scoring.Timeout.ToString(),
                "it lies from 1 ms to 1 day: 00:05:00");
        }

        if (string.IsNullOrWhiteSpace(options.DefaultModel))
        {
            throw new InvalidRequestException("DiffusionClip:DefaultModel", options.DefaultModel, "name a model folder");
        }
    }

    private static void CheckKeys(IConfigurationSection section, Type parent)
    {
        PropertyInfo[] known = parent.GetProperties(BindingFlags.Public | BindingFlags.Instance);
        foreach (IConfigurationSection child in section.GetChildren())
        {
            PropertyInfo property =
                Array.Find(known, candidate => string.Equals(candidate.Name, child.Key, StringComparison.OrdinalIgnoreCase))
                ?? throw new InvalidRequestException(
                    child.Path,
                    Shown(child),
                    $"there is no such key; known are {string.Join(", ", known.Select(candidate => candidate.Name))}");
            Type type = property.PropertyType;
            if (type.IsClass && type != typeof(string) && !typeof(IEnumerable).IsAssignableFrom(type))
            {
                CheckKeys(child, type);
            }
        }
    }

    // What is mistyped may be a secret.
    private static string Shown(IConfigurationSection section) => section.Value is null ? "(section)"
        : section.Path.Contains("key", StringComparison.OrdinalIgnoreCase) ? "(not shown)"
        : section.Value;

    private static void Check(string key, long value, long least, long most) => CheckRange($"DiffusionClip:{key}", value, least, most);
}

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
        IConfigurationSection section = configuration.GetSection(DiffusionClipOptions.Section);
        CheckKeys(section, typeof(DiffusionClipOptions));
        var options = new DiffusionClipOptions();
        try
        {
            section.Bind(options);
        }
        catch (InvalidOperationException exception)
        {
            throw new InvalidRequestException("configuration", DiffusionClipOptions.Section, exception.Message);
        }

        Validate(options);
        return options;
    }

    private static void CheckKeys(IConfigurationSection section, Type type)
    {
        PropertyInfo[] known = type.GetProperties(BindingFlags.Public | BindingFlags.Instance);
        foreach (IConfigurationSection child in section.GetChildren())
        {
            PropertyInfo property = known.FirstOrDefault(candidate => string.Equals(candidate.Name, child.Key, StringComparison.OrdinalIgnoreCase))
                ?? throw new InvalidRequestException(child.Path, child.Value ?? "(section)", $"there is no such key; known are {string.Join(", ", known.Select(candidate => candidate.Name))}");
            if (property.PropertyType.IsClass && property.PropertyType != typeof(string) && !typeof(IEnumerable).IsAssignableFrom(property.PropertyType))
            {
                CheckKeys(child, property.PropertyType);
            }
        }
    }

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
        if (string.IsNullOrWhiteSpace(options.DefaultModel))
        {
            throw new InvalidRequestException("DiffusionClip:DefaultModel", options.DefaultModel, "name a model folder");
        }
    }

    private static void AtLeast(string key, long value, long least, long most)
    {
        if (value < least || value > most)
        {
            throw new InvalidRequestException(
                $"DiffusionClip:{key}", value.ToString(CultureInfo.InvariantCulture), string.Create(CultureInfo.InvariantCulture, $"it lies from {least} to {most}"));
        }
    }
}

using System.Collections.Frozen;
using System.Text.Json;
using DiffusionClip.Naming;

namespace DiffusionClip.Denoising;

/// <summary>The configuration of a run: a folder's, moved to another class where a name asks for one, with options laid over it.</summary>
internal static class SchedulerMerge
{
    // Keys of classes that are not here, which files of compatible classes carry along.
    private static readonly string[] _otherKeys =
        ["noise_sampler_seed", "s_noise", "clip_denoised", "snr_shift_scale", "quantization_config", "scale_factors", "upscale_mode"];

    /// <inheritdoc cref="SchedulerCatalog.Configure"/>
    public static SchedulerConfig Configure(
        JsonElement folderConfig, string? schedulerName, IReadOnlyDictionary<string, JsonElement>? overrides)
    {
        bool hasFolder = folderConfig.ValueKind == JsonValueKind.Object;
        string? folderClass = hasFolder ? ClassNameOf(folderConfig) : null;
        ResolvedScheduler resolved = schedulerName is null ? OfFolder(folderClass)
            : ForFlow(SchedulerCatalog.Resolve(schedulerName), schedulerName, folderClass);
        if (!SchedulerRegistry.TryGet(resolved.ClassName, out SchedulerClass? found))
        {
            string? nearest = Suggestions.Nearest(resolved.ClassName, SchedulerRegistry.Names);
            throw new InvalidRequestException(
                "_class_name", resolved.ClassName, $"known are {string.Join(", ", SchedulerRegistry.Names)}; nearest is {nearest}");
        }

        SchedulerConfig config = found.Create();
        if (hasFolder)
        {
            bool sameClass = folderClass is null || string.Equals(folderClass, found.Name, StringComparison.OrdinalIgnoreCase);
            TakeOver(config, found, folderConfig, sameClass);
        }

        foreach ((string key, JsonElement value) in resolved.Options)
        {
            if (found.Options.Contains(key, StringComparer.Ordinal))
            {
                SchedulerOptions.Set(config, key, value.ValueKind == JsonValueKind.Null ? JsonSerializer.SerializeToElement(false) : value);
            }
        }

        foreach ((string key, JsonElement value) in overrides ?? FrozenDictionary<string, JsonElement>.Empty)
        {
            if (!found.Options.Contains(key, StringComparer.Ordinal))
            {
                string known = string.Join(", ", found.Options);
                throw new InvalidRequestException(
                    $"scheduler_options.{key}",
                    value.ToString(),
                    $"{found.Name} has the options {known}; nearest is {Suggestions.Nearest(key, found.Options)}");
            }

            SchedulerOptions.Set(config, key, value);
        }

        return config;
    }

    private static string? ClassNameOf(JsonElement folder) =>
        folder.TryGetProperty("_class_name", out JsonElement name) && name.ValueKind == JsonValueKind.String ? name.GetString() : null;

    private static ResolvedScheduler OfFolder(string? folderClass) => folderClass is not null
        ? new(folderClass, FrozenDictionary<string, JsonElement>.Empty)
        : throw new InvalidRequestException(
            "_class_name", null, "scheduler_config.json has to name its class, or a scheduler has to be named");

    private static void TakeOver(SchedulerConfig config, SchedulerClass own, JsonElement folder, bool sameClass)
    {
        HashSet<string> defaults =
            folder.TryGetProperty("_use_default_values", out JsonElement list) && list.ValueKind == JsonValueKind.Array
                ? [.. list.EnumerateArray().Select(e => e.ToString())]
                : [];
        foreach (JsonProperty property in folder.EnumerateObject())
        {
            if (property.Name.StartsWith('_') || defaults.Contains(property.Name))
            {
                continue;
            }

            if (own.Options.Contains(property.Name, StringComparer.Ordinal))
            {
                try
                {
                    SchedulerOptions.Set(config, property.Name, property.Value);
                }
                catch (InvalidRequestException) when (!sameClass)
                {
                    // Another class's word (say, its algorithm_type) that this class does not know: its default stands.
                }
            }
            else if (!SchedulerRegistry.AllOptions.Contains(property.Name) && !_otherKeys.Contains(property.Name, StringComparer.Ordinal))
            {
                throw new InvalidRequestException(
                    $"scheduler_config.json: {property.Name}",
                    property.Value.ToString(),
                    $"no scheduler has this key; nearest is {Suggestions.Nearest(property.Name, SchedulerRegistry.AllOptions)}");
            }
        }
    }

    // "Euler" on a flow model is its own Euler: so ComfyUI and InvokeAI say.
    private static ResolvedScheduler ForFlow(ResolvedScheduler resolved, string name, string? folderClass)
    {
        if (folderClass?.StartsWith("FlowMatch", StringComparison.OrdinalIgnoreCase) != true || SchedulerRegistry.Contains(name.Trim()))
        {
            return resolved;
        }

        string? flow = resolved.ClassName switch
        {
            "EulerDiscreteScheduler" => "FlowMatchEulerDiscreteScheduler",
            "HeunDiscreteScheduler" => "FlowMatchHeunDiscreteScheduler",
            _ => null,
        };
        return flow is null ? resolved : resolved with { ClassName = SchedulerRegistry.Get(flow).Name };
    }
}

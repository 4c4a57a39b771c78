using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;
using DiffusionClip.Naming;

namespace DiffusionClip.Denoising;

/// <summary>
/// The names that schedulers have elsewhere: A1111's labels with their schedule types, aliases of k-diffusion, ComfyUI and InvokeAI.
/// </summary>
internal static class SamplerNames
{
    private static readonly SchedulerDescriptor[] _all =
    [
        Entry("Euler", "EulerDiscreteScheduler", ["k_euler"]),
        Entry("Euler a", "EulerAncestralDiscreteScheduler", ["k_euler_a", "k_euler_ancestral", "euler_ancestral", "euler_a"]),
        Entry("LMS", "LMSDiscreteScheduler", ["k_lms"]),
        Entry("Heun", "HeunDiscreteScheduler", ["k_heun"]),
        Entry("DPM2", "KDPM2DiscreteScheduler", ["k_dpm_2", "dpm_2", "kdpm_2"]),
        Entry("DPM2 a", "KDPM2AncestralDiscreteScheduler", ["k_dpm_2_a", "k_dpm_2_ancestral", "dpm_2_ancestral", "kdpm_2_a"]),
        Entry("DPM++ 2M", "DPMSolverMultistepScheduler", ["k_dpmpp_2m", "dpmpp_2m"]),
        Entry(
            "DPM++ 2M SDE",
            "DPMSolverMultistepScheduler",
            ["k_dpmpp_2m_sde", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu"],
            """{"algorithm_type":"sde-dpmsolver++"}"""),
        Entry(
            "DPM++ 2M SDE Heun",
            "DPMSolverMultistepScheduler",
            ["k_dpmpp_2m_sde_heun"],
            """{"algorithm_type":"sde-dpmsolver++","solver_type":"heun"}"""),
        Entry("DPM++ 3M", "DPMSolverMultistepScheduler", ["dpmpp_3m"], """{"solver_order":3}"""),
        Entry("DPM++ SDE", "DPMSolverSinglestepScheduler", ["k_dpmpp_sde", "dpmpp_sde", "dpmpp_sde_gpu"]),
        Entry("DPM++ 2S", "DPMSolverSinglestepScheduler", ["dpmpp_2s"]),
        Entry("DDIM", "DDIMScheduler", ["k_ddim"]),
        Entry("DDPM", "DDPMScheduler", []),
        Entry("PLMS", "PNDMScheduler", [], """{"skip_prk_steps":true}"""),
        Entry("PNDM", "PNDMScheduler", []),
        Entry("UniPC", "UniPCMultistepScheduler", ["uni_pc", "uni_pc_bh2"]),
        Entry("LCM", "LCMScheduler", ["k_lcm"]),
        Entry("TCD", "TCDScheduler", []),
        Entry("DEIS", "DEISMultistepScheduler", ["deis_multistep"]),
        Entry("IPNDM", "IPNDMScheduler", []),
        Entry("SA-Solver", "SASolverScheduler", ["sa_solver"]),
        Entry("Flow Euler", "FlowMatchEulerDiscreteScheduler", ["flow_euler", "flow_match_euler"]),
        Entry("Flow Heun", "FlowMatchHeunDiscreteScheduler", ["flow_heun", "flow_match_heun"]),
        Entry("EDM Euler", "EDMEulerScheduler", ["edm_euler"]),
        Entry("EDM DPM++ 2M", "EDMDPMSolverMultistepScheduler", ["edm_dpmpp_2m"]),
    ];

    private static readonly FrozenDictionary<string, SchedulerDescriptor> _byName = _all
        .SelectMany(descriptor => descriptor.Aliases.Prepend(descriptor.Label), (descriptor, name) => (descriptor, name))
        .ToFrozenDictionary(entry => entry.name, entry => entry.descriptor, StringComparer.OrdinalIgnoreCase);

    // Labels that other programs have and diffusers has not; the second is what comes nearest.
    private static readonly FrozenDictionary<string, string> _withoutCounterpart = new Dictionary<string, string>
    {
        ["DPM++ 2S a"] = "DPM++ SDE",
        ["k_dpmpp_2s_a"] = "DPM++ SDE",
        ["dpmpp_2s_ancestral"] = "DPM++ SDE",
        ["DPM++ 3M SDE"] = "DPM++ 2M SDE",
        ["k_dpmpp_3m_sde"] = "DPM++ 2M SDE",
        ["dpmpp_3m_sde"] = "DPM++ 2M SDE",
        ["dpmpp_3m_sde_gpu"] = "DPM++ 2M SDE",
        ["DPM fast"] = "DPM++ 2M",
        ["k_dpm_fast"] = "DPM++ 2M",
        ["dpm_fast"] = "DPM++ 2M",
        ["DPM adaptive"] = "DPM++ 2M",
        ["k_dpm_ad"] = "DPM++ 2M",
        ["dpm_adaptive"] = "DPM++ 2M",
        ["Restart"] = "Heun",
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    private const string NoConversion = """{"use_karras_sigmas":null,"use_exponential_sigmas":null,"use_beta_sigmas":null""";

    private static readonly FrozenDictionary<string, IReadOnlyDictionary<string, JsonElement>> _scheduleTypes =
        new Dictionary<string, string>
        {
            ["Karras"] = NoConversion + ""","use_karras_sigmas":true}""",
            ["Exponential"] = NoConversion + ""","use_exponential_sigmas":true,"timestep_spacing":"linspace"}""",
            ["Beta"] = NoConversion + ""","use_beta_sigmas":true,"timestep_spacing":"linspace"}""",
            ["SGM Uniform"] = NoConversion + ""","timestep_spacing":"trailing"}""",
            ["Simple"] = NoConversion + ""","timestep_spacing":"trailing"}""",
            ["Uniform"] = NoConversion + "}",
        }.ToFrozenDictionary(p => p.Key, p => Options(p.Value), StringComparer.OrdinalIgnoreCase);

    private static readonly string[] _scheduleTypesWithoutCounterpart =
        ["Polyexponential", "KL Optimal", "Align Your Steps", "Normal", "DDIM", "Turbo"];

    // What A1111's "Automatic" means, where it does not mean uniform.
    private static readonly FrozenDictionary<string, string> _automatic = new Dictionary<string, string>
    {
        ["DPM++ 2M"] = "Karras",
        ["DPM++ SDE"] = "Karras",
        ["DPM2"] = "Karras",
        ["DPM2 a"] = "Karras",
        ["DPM++ 2M SDE"] = "Exponential",
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>What there is, in the order of a menu.</summary>
    public static IReadOnlyList<SchedulerDescriptor> All => _all;

    /// <inheritdoc cref="SchedulerCatalog.Resolve"/>
    public static ResolvedScheduler Resolve(string name)
    {
        string trimmed = name.Trim();
        if (Find(trimmed) is { } found)
        {
            return found;
        }

        foreach ((string suffix, string type) in Suffixes(trimmed))
        {
            string stem = trimmed[..^suffix.Length];
            if (Find(stem) is { } sampler)
            {
                return WithScheduleType(sampler, type == "Automatic" ? Automatic(stem) : type, name);
            }
        }

        string plain = Suffixes(trimmed).Select(s => trimmed[..^s.Suffix.Length]).FirstOrDefault(_withoutCounterpart.ContainsKey)
            ?? trimmed;
        if (_withoutCounterpart.TryGetValue(plain, out string? counterpart))
        {
            throw new InvalidRequestException("scheduler", name, $"it has no exact counterpart here; nearest is {counterpart}");
        }

        string? nearest = Suggestions.Nearest(trimmed, _byName.Keys.Concat(SchedulerRegistry.Names));
        string known = string.Join(", ", _all.Select(descriptor => descriptor.Label));
        throw new InvalidRequestException("scheduler", name, $"known are {known}; nearest is {nearest}");
    }

    /// <inheritdoc cref="SchedulerCatalog.Label"/>
    public static SchedulerReport Label(SchedulerConfig config)
    {
        IReadOnlyDictionary<string, SchedulerOption> options = SchedulerOptions.Of(config.GetType());
        SchedulerDescriptor descriptor = _all.Where(entry => entry.ClassName == config.ClassName)
            .Where(entry => entry.Options.All(option => Text(option.Value) == Text(SchedulerOptions.Get(config, option.Key))))
            .MaxBy(entry => entry.Options.Count) ?? _all.First(entry => entry.ClassName == config.ClassName);
        string? type = null;
        if (options.ContainsKey("use_karras_sigmas"))
        {
            type = Is("use_karras_sigmas", true) ? "Karras"
                : Is("use_exponential_sigmas", true) ? "Exponential"
                : Is("use_beta_sigmas", true) ? "Beta"
                : Is("timestep_spacing", "trailing") ? "SGM Uniform"
                : _automatic.ContainsKey(descriptor.Label) ? "Uniform"
                : null;
        }

        return new(config.ClassName, descriptor.Label, type);

        bool Is(string option, object value) => options.ContainsKey(option) && Equals(SchedulerOptions.Get(config, option), value);
        static string? Text(object? value) => value is JsonElement e
            ? (e.ValueKind is JsonValueKind.True or JsonValueKind.False ? e.GetBoolean().ToString() : e.ToString())
            : Convert.ToString(value, CultureInfo.InvariantCulture);
    }

    private static ResolvedScheduler WithScheduleType(ResolvedScheduler sampler, string schedule, string name)
    {
        if (!_scheduleTypes.TryGetValue(schedule, out IReadOnlyDictionary<string, JsonElement>? options))
        {
            string known = string.Join(", ", _scheduleTypes.Keys.Order(StringComparer.Ordinal));
            throw new InvalidRequestException("scheduler", name, $"schedule type {schedule} has no counterpart here; known are {known}");
        }

        IReadOnlyList<string> own = SchedulerRegistry.Get(sampler.ClassName).Options;
        string? missing = options.Keys.FirstOrDefault(key => IsEssential(options[key]) && !own.Contains(key, StringComparer.Ordinal));
        if (missing is not null)
        {
            throw new InvalidRequestException(
                "scheduler",
                name,
                $"{sampler.ClassName} has no {missing}, so it has no schedule type {schedule}; "
                    + "leave the schedule type out or choose another sampler");
        }

        var merged = new Dictionary<string, JsonElement>(sampler.Options, StringComparer.Ordinal);
        foreach ((string key, JsonElement value) in options)
        {
            merged[key] = value;
        }

        return new(sampler.ClassName, merged);
    }

    private static string Automatic(string sampler) =>
        _byName.TryGetValue(sampler, out SchedulerDescriptor? descriptor) && _automatic.TryGetValue(descriptor.Label, out string? type)
            ? type
            : "Uniform";

    // What a class cannot do without; linspace is what classes without a choice of spacing do anyway.
    private static bool IsEssential(JsonElement value) =>
        value.ValueKind == JsonValueKind.True || (value.ValueKind == JsonValueKind.String && value.GetString() != "linspace");

    private static ResolvedScheduler? Find(string name) =>
        _byName.TryGetValue(name, out SchedulerDescriptor? descriptor) ? new(descriptor.ClassName, descriptor.Options)
        : SchedulerRegistry.TryGet(name, out SchedulerClass? found) ? new(found.Name, FrozenDictionary<string, JsonElement>.Empty)
        : null;

    // "DPM++ 2M Karras", "dpmpp_2m_karras", and InvokeAI's "dpmpp_2m_k".
    private static IEnumerable<(string Suffix, string Type)> Suffixes(string name)
    {
        IEnumerable<string> types = _scheduleTypes.Keys.Concat(_scheduleTypesWithoutCounterpart).Append("Automatic");
        foreach (string type in types.OrderByDescending(type => type.Length))
        {
            foreach (string suffix in new[] { " " + type, "_" + type.Replace(' ', '_') })
            {
                if (name.EndsWith(suffix, StringComparison.OrdinalIgnoreCase))
                {
                    yield return (suffix, type);
                }
            }
        }

        if (name.EndsWith("_k", StringComparison.OrdinalIgnoreCase))
        {
            yield return ("_k", "Karras");
        }
    }

    // The class is looked up here, so that a mistyped name fails at the first use of the table instead of losing a sampler.
    private static SchedulerDescriptor Entry(string label, string className, string[] aliases, string options = "{}") =>
        new(label, SchedulerRegistry.Get(className).Name, aliases, Options(options));

    private static IReadOnlyDictionary<string, JsonElement> Options(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        var options = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (JsonProperty property in document.RootElement.EnumerateObject())
        {
            options[property.Name] = property.Value.Clone();
        }

        return options;
    }
}

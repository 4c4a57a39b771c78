using System.Collections.Frozen;
using System.Text.Json;
using DiffusionClip.Denoising.Schedulers;

namespace DiffusionClip.Denoising;

/// <summary>A sampler as users know it.</summary>
/// <param name="Label">The A1111 label, e.g. <c>DPM++ 2M SDE</c>, or the class's plain name where A1111 has none.</param>
/// <param name="ClassName">The diffusers class, e.g. <c>DPMSolverMultistepScheduler</c>.</param>
/// <param name="Aliases">Names that other programs use: k-diffusion, ComfyUI, InvokeAI.</param>
/// <param name="Options">Options of the class that the label stands for, by their JSON names.</param>
public sealed record SchedulerDescriptor(string Label, string ClassName, IReadOnlyList<string> Aliases, IReadOnlyDictionary<string, JsonElement> Options);

/// <summary>A name resolved: which class, and which options the name stands for.</summary>
/// <param name="ClassName">The diffusers class.</param>
/// <param name="Options">Options that the name implies; a value of null means: turn it off where the class has it.</param>
public sealed record ResolvedScheduler(string ClassName, IReadOnlyDictionary<string, JsonElement> Options);

/// <summary>All schedulers by all their names; and the way from a folder's configuration, a name and options to a <see cref="SchedulerConfig"/>.</summary>
public static class SchedulerCatalog
{
    private static readonly Func<SchedulerConfig>[] _classes =
    [
        () => new DdimConfig(),
        () => new DdpmConfig(),
        () => new DeisMultistepConfig(),
        () => new DpmSolverMultistepConfig(),
        () => new DpmSolverSinglestepConfig(),
        () => new EdmDpmSolverMultistepConfig(),
        () => new EdmEulerConfig(),
        () => new EulerAncestralDiscreteConfig(),
        () => new EulerDiscreteConfig(),
        () => new FlowMatchEulerDiscreteConfig(),
        () => new FlowMatchHeunDiscreteConfig(),
        () => new HeunDiscreteConfig(),
        () => new IpndmConfig(),
        () => new Kdpm2AncestralDiscreteConfig(),
        () => new Kdpm2DiscreteConfig(),
        () => new LcmConfig(),
        () => new LmsDiscreteConfig(),
        () => new PndmConfig(),
        () => new SASolverConfig(),
        () => new TcdConfig(),
        () => new UniPCMultistepConfig(),
    ];

    private static readonly FrozenDictionary<string, Func<SchedulerConfig>> _byClass =
        _classes.ToFrozenDictionary(create => create().ClassName, StringComparer.OrdinalIgnoreCase);

    private static readonly SchedulerDescriptor[] _all = [.. new[]
    {
        Entry("Euler", "EulerDiscreteScheduler", ["k_euler"]),
        Entry("Euler a", "EulerAncestralDiscreteScheduler", ["k_euler_a", "k_euler_ancestral", "euler_ancestral", "euler_a"]),
        Entry("LMS", "LMSDiscreteScheduler", ["k_lms"]),
        Entry("Heun", "HeunDiscreteScheduler", ["k_heun"]),
        Entry("DPM2", "KDPM2DiscreteScheduler", ["k_dpm_2", "dpm_2", "kdpm_2"]),
        Entry("DPM2 a", "KDPM2AncestralDiscreteScheduler", ["k_dpm_2_a", "k_dpm_2_ancestral", "dpm_2_ancestral", "kdpm_2_a"]),
        Entry("DPM++ 2M", "DPMSolverMultistepScheduler", ["k_dpmpp_2m", "dpmpp_2m"]),
        Entry("DPM++ 2M SDE", "DPMSolverMultistepScheduler", ["k_dpmpp_2m_sde", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu"], """{"algorithm_type":"sde-dpmsolver++"}"""),
        Entry("DPM++ 2M SDE Heun", "DPMSolverMultistepScheduler", ["k_dpmpp_2m_sde_heun"], """{"algorithm_type":"sde-dpmsolver++","solver_type":"heun"}"""),
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
    }.Where(e => _byClass.ContainsKey(e.ClassName))];

    private static readonly FrozenDictionary<string, SchedulerDescriptor> _byName = _all
        .SelectMany(d => d.Aliases.Prepend(d.Label), (d, name) => (d, name))
        .ToFrozenDictionary(p => p.name, p => p.d, StringComparer.OrdinalIgnoreCase);

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

    private static readonly FrozenDictionary<string, IReadOnlyDictionary<string, JsonElement>> _scheduleTypes = new Dictionary<string, string>
    {
        ["Karras"] = NoConversion + ""","use_karras_sigmas":true}""",
        ["Exponential"] = NoConversion + ""","use_exponential_sigmas":true,"timestep_spacing":"linspace"}""",
        ["Beta"] = NoConversion + ""","use_beta_sigmas":true,"timestep_spacing":"linspace"}""",
        ["SGM Uniform"] = NoConversion + ""","timestep_spacing":"trailing"}""",
        ["Simple"] = NoConversion + ""","timestep_spacing":"trailing"}""",
        ["Uniform"] = NoConversion + "}",
    }.ToFrozenDictionary(p => p.Key, p => Options(p.Value), StringComparer.OrdinalIgnoreCase);

    private static readonly string[] _scheduleTypesWithoutCounterpart = ["Polyexponential", "KL Optimal", "Align Your Steps", "Normal", "DDIM", "Turbo"];

    // What A1111's "Automatic" means, where it does not mean uniform.
    private static readonly FrozenDictionary<string, string> _automatic = new Dictionary<string, string>
    {
        ["DPM++ 2M"] = "Karras",
        ["DPM++ SDE"] = "Karras",
        ["DPM2"] = "Karras",
        ["DPM2 a"] = "Karras",
        ["DPM++ 2M SDE"] = "Exponential",
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    // Keys of classes that are not here, which files of compatible classes carry along.
    private static readonly string[] _otherKeys =
        ["noise_sampler_seed", "s_noise", "clip_denoised", "snr_shift_scale", "quantization_config", "scale_factors", "upscale_mode"];

    /// <summary>What there is, in the order of a menu.</summary>
    public static IReadOnlyList<SchedulerDescriptor> All => _all;

    /// <summary>Which class and options a name stands for: A1111's labels (old ones with their schedule type, too), aliases of k-diffusion, ComfyUI and InvokeAI, class names. Case does not matter.</summary>
    /// <exception cref="InvalidRequestException">Nobody knows the name, or diffusers has nothing like it; the message names the nearest.</exception>
    public static ResolvedScheduler Resolve(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        string trimmed = name.Trim();
        if (Find(trimmed) is { } found)
        {
            return found;
        }

        foreach ((string suffix, string type) in Suffixes(trimmed))
        {
            string stem = trimmed[..^suffix.Length];
            if (Find(stem) is not { } sampler)
            {
                continue;
            }

            string schedule = type == "Automatic" ? Automatic(stem) : type;
            if (!_scheduleTypes.TryGetValue(schedule, out IReadOnlyDictionary<string, JsonElement>? options))
            {
                throw new InvalidRequestException("scheduler", name, $"schedule type {schedule} has no counterpart here; known are {string.Join(", ", _scheduleTypes.Keys.Order(StringComparer.Ordinal))}");
            }

            if (options.FirstOrDefault(o => IsEssential(o) && !OptionsOf(sampler.ClassName).ContainsKey(o.Key)).Key is { } missing)
            {
                throw new InvalidRequestException("scheduler", name,
                    $"{sampler.ClassName} has no {missing}, so it has no schedule type {schedule}; leave the schedule type out or choose another sampler");
            }

            var merged = new Dictionary<string, JsonElement>(sampler.Options);
            foreach ((string key, JsonElement value) in options)
            {
                merged[key] = value;
            }

            return new(sampler.ClassName, merged);
        }

        string plain = Suffixes(trimmed).Select(s => trimmed[..^s.Suffix.Length]).FirstOrDefault(_withoutCounterpart.ContainsKey) ?? trimmed;
        string[] known = [.. _all.Select(d => d.Label)];
        if (_withoutCounterpart.TryGetValue(plain, out string? counterpart))
        {
            string near = _byName.ContainsKey(counterpart) ? counterpart : Nearest(counterpart, known);
            throw new InvalidRequestException("scheduler", name, $"it has no exact counterpart here; nearest is {near}");
        }

        string nearest = Nearest(trimmed, _byName.Keys.Concat(_byClass.Keys));
        throw new InvalidRequestException("scheduler", name, $"known are {string.Join(", ", known)}; nearest is {nearest}");
    }

    /// <summary>
    /// The configuration of a run: the folder's, moved to another class where a name asks for one, with options laid over it.
    /// Keys that both classes have keep the folder's values, all others get the new class's defaults, as diffusers' <c>from_config</c> does.
    /// </summary>
    /// <param name="folderConfig">The folder's <c>scheduler_config.json</c> (see <see cref="SchedulerConfigJson"/>), or an undefined element for none.</param>
    /// <param name="schedulerName">Any name that <see cref="Resolve"/> knows; null: the folder's own class.</param>
    /// <param name="overrides">Options by their JSON names; they win over the name's and the folder's.</param>
    /// <exception cref="InvalidRequestException">A name, key or value cannot be used; the message names it and what could.</exception>
    public static SchedulerConfig Configure(JsonElement folderConfig, string? schedulerName, IReadOnlyDictionary<string, JsonElement>? overrides)
    {
        bool hasFolder = folderConfig.ValueKind == JsonValueKind.Object;
        string? folderClass = hasFolder && folderConfig.TryGetProperty("_class_name", out JsonElement c) && c.ValueKind == JsonValueKind.String ? c.GetString() : null;
        ResolvedScheduler resolved = schedulerName is not null
            ? ForFlow(Resolve(schedulerName), schedulerName, folderClass)
            : new(folderClass ?? throw new InvalidRequestException("_class_name", null, "scheduler_config.json has to name its class, or a scheduler has to be named"), FrozenDictionary<string, JsonElement>.Empty);
        if (!_byClass.TryGetValue(resolved.ClassName, out Func<SchedulerConfig>? create))
        {
            throw new InvalidRequestException("_class_name", resolved.ClassName,
                $"known are {string.Join(", ", _byClass.Keys.Order(StringComparer.Ordinal))}; nearest is {Nearest(resolved.ClassName, _byClass.Keys)}");
        }

        SchedulerConfig config = create();
        IEnumerable<string> options = SchedulerOptions.Of(config.GetType()).Keys;
        if (hasFolder)
        {
            TakeOver(config, folderConfig, sameClass: folderClass is null || string.Equals(folderClass, config.ClassName, StringComparison.OrdinalIgnoreCase));
        }

        foreach ((string key, JsonElement value) in resolved.Options)
        {
            if (SchedulerOptions.Of(config.GetType()).ContainsKey(key))
            {
                SchedulerOptions.Set(config, key, value.ValueKind == JsonValueKind.Null ? JsonSerializer.SerializeToElement(false) : value);
            }
        }

        foreach ((string key, JsonElement value) in overrides ?? FrozenDictionary<string, JsonElement>.Empty)
        {
            if (!options.Contains(key))
            {
                throw new InvalidRequestException($"scheduler_options.{key}", value.ToString(),
                    $"{config.ClassName} has the options {string.Join(", ", options)}; nearest is {Nearest(key, options)}");
            }

            SchedulerOptions.Set(config, key, value);
        }

        return config;
    }

    /// <summary>What A1111 would call a configuration.</summary>
    public static SamplerReport Label(SchedulerConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        IReadOnlyDictionary<string, System.Reflection.PropertyInfo> options = SchedulerOptions.Of(config.GetType());
        SchedulerDescriptor descriptor = _all.Where(d => d.ClassName == config.ClassName)
            .Where(d => d.Options.All(o => Text(o.Value) == Text(SchedulerOptions.Get(config, o.Key))))
            .MaxBy(d => d.Options.Count) ?? _all.First(d => d.ClassName == config.ClassName);
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
            : Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture);
    }

    private static void TakeOver(SchedulerConfig config, JsonElement folder, bool sameClass)
    {
        IReadOnlyDictionary<string, System.Reflection.PropertyInfo> options = SchedulerOptions.Of(config.GetType());
        HashSet<string> defaults = folder.TryGetProperty("_use_default_values", out JsonElement list) && list.ValueKind == JsonValueKind.Array
            ? [.. list.EnumerateArray().Select(e => e.ToString())]
            : [];
        foreach (JsonProperty property in folder.EnumerateObject())
        {
            if (property.Name.StartsWith('_') || defaults.Contains(property.Name))
            {
                continue;
            }

            if (options.ContainsKey(property.Name))
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
            else if (!_byClass.Values.Any(create => OptionsOf(create().ClassName).ContainsKey(property.Name)) && !_otherKeys.Contains(property.Name, StringComparer.Ordinal))
            {
                throw new InvalidRequestException($"scheduler_config.json: {property.Name}", property.Value.ToString(),
                    $"no scheduler has this key; nearest is {Nearest(property.Name, _byClass.Values.SelectMany(create => OptionsOf(create().ClassName).Keys).Distinct())}");
            }
        }
    }

    // "Euler" on a flow model is its own Euler: so ComfyUI and InvokeAI say.
    private static ResolvedScheduler ForFlow(ResolvedScheduler resolved, string name, string? folderClass)
    {
        if (folderClass?.StartsWith("FlowMatch", StringComparison.OrdinalIgnoreCase) != true || _byClass.ContainsKey(name.Trim()))
        {
            return resolved;
        }

        string? flow = resolved.ClassName switch
        {
            "EulerDiscreteScheduler" => "FlowMatchEulerDiscreteScheduler",
            "HeunDiscreteScheduler" => "FlowMatchHeunDiscreteScheduler",
            _ => null,
        };
        return flow is not null && _byClass.ContainsKey(flow) ? resolved with { ClassName = flow } : resolved;
    }

    private static string Automatic(string sampler) =>
        _byName.TryGetValue(sampler, out SchedulerDescriptor? d) && _automatic.TryGetValue(d.Label, out string? type) ? type : "Uniform";

    // What a class cannot do without; linspace is what classes without a choice of spacing do anyway.
    private static bool IsEssential(KeyValuePair<string, JsonElement> option) =>
        option.Value.ValueKind == JsonValueKind.True || (option.Value.ValueKind == JsonValueKind.String && option.Value.GetString() != "linspace");

    private static ResolvedScheduler? Find(string name) =>
        _byName.TryGetValue(name, out SchedulerDescriptor? descriptor) ? new(descriptor.ClassName, descriptor.Options)
        : _byClass.TryGetValue(name, out Func<SchedulerConfig>? create) ? new(create().ClassName, FrozenDictionary<string, JsonElement>.Empty)
        : null;

    // "DPM++ 2M Karras", "dpmpp_2m_karras", and InvokeAI's "dpmpp_2m_k".
    private static IEnumerable<(string Suffix, string Type)> Suffixes(string name)
    {
        foreach (string type in _scheduleTypes.Keys.Concat(_scheduleTypesWithoutCounterpart).Append("Automatic").OrderByDescending(t => t.Length))
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

    private static IReadOnlyDictionary<string, System.Reflection.PropertyInfo> OptionsOf(string className) =>
        SchedulerOptions.Of(_byClass[className]().GetType());

    private static SchedulerDescriptor Entry(string label, string className, string[] aliases, string options = "{}") =>
        new(label, className, aliases, Options(options));

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

    private static string Nearest(string given, IEnumerable<string> known) =>
        known.MinBy(k => Distance(given.ToUpperInvariant(), k.ToUpperInvariant()))!;

    // Levenshtein's distance.
    private static int Distance(string a, string b)
    {
        if (a.Length > 100)
        {
            a = a[..100];
        }

        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substituted, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}

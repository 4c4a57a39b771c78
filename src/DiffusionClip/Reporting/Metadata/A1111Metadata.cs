using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>AUTOMATIC1111's web UI and all that write its infotext: Forge, stable-diffusion.cpp, image savers of ComfyUI.</summary>
internal static class A1111Metadata
{
    private static readonly string[] OldSchedules = [" Karras", " Exponential", " Polyexponential", " SGM Uniform"];

    public static PictureMetadata? Read(MetadataTexts texts)
    {
        if (texts["parameters"] is not { } text || PythonText.Strip(text).Length == 0)
        {
            return null;
        }

        Infotext infotext = Infotext.Parse(text);
        OrderedDictionary<string, string> rest = [];
        foreach (InfotextField field in infotext.Fields)
        {
            rest[field.Key] = field.Value;
        }

        // A field leaves the rest only if its value can be used.
        T? Take<T>(string key, Func<string, T?> read)
        {
            if (!rest.TryGetValue(key, out string? value) || read(value) is not { } result)
            {
                return default;
            }

            rest.Remove(key);
            return result;
        }

        static string? AsText(string value) => value;

        string? scheduler = Take("Schedule type", AsText);
        (string? sampler, string? oldSchedule) = SplitSampler(Take("Sampler", AsText));
        (int Width, int Height)? size = Take("Size", MetadataText.Size);
        var metadata = new PictureMetadata
        {
            Format = "a1111",
            Prompt = infotext.Prompt,
            NegativePrompt = infotext.NegativePrompt,
            Steps = Take("Steps", MetadataText.Int),
            Sampler = sampler,
            Scheduler = scheduler ?? oldSchedule,
            CfgScale = Take("CFG scale", MetadataText.Double),
            Seed = Take("Seed", MetadataText.Digits),
            Width = size?.Width,
            Height = size?.Height,
            Model = Take("Model", AsText),
            ModelHash = Take("Model hash", AsText),
            ClipSkip = Take("Clip skip", MetadataText.Int),
            Rng = Take("RNG", AsText),
            Version = Take("Version", AsText),
            DenoisingStrength = Take("Denoising strength", MetadataText.Double),
            Vae = Take("VAE", AsText),
            VaeHash = Take("VAE hash", AsText),
            Hashes = Take("Hashes", Hashes),
            Loras = Loras(infotext.Prompt, rest),
            Fields = infotext.Fields,
            Notes = infotext.Prompt.Length == 0 && infotext.NegativePrompt is null && infotext["Steps"] is null && infotext.Fields.Count > 0
                ? ["parameters: a prompt in 'key: value' style cannot be distinguished from parameters; its words may stand under extras."]
                : null,
        };
        return rest.Count == 0 ? metadata : metadata with { Extras = rest };
    }

    /// <summary>Before version 1.9 the schedule was part of the sampler's label.</summary>
    internal static (string? Sampler, string? Scheduler) SplitSampler(string? label)
    {
        string? schedule = label is null ? null : Array.Find(OldSchedules, end => label.EndsWith(end, StringComparison.Ordinal));
        return schedule is null ? (label, null) : (label![..^schedule.Length], schedule[1..]);
    }

    private static OrderedDictionary<string, string>? Hashes(string value)
    {
        if (JsonTree.ParseObject(value) is not { } tree || tree.Members.Values.Any(hash => hash.Scalar is null))
        {
            return null;
        }

        OrderedDictionary<string, string> hashes = [];
        foreach ((string name, JsonTree hash) in tree.Members)
        {
            hashes[name] = hash.Scalar!;
        }

        return hashes;
    }

    private static List<LoraMetadata>? Loras(string prompt, OrderedDictionary<string, string> rest)
    {
        const string Open = "<lora:";
        List<LoraMetadata> loras = [];
        for (int start = 0; (start = prompt.IndexOf(Open, start, StringComparison.Ordinal)) >= 0;)
        {
            start += Open.Length;
            int end = prompt.IndexOf('>', start);
            if (end < 0)
            {
                break;
            }

            string[] parts = prompt[start..end].Split(':');
            if (parts[0].Length > 0)
            {
                loras.Add(new(parts[0], parts.Length > 1 ? MetadataText.Double(parts[1]) ?? 1 : 1));
            }

            start = end;
        }

        if (loras.Count == 0)
        {
            return null;
        }

        if (rest.TryGetValue("Lora hashes", out string? list))
        {
            Dictionary<string, string> hashes = [];
            foreach (string entry in list.Split(','))
            {
                int colon = entry.LastIndexOf(':');
                if (colon > 0)
                {
                    hashes[PythonText.Strip(entry[..colon])] = PythonText.Strip(entry[(colon + 1)..]);
                }
            }

            bool read = false;
            for (int i = 0; i < loras.Count; i++)
            {
                if (hashes.TryGetValue(loras[i].Name, out string? hash))
                {
                    loras[i] = loras[i] with { Hash = hash };
                    read = true;
                }
            }

            if (read)
            {
                rest.Remove("Lora hashes");
            }
        }

        return loras;
    }
}

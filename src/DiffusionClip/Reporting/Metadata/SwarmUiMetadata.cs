using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>SwarmUI: JSON under A1111's key.</summary>
internal static class SwarmUiMetadata
{
    public static PictureMetadata? Read(MetadataTexts texts)
    {
        if (texts["parameters"] is not { } text || JsonTree.ParseObject(PythonText.Strip(text)) is not { } root
            || root["sui_image_params"] is not { Kind: JsonKind.Object } parameters)
        {
            return null;
        }

        string? version = (parameters["swarm_version"] ?? root["sui_extra_data"]?["swarm_version"])?.Scalar;
        return new()
        {
            Format = "swarmui",
            Prompt = parameters["prompt"]?.String,
            NegativePrompt = parameters["negativeprompt"]?.String,
            Steps = parameters["steps"]?.Int,
            Sampler = parameters["sampler"]?.String,
            Scheduler = parameters["scheduler"]?.String,
            CfgScale = parameters["cfgscale"]?.Double,
            Seed = parameters["seed"]?.Digits,
            Width = parameters["width"]?.Int,
            Height = parameters["height"]?.Int,
            Model = MetadataText.ModelName(parameters["model"]?.String),
            ModelHash = Hash(root, "model", null),
            Version = version,
            DenoisingStrength = parameters["initimagecreativity"]?.Double,
            Loras = Loras(root, parameters),
        };
    }

    private static List<LoraMetadata>? Loras(JsonTree root, JsonTree parameters)
    {
        List<string> names = Texts(parameters["loras"]);
        List<string> weights = Texts(parameters["loraweights"]);
        List<LoraMetadata> loras = [];
        for (int i = 0; i < names.Count; i++)
        {
            string name = MetadataText.ModelName(names[i])!;
            loras.Add(new(name, i < weights.Count ? MetadataText.Double(weights[i]) : null, Hash(root, "loras", name)));
        }

        return loras.Count == 0 ? null : loras;
    }

    private static string? Hash(JsonTree root, string parameter, string? name)
    {
        foreach (JsonTree model in root["sui_models"]?.Items ?? [])
        {
            if (model["param"]?.String == parameter && model["hash"]?.String is { } hash
                && (name is null || MetadataText.ModelName(model["name"]?.String) == name))
            {
                return hash.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? hash[2..] : hash;
            }
        }

        return null;
    }

    /// <summary>A list, or the same with commas in one text.</summary>
    private static List<string> Texts(JsonTree? list) => list switch
    {
        null => [],
        { Kind: JsonKind.Array } => [.. list.Items.Select(item => item.Scalar ?? "")],
        { String: { Length: > 0 } text } => [.. text.Split(',', StringSplitOptions.TrimEntries)],
        _ => [],
    };
}

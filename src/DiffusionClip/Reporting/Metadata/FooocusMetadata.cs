using System.Globalization;
using System.Text.RegularExpressions;
using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>Fooocus in its own scheme: JSON under A1111's key. Its other scheme is A1111's infotext.</summary>
internal static partial class FooocusMetadata
{
    public static PictureMetadata? Read(MetadataTexts texts)
    {
        if (texts["parameters"] is not { } text || JsonTree.ParseObject(PythonText.Strip(text)) is not { } root
            || root["metadata_scheme"]?.String != "fooocus")
        {
            return null;
        }

        (int? width, int? height) = Resolution(root["resolution"]);
        return new()
        {
            Format = "fooocus",
            Prompt = root["prompt"]?.String,
            NegativePrompt = root["negative_prompt"]?.String,
            Steps = root["steps"]?.Int,
            Sampler = root["sampler"]?.String,
            Scheduler = root["scheduler"]?.String,
            CfgScale = root["guidance_scale"]?.Double,
            Seed = root["seed"]?.Digits,
            Width = width,
            Height = height,
            Model = MetadataText.ModelName(root["base_model"]?.String),
            ModelHash = root["base_model_hash"]?.String,
            ClipSkip = root["clip_skip"]?.Int,
            Version = root["version"]?.Scalar,
            Loras = Loras(root["loras"]),
        };
    }

    private static (int? Width, int? Height) Resolution(JsonTree? value)
    {
        if (value?.Kind == JsonKind.Array)
        {
            return value.Items is [{ Int: { } w }, { Int: { } h }] ? (w, h) : (null, null);
        }

        Match match = TwoNumbers().Match(value?.String ?? "");
        return match.Success
            && int.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int width)
            && int.TryParse(match.Groups[2].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int height)
                ? (width, height)
                : (null, null);
    }

    private static List<LoraMetadata>? Loras(JsonTree? list)
    {
        List<LoraMetadata> loras = [];
        foreach (JsonTree lora in list?.Items ?? [])
        {
            if (lora is { Kind: JsonKind.Array, Items: [{ String: { } name }, ..] parts })
            {
                loras.Add(new(MetadataText.ModelName(name)!, parts.ElementAtOrDefault(1)?.Double, parts.ElementAtOrDefault(2)?.String));
            }
        }

        return loras.Count == 0 ? null : loras;
    }

    // "(896, 1152)", "896x1152", "896×1152"
    [GeneratedRegex(@"^\D{0,8}([0-9]{1,9})\D{1,8}([0-9]{1,9})\D{0,8}$", RegexOptions.CultureInvariant)]
    private static partial Regex TwoNumbers();
}

using System.Text;
using System.Text.RegularExpressions;
using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>
/// InvokeAI: <c>invokeai_metadata</c> since version 3, <c>sd-metadata</c> and the command line under <c>Dream</c> before.
/// </summary>
internal static partial class InvokeAiMetadata
{
    private const string Format = "invokeai";

    public static PictureMetadata? Read(MetadataTexts texts)
    {
        if (texts.Object("invokeai_metadata") is { } metadata)
        {
            return ReadMetadata(metadata);
        }

        if (texts.Object("sd-metadata") is { } old)
        {
            return ReadOldMetadata(old);
        }

        return texts["Dream"] is { } dream && PythonText.Strip(dream).Length > 0 ? ReadDream(PythonText.Strip(dream)) : null;
    }

    private static PictureMetadata ReadMetadata(JsonTree metadata)
    {
        (string? sampler, string? scheduler) = MetadataText.SplitInvokeAiScheduler(metadata["scheduler"]?.String);
        JsonTree? model = metadata["model"];
        JsonTree? vae = metadata["vae"];
        List<LoraMetadata> loras = [];
        foreach (JsonTree lora in metadata["loras"]?.Items ?? [])
        {
            // Version 3 says lora, later ones model.
            JsonTree? adapter = lora["model"] ?? lora["lora"];
            if (Name(adapter) is { } name)
            {
                loras.Add(new(name, lora["weight"]?.Double, adapter!["hash"]?.String));
            }
        }

        return new()
        {
            Format = Format,
            Prompt = metadata["positive_prompt"]?.String,
            NegativePrompt = metadata["negative_prompt"]?.String,
            Steps = metadata["steps"]?.Int,
            Sampler = sampler,
            Scheduler = scheduler,
            CfgScale = metadata["cfg_scale"]?.Double,
            Seed = metadata["seed"]?.Digits,
            Width = metadata["width"]?.Int,
            Height = metadata["height"]?.Int,
            Model = Name(model),
            ModelHash = model?["hash"]?.String,
            ClipSkip = metadata["clip_skip"]?.Int,
            Rng = metadata["rand_device"]?.String,
            Version = metadata["app_version"]?.Scalar,
            DenoisingStrength = metadata["strength"]?.Double,
            Vae = Name(vae),
            VaeHash = vae?["hash"]?.String,
            Loras = loras.Count == 0 ? null : loras,
        };
    }

    private static PictureMetadata ReadOldMetadata(JsonTree metadata)
    {
        JsonTree? image = metadata["image"];
        (string? prompt, string? negative) = SplitNegative(OldPrompt(image?["prompt"]));
        (string? sampler, string? scheduler) = MetadataText.SplitInvokeAiScheduler(image?["sampler"]?.String);
        return new()
        {
            Format = Format,
            Prompt = prompt,
            NegativePrompt = negative,
            Steps = image?["steps"]?.Int,
            Sampler = sampler,
            Scheduler = scheduler,
            CfgScale = image?["cfg_scale"]?.Double,
            Seed = image?["seed"]?.Digits,
            Width = image?["width"]?.Int,
            Height = image?["height"]?.Int,
            Model = MetadataText.ModelName(metadata["model_weights"]?.String),
            ModelHash = metadata["model_hash"]?.String,
            Version = metadata["app_version"]?.Scalar,
            DenoisingStrength = image?["strength"]?.Double,
        };
    }

    private static PictureMetadata ReadDream(string line)
    {
        string written;
        string options;
        if (line[0] is '"')
        {
            var unescaped = new StringBuilder();
            int i = 1;
            for (; i < line.Length && line[i] != '"'; i++)
            {
                i += line[i] == '\\' && i + 1 < line.Length && line[i + 1] is '"' or '\\' ? 1 : 0;
                unescaped.Append(line[i]);
            }

            written = unescaped.ToString();
            options = i < line.Length ? line[(i + 1)..] : "";
        }
        else
        {
            Match first = DreamOption().Match(line);
            written = first.Success ? line[..first.Index] : line;
            options = first.Success ? line[first.Index..] : "";
        }

        Dictionary<string, string> values = [];
        foreach (Match option in DreamOption().Matches(options))
        {
            values[option.Groups[1].Value + option.Groups[3].Value] = option.Groups[2].Value + option.Groups[4].Value;
        }

        string? Value(string brief, string full) => values.GetValueOrDefault(brief) ?? values.GetValueOrDefault(full);
        (string? prompt, string? negative) = SplitNegative(written);
        (string? sampler, string? scheduler) = MetadataText.SplitInvokeAiScheduler(Value("A", "sampler"));
        return new()
        {
            Format = Format,
            Prompt = prompt,
            NegativePrompt = negative,
            Steps = MetadataText.Int(Value("s", "steps")),
            Sampler = sampler,
            Scheduler = scheduler,
            CfgScale = MetadataText.Double(Value("C", "cfg_scale")),
            Seed = MetadataText.Digits(Value("S", "seed")),
            Width = MetadataText.Int(Value("W", "width")),
            Height = MetadataText.Int(Value("H", "height")),
            DenoisingStrength = MetadataText.Double(Value("f", "strength")),
        };
    }

    private static string? OldPrompt(JsonTree? prompt) => prompt switch
    {
        { Kind: JsonKind.Array, Items: { Count: > 0 } parts } =>
            string.Join('\n', parts.Select(part => part["prompt"]?.String ?? part.String).Where(part => part is not null)),
        _ => prompt?.String,
    };

    /// <summary>Up to version 2 the negative prompt stands in square brackets inside the prompt.</summary>
    private static (string? Prompt, string? Negative) SplitNegative(string? prompt)
    {
        if (prompt is null)
        {
            return (null, null);
        }

        var positive = new StringBuilder();
        List<string> negatives = [];
        int rest = 0;
        for (int open; (open = prompt.IndexOf('[', rest)) >= 0;)
        {
            int close = prompt.IndexOf(']', open);
            if (close < 0)
            {
                break;
            }

            positive.Append(prompt, rest, open - rest).Append(' ');
            negatives.Add(prompt[(open + 1)..close]);
            rest = close + 1;
        }

        return negatives.Count == 0
            ? (prompt, null)
            : (
                PythonText.Strip(Spaces().Replace(positive.Append(prompt, rest, prompt.Length - rest).ToString(), " ")),
                string.Join(' ', negatives));
    }

    private static string? Name(JsonTree? model) =>
        MetadataText.ModelName(model?.String ?? (model?["name"] ?? model?["model_name"])?.String);

    // -s 50, -s50, --steps 50, --steps=50
    [GeneratedRegex(
        @"(?<!\S)(?:-([sSWHCAf])\s*(\S+)|--(steps|seed|width|height|cfg_scale|sampler|strength)(?:\s+|=)(\S+))",
        RegexOptions.CultureInvariant)]
    private static partial Regex DreamOption();

    [GeneratedRegex(" {2,}", RegexOptions.CultureInvariant)]
    private static partial Regex Spaces();
}

using System.Globalization;
using System.Text.Json;
using DiffusionClip.Models;

namespace DiffusionClip.Verification;

/// <summary>What a model folder says of itself, in the words of a report.</summary>
internal static class FolderFacts
{
    /// <summary>The family in a word.</summary>
    public static string FamilyOf(ModelFolder folder) => folder switch
    {
        ClipFolder { Family: ClipFamily.Siglip } => "siglip",
        ClipFolder => "clip",
        _ => "stable-diffusion",
    };

    /// <summary>What the model is good for.</summary>
    public static string UseOf(ModelFolder folder) => folder switch
    {
        ClipFolder { Family: ClipFamily.Siglip } => "scoring and ranking (probabilities)",
        ClipFolder => "scoring and ranking (cosines)",
        GeneratorFolder diffusion => UseOf(diffusion),
        _ => "",
    };

    private static string UseOf(GeneratorFolder folder)
    {
        string use = folder.Denoiser.InChannels > folder.Denoiser.OutChannels ? "inpainting" : "painting";
        string limit = folder.Encoder is null ? " (text to image only)" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{use} at {folder.Defaults.Width}x{folder.Defaults.Height}{limit}");
    }

    /// <summary>Sizes, limits and the scheduler.</summary>
    public static Dictionary<string, string> Of(ModelFolder folder) =>
        folder is GeneratorFolder diffusion ? Facts(diffusion) : Facts((ClipFolder)folder);

    private static Dictionary<string, string> Facts(GeneratorFolder folder)
    {
        var facts = new Dictionary<string, string>
        {
            ["pipeline"] = folder.PipelineClass,
            ["prediction"] = folder.Scheduler.TryGetProperty("prediction_type", out JsonElement prediction)
                ? prediction.ToString()
                : "epsilon",
            ["scheduler"] = folder.Scheduler.TryGetProperty("_class_name", out JsonElement name) ? name.ToString() : "?",
            ["text encoders"] = string.Join(
                ", ",
                folder.TextEncoders.Select(encoder =>
                    string.Create(CultureInfo.InvariantCulture, $"{encoder.HiddenSize} wide, {encoder.TokenLimit} tokens"))),
            ["latents"] = string.Create(
                CultureInfo.InvariantCulture,
                $"{folder.Decoder.LatentChannels} channels, 1:{folder.Decoder.SpatialScale}, factor {folder.Decoder.ScalingFactor}"),
            ["size"] = string.Create(CultureInfo.InvariantCulture, $"{folder.Defaults.Width}x{folder.Defaults.Height}"),
        };
        if (folder.Denoiser.InChannels != folder.Denoiser.OutChannels)
        {
            facts["input channels"] = folder.Denoiser.InChannels.ToString(CultureInfo.InvariantCulture);
        }

        if (folder.Denoiser.TimeCondProjDim is { } guidance)
        {
            facts["guidance embedding"] = guidance.ToString(CultureInfo.InvariantCulture);
        }

        if (folder.Denoiser.AdditionEmbedType is { } addition)
        {
            facts["further conditioning"] = addition;
        }

        if (folder.Scorer is { } scorer)
        {
            facts["scorer"] = scorer;
        }

        return facts;
    }

    private static Dictionary<string, string> Facts(ClipFolder folder)
    {
        var facts = new Dictionary<string, string>
        {
            ["layout"] = folder.IsJoint ? $"one graph ({folder.TextGraph})" : $"{folder.TextGraph} and {folder.ImageGraph}",
            ["tokens"] = folder.TokenLimit.ToString(CultureInfo.InvariantCulture),
            ["pictures"] = $"{folder.Preprocessing.Description} ({folder.Preprocessing.Source})",
        };
        if (folder.EmbedDim is { } width)
        {
            facts["embeddings"] = width.ToString(CultureInfo.InvariantCulture);
        }

        if (folder.Logits is { } logits)
        {
            string bias = logits.Bias == 0 ? ""
                : string.Create(CultureInfo.InvariantCulture, $" {(logits.Bias < 0 ? '-' : '+')} {Math.Abs(logits.Bias):G6}");
            facts["logits"] = string.Create(CultureInfo.InvariantCulture, $"{logits.Scale:G6} · cosine{bias}");
        }

        if (folder.Variants is { Count: > 1 } variants)
        {
            facts["variants"] = string.Join(", ", variants.Select(variant => variant.Length == 0 ? "plain" : $"#{variant}"));
        }

        return facts;
    }

    /// <summary>What the folder could have, and what therefore does not work.</summary>
    public static IEnumerable<string> Without(ModelFolder folder)
    {
        if (folder is GeneratorFolder diffusion)
        {
            if (diffusion.Encoder is null)
            {
                yield return "vae_encoder: nothing starts from a picture";
            }

            if (diffusion.TinyDecoder is null)
            {
                yield return "vae_decoder_tiny: previews of pictures in the making use the full decoder";
            }
        }
        else if (((ClipFolder)folder).Preprocessing.Source == "defaults")
        {
            yield return "preprocessor_config.json: pictures are prepared as OpenAI's CLIP wants them, which may be wrong";
        }
    }

    /// <summary>Sizes for what a graph of the folder leaves free: the smallest that the model as a whole can run.</summary>
    public static GraphSizes SizesOf(ModelFolder folder, string graph)
    {
        if (folder is ClipFolder clip)
        {
            return new()
            {
                Channels = 3,
                Height = clip.Preprocessing.Height,
                Width = clip.Preprocessing.Width,
                Tokens = clip.TokenLimit,
                HiddenSize = clip.EmbedDim ?? 1,
                VocabSize = clip.VocabSize ?? 1000,
            };
        }

        var diffusion = (GeneratorFolder)folder;
        int latents = 1 << diffusion.Denoiser.Downsamplings, pixels = latents * diffusion.Decoder.SpatialScale;
        TextEncoderFolder encoder = diffusion.TextEncoders.FirstOrDefault(part => part.Graph == graph) ?? diffusion.TextEncoders[0];
        bool isUnet = graph == diffusion.Denoiser.Graph, isEncoder = graph == diffusion.Encoder?.Graph;
        return new()
        {
            Channels = isUnet ? diffusion.Denoiser.InChannels : isEncoder ? 3 : diffusion.Decoder.LatentChannels,
            Height = isEncoder ? pixels : latents,
            Width = isEncoder ? pixels : latents,
            Tokens = encoder.TokenLimit,
            HiddenSize = diffusion.Denoiser.CrossAttentionDim ?? diffusion.TextEncoders.Sum(part => part.HiddenSize),
            VocabSize = encoder.VocabSize ?? 1000,
        };
    }

    /// <summary>A name that stands for this very folder: its id may stand for another one here.</summary>
    public static string NameOf(ModelFolder folder) =>
        folder is ClipFolder { Variant: { } variant } ? $"{folder.Path}#{variant}" : folder.Path;
}

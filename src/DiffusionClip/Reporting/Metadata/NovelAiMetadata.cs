using System.Globalization;
using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>NovelAI: the prompt under <c>Description</c>, the model under <c>Source</c>, JSON under <c>Comment</c>.</summary>
internal static class NovelAiMetadata
{
    public static PictureMetadata? Read(MetadataTexts texts)
    {
        if (texts["Software"] is not { } software || PythonText.Strip(software) != "NovelAI")
        {
            return null;
        }

        JsonTree? comment = texts.Object("Comment");
        JsonTree? caption = comment?["v4_prompt"]?["caption"];
        JsonTree? negativeCaption = comment?["v4_negative_prompt"]?["caption"];
        OrderedDictionary<string, string> characters = [];
        foreach (JsonTree character in caption?["char_captions"]?.Items ?? [])
        {
            if (character["char_caption"]?.String is { } text)
            {
                characters[string.Create(CultureInfo.InvariantCulture, $"character_{characters.Count + 1}")] = text;
            }
        }

        return new()
        {
            Format = "novelai",
            Prompt = texts["Description"] ?? comment?["prompt"]?.String ?? caption?["base_caption"]?.String,
            NegativePrompt = comment?["uc"]?.String ?? negativeCaption?["base_caption"]?.String,
            Steps = comment?["steps"]?.Int,
            Sampler = comment?["sampler"]?.String,
            Scheduler = comment?["noise_schedule"]?.String,
            CfgScale = comment?["scale"]?.Double,
            Seed = comment?["seed"]?.Digits,
            Width = comment?["width"]?.Int,
            Height = comment?["height"]?.Int,
            Model = MetadataText.ModelName(texts["Source"]),
            DenoisingStrength = comment?["strength"]?.Double,
            Extras = characters.Count == 0 ? null : characters,
        };
    }
}

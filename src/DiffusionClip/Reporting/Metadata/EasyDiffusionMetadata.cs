namespace DiffusionClip.Reporting.Metadata;

/// <summary>Easy Diffusion: every value in a chunk of its own; <c>prompt</c> is text, not ComfyUI's graph.</summary>
internal static class EasyDiffusionMetadata
{
    public static PictureMetadata? Read(MetadataTexts texts)
    {
        if (texts["negative_prompt"] is not { } negative)
        {
            return null;
        }

        string? lora = MetadataText.ModelName(Nonempty(texts["use_lora_model"]));
        return new()
        {
            Format = "easydiffusion",
            Prompt = texts["prompt"],
            NegativePrompt = negative,
            Steps = MetadataText.Int(texts["num_inference_steps"]),
            Sampler = Nonempty(texts["sampler_name"]),
            Scheduler = Nonempty(texts["scheduler_name"]),
            CfgScale = MetadataText.Double(texts["guidance_scale"]),
            Seed = MetadataText.Digits(texts["seed"]),
            Width = MetadataText.Int(texts["width"]),
            Height = MetadataText.Int(texts["height"]),
            Model = MetadataText.ModelName(Nonempty(texts["use_stable_diffusion_model"])),
            Vae = MetadataText.ModelName(Nonempty(texts["use_vae_model"])),
            DenoisingStrength = MetadataText.Double(texts["prompt_strength"]),
            Loras = lora is null ? null : [new(lora, MetadataText.Double(texts["lora_alpha"]))],
        };
    }

    // The program writes None for what is not set.
    private static string? Nonempty(string? text) => text is null or "" or "None" ? null : text;
}

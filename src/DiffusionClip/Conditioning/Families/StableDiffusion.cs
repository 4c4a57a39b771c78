using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Conditioning.Families;

/// <summary>
/// Stable Diffusion 1.x, 2.x and Turbo (Rombach et al. 2022): one CLIP text encoder, its last hidden state attended to.
/// What differs between them (widths, padding token, prediction type) is in their folders.
/// </summary>
public sealed class StableDiffusion : IModelFamily
{
    /// <inheritdoc/>
    public string Name => "stable-diffusion";

    /// <inheritdoc/>
    public bool Matches(DiffusionFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return folder.TextEncoders.Count == 1 && PipelineClass.IsOf(folder, "StableDiffusion");
    }

    /// <inheritdoc/>
    public PromptPlan Tokenize(DiffusionFolder folder, IReadOnlyList<ClipTokenizer> tokenizers, PromptRequest prompt, PromptSteps steps) =>
        PromptPlan.Of(folder, tokenizers, prompt, steps);

    /// <inheritdoc/>
    public ConditioningSchedule Encode(PromptPlan plan, ConditioningRequest request, IReadOnlyList<ITextEncoder> encoders, CancellationToken cancellationToken) =>
        SingleEncoder.Encode(plan, request, encoders, cancellationToken);

    /// <inheritdoc/>
    public LatentShape Shape(DiffusionFolder folder, int width, int height) => SingleEncoder.Shape(folder, width, height);
}

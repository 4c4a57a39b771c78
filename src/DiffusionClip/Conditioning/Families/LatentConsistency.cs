using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Conditioning.Families;

/// <summary>
/// Latent consistency models (Luo et al. 2023): Stable Diffusion distilled to a few steps, with the guidance scale as an input of
/// the denoiser. There is no negative side, so negative prompts are not looked at.
/// </summary>
public sealed class LatentConsistency : IModelFamily
{
    /// <inheritdoc/>
    public string Name => "latent-consistency";

    /// <inheritdoc/>
    public bool Matches(DiffusionFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return folder.TextEncoders.Count == 1 && PipelineClass.IsOf(folder, "LatentConsistencyModel");
    }

    /// <inheritdoc/>
    public PromptPlan Tokenize(DiffusionFolder folder, IReadOnlyList<ClipTokenizer> tokenizers, PromptRequest prompt, PromptSteps steps) =>
        PromptPlan.Of(folder, tokenizers, prompt, steps);

    /// <inheritdoc/>
    public bool IsGuided(DiffusionFolder folder, float guidanceScale) => false;

    /// <inheritdoc/>
    public ConditioningSchedule Encode(PromptPlan plan, ConditioningRequest request, IReadOnlyList<ITextEncoder> encoders, CancellationToken cancellationToken) =>
        SingleEncoder.Encode(plan, request, encoders, cancellationToken);

    /// <summary>As the reference does it: all steps run, chosen from the last part of those that the model was distilled on. With a mask, as for other families.</summary>
    /// <inheritdoc/>
    public ScheduleRequest Shorten(ScheduleRequest request, SchedulerConfig scheduler, OriginRequest origin)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(origin);
        double strength = origin.Strength ?? 1;
        return scheduler is ConsistencySchedulerConfig && origin.Mask is null
            ? request with { OriginalStrength = strength }
            : request with { Strength = strength };
    }

    /// <inheritdoc/>
    public LatentShape Shape(DiffusionFolder folder, int width, int height) => SingleEncoder.Shape(folder, width, height);
}

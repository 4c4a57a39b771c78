using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Families;

/// <summary>
/// Latent consistency models (Luo et al. 2023): Stable Diffusion distilled to a few steps, with the guidance scale as an input of
/// the denoiser. There is no negative side, so negative prompts are not looked at.
/// </summary>
public sealed class LatentConsistency : UnetFamily
{
    /// <inheritdoc/>
    public override string Name => "latent-consistency";

    private protected override string ClassName => "LatentConsistencyModel";

    private protected override (int Steps, float GuidanceScale, double Strength, double InpaintStrength) PipelineDefaults =>
        (4, 8.5f, 0.8, 1);

    /// <inheritdoc/>
    public override bool IsGuided(GeneratorFolder folder, float guidanceScale) => false;

    /// <summary>
    /// As in the reference, all steps run over a picture, chosen from the last part of those that the model was distilled on. With a mask,
    /// as for other families.
    /// </summary>
    /// <inheritdoc/>
    public override ScheduleRequest Schedule(ImageRequest request, GeneratorFolder folder, SchedulerConfig scheduler, LatentShape shape)
    {
        ScheduleRequest schedule = base.Schedule(request, folder, scheduler, shape);
        return scheduler is ConsistencySchedulerConfig && request.Origin is { Mask: null }
            ? schedule with { Strength = 1, OriginalStrength = schedule.Strength }
            : schedule;
    }
}

namespace DiffusionClip.Families;

/// <summary>
/// Stable Diffusion 1.x, 2.x and Turbo (Rombach et al. 2022): one CLIP text encoder, its last hidden state attended to.
/// What differs between them (widths, padding token, prediction type) is in their folders.
/// </summary>
public sealed class StableDiffusion : UnetFamily
{
    /// <inheritdoc/>
    public override string Name => "stable-diffusion";

    private protected override string ClassName => "StableDiffusion";
}

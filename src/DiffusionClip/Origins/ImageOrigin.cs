using DiffusionClip.Denoising;
using DiffusionClip.Noise;

namespace DiffusionClip.Origins;

/// <summary>
/// Image to image (Meng et al. 2021, SDEdit): the picture's latents, noised to the level at which the plan begins. Draws as diffusers'
/// StableDiffusionImg2ImgPipeline does: first the latents, then the noise.
/// </summary>
internal sealed class ImageOrigin(EncodedPicture picture) : ILatentOrigin, IOriginState
{
    /// <inheritdoc/>
    public ReadOnlySpan<float> ExtraChannels => [];

    /// <inheritdoc/>
    public IOriginState Start(NoiseSource noise, IScheduler scheduler, Span<float> sample)
    {
        float[] clean = new float[sample.Length];
        float[] drawn = new float[sample.Length];
        picture.Draw(noise, clean);
        noise.Fill(drawn);
        scheduler.AddNoise(clean, drawn, scheduler.FirstEvaluation, sample);
        return this;
    }

    /// <inheritdoc/>
    public IOriginState Read(BinaryReader reader, IScheduler scheduler, int length) => this;

    /// <inheritdoc/>
    public void AfterStep(in CompletedStep step)
    {
    }

    /// <inheritdoc/>
    public IStepHookState Fork() => this;

    /// <inheritdoc/>
    public void Write(BinaryWriter writer)
    {
    }
}

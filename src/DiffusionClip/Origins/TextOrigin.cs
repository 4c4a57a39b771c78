using System.Numerics.Tensors;
using DiffusionClip.Denoising;
using DiffusionClip.Noise;

namespace DiffusionClip.Origins;

/// <summary>Text to image: pure noise, scaled to the scheduler's first level.</summary>
internal sealed class TextOrigin : ILatentOrigin, IOriginState
{
    /// <summary>The only one: it holds nothing.</summary>
    public static TextOrigin Instance { get; } = new();

    /// <inheritdoc/>
    public ReadOnlySpan<float> ExtraChannels => [];

    /// <inheritdoc/>
    public IOriginState Start(NoiseSource noise, IScheduler scheduler, Span<float> sample)
    {
        ArgumentNullException.ThrowIfNull(noise);
        ArgumentNullException.ThrowIfNull(scheduler);
        noise.Fill(sample);
        TensorPrimitives.Multiply(sample, scheduler.InitNoiseSigma, sample);
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

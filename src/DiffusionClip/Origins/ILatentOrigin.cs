using DiffusionClip.Denoising;
using DiffusionClip.Noise;

namespace DiffusionClip.Origins;

/// <summary>Where denoising starts from: noise alone, a picture, a picture with a mask.</summary>
public interface ILatentOrigin
{
    /// <summary>Fills a candidate's first sample.</summary>
    /// <param name="noise">The candidate's stream.</param>
    /// <param name="scheduler">The plan; tells the level of noise to start at.</param>
    /// <param name="sample">The sample to fill.</param>
    /// <returns>What has to be remembered on the way.</returns>
    IOriginState Start(NoiseSource noise, IScheduler scheduler, Span<float> sample);
}

/// <summary>What an origin remembers of one candidate. Immutable, so forks share it.</summary>
public interface IOriginState
{
    /// <summary>Channels the model takes beside the sample, e.g. the mask and the masked picture of inpainting models; empty if none.</summary>
    ReadOnlySpan<float> ExtraChannels { get; }

    /// <summary>Called after each step, e.g. to put back what the mask keeps.</summary>
    void AfterStep(int evaluation, Span<float> sample);
}

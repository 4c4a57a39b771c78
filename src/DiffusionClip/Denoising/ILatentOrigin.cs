using DiffusionClip.Noise;

namespace DiffusionClip.Denoising;

/// <summary>Where denoising starts from: noise alone, a picture, a picture with a mask.</summary>
public interface ILatentOrigin
{
    /// <summary>Fills a candidate's first sample.</summary>
    /// <param name="noise">The candidate's stream.</param>
    /// <param name="scheduler">The plan; tells the level of noise to start at.</param>
    /// <param name="sample">The sample to fill.</param>
    /// <returns>The origin's state for the run.</returns>
    IOriginState Start(NoiseSource noise, IScheduler scheduler, Span<float> sample);

    /// <summary>Reads what the state of one of its candidates wrote (<see cref="IStepHookState.Write"/>).</summary>
    /// <param name="reader">The bytes.</param>
    /// <param name="scheduler">The plan.</param>
    /// <param name="length">Values of a sample.</param>
    /// <exception cref="EndOfStreamException">The bytes end too early.</exception>
    IOriginState Read(BinaryReader reader, IScheduler scheduler, int length);
}

/// <summary>
/// An origin's state for one candidate, and its hook, which runs after all others: what a mask keeps is put back last.
/// </summary>
public interface IOriginState : IStepHookState
{
    /// <summary>
    /// Channels the model takes beside the sample, e.g. the mask and the masked picture of inpainting models; empty if none.
    /// </summary>
    ReadOnlySpan<float> ExtraChannels { get; }
}

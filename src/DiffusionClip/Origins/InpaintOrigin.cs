using System.Buffers;
using System.Numerics.Tensors;
using DiffusionClip.Denoising;
using DiffusionClip.Noise;

namespace DiffusionClip.Origins;

/// <summary>
/// Inpainting: only what the mask shows is painted. A denoiser of 4 channels gets what is kept put back after every step, noised to
/// that step's level (Lugmayr et al. 2022, equation 8, without resampling); one of 9 channels sees the mask and the picture without
/// what is repainted beside its sample (Rombach et al. 2022). Draws as diffusers' StableDiffusionInpaintPipeline does: the picture's
/// latents (where they are needed), the noise, the masked picture's latents.
/// </summary>
/// <param name="picture">The picture; null where it is not used: with a denoiser that reads the mask and starts from noise.</param>
/// <param name="masked">The picture without what is repainted.</param>
/// <param name="mask">[height, width] of the latents: 1 is painted, 0 is kept.</param>
/// <param name="seesMask">Whether the denoiser takes the mask as input.</param>
/// <param name="fromNoise">Whether painting starts from noise alone: at strength 1.</param>
internal sealed class InpaintOrigin(EncodedPicture? picture, EncodedPicture masked, float[] mask, bool seesMask, bool fromNoise)
    : ILatentOrigin
{
    /// <inheritdoc/>
    public IOriginState Start(NoiseSource noise, IScheduler scheduler, Span<float> sample)
    {
        int length = sample.Length;
        float[] clean = [];
        if (picture is not null)
        {
            clean = new float[length];
            picture.Draw(noise, clean);
        }

        float[] drawn = new float[length];
        noise.Fill(drawn);
        if (fromNoise)
        {
            TensorPrimitives.Multiply(drawn, scheduler.InitNoiseSigma, sample);
        }
        else
        {
            scheduler.AddNoise(clean, drawn, scheduler.FirstEvaluation, sample);
        }

        // Drawn also where it is not used: the rest of the stream depends on it.
        float[] maskedLatents = new float[length];
        masked.Draw(noise, maskedLatents);
        return seesMask ? new SeenMask(mask, maskedLatents) : new KeptLatents(scheduler, clean, drawn, mask);
    }

    /// <inheritdoc/>
    public IOriginState Read(BinaryReader reader, IScheduler scheduler, int length)
    {
        float[] first = reader.ReadSingles(length);
        return seesMask ? new SeenMask(mask, first) : new KeptLatents(scheduler, first, reader.ReadSingles(length), mask);
    }

    /// <summary>The denoiser sees mask [1, h, w] and masked picture [4, h, w].</summary>
    private sealed class SeenMask(float[] mask, float[] maskedLatents) : IOriginState
    {
        private readonly float[] _extraChannels = [.. mask, .. maskedLatents];
        private readonly int _maskLength = mask.Length;

        public ReadOnlySpan<float> ExtraChannels => _extraChannels;

        public void AfterStep(in CompletedStep step)
        {
        }

        public IStepHookState Fork() => this;

        public void Write(BinaryWriter writer) => writer.WriteSingles(_extraChannels.AsSpan(_maskLength));
    }

    /// <summary>What is kept is put back: the latents, with the noise of the start at the level that the sample has come to.</summary>
    private sealed class KeptLatents(IScheduler scheduler, float[] clean, float[] noise, float[] mask) : IOriginState
    {
        public ReadOnlySpan<float> ExtraChannels => [];

        public IStepHookState Fork() => this;

        public void AfterStep(in CompletedStep step)
        {
            int evaluation = step.Evaluation;
            Span<float> sample = step.Sample;
            float[] rented = ArrayPool<float>.Shared.Rent(sample.Length);
            Span<float> kept = rented.AsSpan(0, sample.Length);
            if (evaluation + 1 == scheduler.Evaluations)
            {
                clean.CopyTo(kept);
            }
            else
            {
                // Between the two stages of a step the reference noises to the level of the step's end.
                scheduler.AddNoise(clean, noise, scheduler.StepEnd(evaluation), kept);
            }

            for (int start = 0; start < sample.Length; start += mask.Length)
            {
                Span<float> painted = sample.Slice(start, mask.Length);
                Span<float> put = kept.Slice(start, mask.Length);
                for (int i = 0; i < mask.Length; i++)
                {
                    if (mask[i] == 0)
                    {
                        painted[i] = put[i];
                    }
                }
            }

            ArrayPool<float>.Shared.Return(rented);
        }

        public void Write(BinaryWriter writer)
        {
            writer.WriteSingles(clean);
            writer.WriteSingles(noise);
        }
    }
}

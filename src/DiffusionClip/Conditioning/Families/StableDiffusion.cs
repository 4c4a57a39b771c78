using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
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
        return folder.TextEncoders.Count == 1 && folder.PipelineClass is "StableDiffusionPipeline" or "OnnxStableDiffusionPipeline" or "ORTStableDiffusionPipeline" or null;
    }

    /// <inheritdoc/>
    public PromptPlan Tokenize(DiffusionFolder folder, IReadOnlyList<ClipTokenizer> tokenizers, PromptRequest prompt, PromptSteps steps) =>
        PromptPlan.Of(folder, tokenizers, prompt, steps);

    /// <inheritdoc/>
    public ConditioningSchedule Encode(PromptPlan plan, IReadOnlyList<ITextEncoder> encoders, bool guided, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(encoders);
        var encoder = new WindowEncoder(encoders[0]);
        return plan.Schedule(guided, (windows, _) =>
        {
            EncodedWindows encoded = encoder.Encode(windows[0], cancellationToken);
            return new TextConditioning(encoded.HiddenStates, encoded.SequenceLength);
        });
    }

    /// <inheritdoc/>
    public LatentShape Shape(DiffusionFolder folder, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(folder);
        int scale = folder.Decoder.SpatialScale;
        return new LatentShape(folder.Decoder.LatentChannels, height / scale, width / scale);
    }
}

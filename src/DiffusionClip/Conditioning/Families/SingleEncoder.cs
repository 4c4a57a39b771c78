using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Conditioning.Families;

/// <summary>What families with one CLIP text encoder have in common.</summary>
internal static class SingleEncoder
{
    public static ConditioningSchedule Encode(PromptPlan plan, ConditioningRequest request, IReadOnlyList<ITextEncoder> encoders, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(encoders);
        DiffusionFolder folder = request.Folder;
        ReadOnlyMemory<float> guidance = GuidanceEmbedding.For(folder, request.Sampling.GuidanceScale ?? 1);
        var whole = new WindowEncoder(encoders[0]);

        // The negative prompt keeps all layers: so the reference.
        WindowEncoder skipping = request.Sampling.ClipSkip is { } skip ? new(encoders[0], ClipSkip.Normalized(folder, folder.TextEncoders[0], skip)) : whole;
        return plan.Schedule(request.IsGuided, (windows, isNegative) =>
        {
            EncodedWindows encoded = (isNegative ? whole : skipping).Encode(windows[0], cancellationToken);
            return new TextConditioning(encoded.HiddenStates, encoded.SequenceLength) { GuidanceEmbeds = guidance };
        });
    }

    public static LatentShape Shape(DiffusionFolder folder, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(folder);
        int scale = folder.Decoder.SpatialScale;
        return new LatentShape(folder.Decoder.LatentChannels, height / scale, width / scale);
    }
}

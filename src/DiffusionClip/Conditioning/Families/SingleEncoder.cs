using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Conditioning.Families;

/// <summary>What families with one CLIP text encoder have in common.</summary>
internal static class SingleEncoder
{
    public static PromptPlan Tokenize(DiffusionFolder folder, IReadOnlyList<ClipTokenizer> tokenizers, PromptRequest prompt)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(tokenizers);
        ArgumentNullException.ThrowIfNull(prompt);
        int limit = folder.TextEncoders[0].TokenLimit;
        TokenizedText positive = tokenizers[0].Tokenize(prompt.Text, limit, TextNormalization.Diffusion);
        TokenizedText negative = tokenizers[0].Tokenize(prompt.Negative, limit, TextNormalization.Diffusion);
        return new PromptPlan([positive], [negative], [Report("prompt", prompt.Text, positive), Report("negative", prompt.Negative, negative)]);
    }

    public static ConditioningSchedule Encode(PromptPlan plan, ConditioningRequest request, IReadOnlyList<ITextEncoder> encoders, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(encoders);
        DiffusionFolder folder = request.Folder;
        ReadOnlyMemory<float> guidance = GuidanceEmbedding.For(folder, request.Sampling.GuidanceScale ?? 1);

        // The negative prompt keeps all layers: so the reference.
        return new ConditioningSchedule(
            Encode(plan.Positive[0], request.Sampling.ClipSkip),
            request.IsGuided ? Encode(plan.Negative[0], clipSkip: null) : null);

        TextConditioning Encode(TokenizedText text, int? clipSkip)
        {
            TextEncoding encoding = encoders[0].Encode(text.Ids.Span, cancellationToken);
            ReadOnlyMemory<float> embeds = clipSkip is { } skip ? Conditioning.ClipSkip.Normalized(encoding, folder, folder.TextEncoders[0], skip) : encoding.LastHiddenState;
            return new TextConditioning(embeds, text.Ids.Length) { GuidanceEmbeds = guidance };
        }
    }

    public static LatentShape Shape(DiffusionFolder folder, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(folder);
        int scale = folder.Decoder.SpatialScale;
        return new LatentShape(folder.Decoder.LatentChannels, height / scale, width / scale);
    }

    public static TextReport Report(string role, string text, TokenizedText tokens) =>
        new() { Role = role, Text = text, Tokens = tokens.Count, TokensDropped = tokens.Dropped };
}

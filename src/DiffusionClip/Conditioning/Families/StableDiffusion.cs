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
    public PromptPlan Tokenize(DiffusionFolder folder, IReadOnlyList<ClipTokenizer> tokenizers, PromptRequest prompt)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(tokenizers);
        ArgumentNullException.ThrowIfNull(prompt);
        int limit = folder.TextEncoders[0].TokenLimit;
        TokenizedText positive = tokenizers[0].Tokenize(prompt.Text, limit, TextNormalization.Diffusion);
        TokenizedText negative = tokenizers[0].Tokenize(prompt.Negative, limit, TextNormalization.Diffusion);
        return new PromptPlan([positive], [negative], [Report("prompt", prompt.Text, positive), Report("negative", prompt.Negative, negative)]);
    }

    /// <inheritdoc/>
    public ConditioningSchedule Encode(PromptPlan plan, IReadOnlyList<ITextEncoder> encoders, bool guided, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(encoders);
        return new ConditioningSchedule(Encode(plan.Positive[0]), guided ? Encode(plan.Negative[0]) : null);

        TextConditioning Encode(TokenizedText text) =>
            new(encoders[0].Encode(text.Ids.Span, cancellationToken).LastHiddenState, text.Ids.Length);
    }

    /// <inheritdoc/>
    public LatentShape Shape(DiffusionFolder folder, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(folder);
        int scale = folder.Decoder.SpatialScale;
        return new LatentShape(folder.Decoder.LatentChannels, height / scale, width / scale);
    }

    private static TextReport Report(string role, string text, TokenizedText tokens) =>
        new() { Role = role, Text = text, Tokens = tokens.Count, TokensDropped = tokens.Dropped };
}

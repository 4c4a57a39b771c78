using System.Text.Json;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Conditioning.Families;

/// <summary>
/// Stable Diffusion XL (Podell et al. 2023): the last hidden states but one of two text encoders side by side, the second one's
/// pooled and projected text, and the sizes of section 2.2 as further conditions.
/// </summary>
public sealed class StableDiffusionXl : IModelFamily
{
    private const int SizeConditions = 6;

    /// <inheritdoc/>
    public string Name => "stable-diffusion-xl";

    /// <inheritdoc/>
    public bool Matches(DiffusionFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return folder.TextEncoders.Count == 2 && PipelineClass.IsOf(folder, "StableDiffusionXL");
    }

    /// <inheritdoc/>
    public PromptPlan Tokenize(DiffusionFolder folder, IReadOnlyList<ClipTokenizer> tokenizers, PromptRequest prompt)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(tokenizers);
        ArgumentNullException.ThrowIfNull(prompt);
        var texts = new List<TextReport>();
        return new PromptPlan(
            Both("prompt", prompt.Text, prompt.Text2),
            Both("negative", prompt.Negative, prompt.Negative2),
            texts);

        TokenizedText[] Both(string role, string first, string? second)
        {
            TokenizedText[] tokens = [Tokenize(0, first), Tokenize(1, second ?? first)];
            texts.Add(SingleEncoder.Report(role, first, tokens[0]));
            if (second is not null && second != first)
            {
                texts.Add(SingleEncoder.Report($"{role}_2", second, tokens[1]));
            }

            return tokens;
        }

        TokenizedText Tokenize(int encoder, string text) => tokenizers[encoder].Tokenize(text, folder.TextEncoders[encoder].TokenLimit, TextNormalization.Diffusion);
    }

    /// <inheritdoc/>
    public ConditioningSchedule Encode(PromptPlan plan, ConditioningRequest request, IReadOnlyList<ITextEncoder> encoders, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(encoders);
        DiffusionFolder folder = request.Folder;
        SamplingRequest sampling = request.Sampling;
        ReadOnlyMemory<float> guidance = GuidanceEmbedding.For(folder, sampling.GuidanceScale ?? 1);
        float[] timeIds = TimeIds(sampling.OriginalSize, sampling.CropsCoordsTopLeft, sampling.TargetSize, sampling);

        // Negative sizes count only when both are there: so the reference.
        float[] negativeTimeIds = sampling is { NegativeOriginalSize: { } original, NegativeTargetSize: { } target }
            ? TimeIds(original, sampling.NegativeCropsCoordsTopLeft, target, sampling)
            : timeIds;
        TextConditioning positive = Encode(plan.Positive, sampling.ClipSkip ?? 0, timeIds);
        if (!request.IsGuided)
        {
            return new ConditioningSchedule(positive, null);
        }

        bool isEmpty = plan.Negative.All(text => text.Count == 0);
        return new ConditioningSchedule(positive, isEmpty && ForcesZeros(folder) ? Zeros(positive, negativeTimeIds) : Encode(plan.Negative, 0, negativeTimeIds));

        TextConditioning Encode(IReadOnlyList<TokenizedText> texts, int clipSkip, float[] sizes)
        {
            var states = new ReadOnlyMemory<float>[texts.Count];
            ReadOnlyMemory<float> pooled = default;
            for (int i = 0; i < states.Length; i++)
            {
                TextEncoding encoding = encoders[i].Encode(texts[i].Ids.Span, cancellationToken);
                states[i] = ClipSkip.Raw(encoding, folder, folder.TextEncoders[i], clipSkip + 1);
                pooled = encoding.Pooled;
            }

            TextEncoderFolder last = folder.TextEncoders[^1];
            if (pooled.IsEmpty || pooled.Length != (last.ProjectionDim ?? pooled.Length))
            {
                throw new ModelFolderException(Path.Combine(folder.Path, last.Graph), $"gives {(pooled.IsEmpty ? "no pooled text" : $"a pooled text of {pooled.Length} values")}; expected text_embeds of {last.ProjectionDim} values: export it as CLIPTextModelWithProjection");
            }

            int tokens = texts[0].Ids.Length;
            if (texts.Any(text => text.Ids.Length != tokens))
            {
                throw new ModelFolderException(last.ConfigPath, $"its text encoder reads {texts[^1].Ids.Length} tokens, the first one {tokens}; expected the same number");
            }

            return new TextConditioning(SideBySide(states, tokens), tokens) { PooledEmbeds = pooled, TimeIds = sizes, GuidanceEmbeds = guidance };
        }

        TextConditioning Zeros(TextConditioning like, float[] sizes) =>
            new(new float[like.PromptEmbeds.Length], like.SequenceLength) { PooledEmbeds = new float[like.PooledEmbeds.Length], TimeIds = sizes, GuidanceEmbeds = guidance };
    }

    /// <inheritdoc/>
    public LatentShape Shape(DiffusionFolder folder, int width, int height) => SingleEncoder.Shape(folder, width, height);

    // Whether an empty negative prompt means embeddings of zeros rather than those of no words.
    private static bool ForcesZeros(DiffusionFolder folder) =>
        !folder.Index.TryGetProperty("force_zeros_for_empty_prompt", out JsonElement value) || value.ValueKind != JsonValueKind.False;

    // [original height, original width, crop top, crop left, target height, target width]
    private static float[] TimeIds(RowsColumns? original, RowsColumns? crops, RowsColumns? target, SamplingRequest sampling)
    {
        var own = new RowsColumns(sampling.Height ?? 0, sampling.Width ?? 0);
        (RowsColumns from, RowsColumns crop, RowsColumns to) = (original ?? own, crops ?? default, target ?? own);
        float[] ids = new float[SizeConditions];
        (ids[0], ids[1], ids[2], ids[3], ids[4], ids[5]) = (from.Rows, from.Columns, crop.Rows, crop.Columns, to.Rows, to.Columns);
        return ids;
    }

    // [tokens, width of the first + width of the second]
    private static float[] SideBySide(ReadOnlyMemory<float>[] states, int tokens)
    {
        int width = states.Sum(state => state.Length) / tokens;
        float[] joined = new float[tokens * width];
        int left = 0;
        foreach (ReadOnlyMemory<float> state in states)
        {
            int own = state.Length / tokens;
            for (int token = 0; token < tokens; token++)
            {
                state.Span.Slice(token * own, own).CopyTo(joined.AsSpan((token * width) + left));
            }

            left += own;
        }

        return joined;
    }
}

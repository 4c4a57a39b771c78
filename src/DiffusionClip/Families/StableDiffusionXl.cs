using System.Text.Json;
using DiffusionClip.Conditioning;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Families;

/// <summary>
/// Stable Diffusion XL (Podell et al. 2023): the last hidden states but one of two text encoders side by side, the second one's
/// pooled and projected text, and the sizes of section 2.2 as further conditions.
/// </summary>
public sealed class StableDiffusionXl : UnetFamily
{
    private const int Sizes = 6;

    /// <inheritdoc/>
    public override string Name => "stable-diffusion-xl";

    private protected override string ClassName => "StableDiffusionXL";

    private protected override IReadOnlyList<string> TextEncoders => ["text_encoder", "text_encoder_2"];

    private protected override (int Steps, float GuidanceScale, double Strength, double InpaintStrength) PipelineDefaults =>
        (50, 5, 0.3, 0.9999);

    // It reads the last layer but one to begin with.
    private protected override int LayersLeftOut => 1;

    private protected override void CheckEncoders(IReadOnlyList<TextEncoderFolder> encoders)
    {
        (TextEncoderFolder first, TextEncoderFolder second) = (encoders[0], encoders[1]);
        if (first.TokenLimit != second.TokenLimit)
        {
            throw new ModelFolderException(
                second.ConfigPath,
                $"its text encoder reads {second.TokenLimit} tokens, the first one {first.TokenLimit}; expected the same number");
        }
    }

    /// <inheritdoc/>
    public override ConditioningSchedule Encode(
        PromptPlan plan, ConditioningRequest request, IReadOnlyList<ITextEncoder> encoders, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(encoders);
        GeneratorFolder folder = request.Folder;
        SamplingRequest sampling = request.Sampling;
        Dictionary<ConditioningRole, ReadOnlyMemory<float>> guidance = Guidance(folder, sampling);
        float[] timeIds = TimeIds(sampling.OriginalSize, sampling.CropsCoordsTopLeft, sampling.TargetSize, sampling);

        // As in the reference, negative sizes count only when both are there.
        float[] negativeTimeIds = sampling is { NegativeOriginalSize: { } original, NegativeTargetSize: { } target }
            ? TimeIds(original, sampling.NegativeCropsCoordsTopLeft, target, sampling)
            : timeIds;

        // As in the reference, the negative prompt keeps all layers.
        WindowEncoder[] whole = Encoders(0);
        WindowEncoder[] skipping = sampling.ClipSkip is { } skip and > 0 ? Encoders(skip) : whole;
        bool isZero = plan.Negative.IsEmpty && ForcesZeros(folder);
        return plan.Schedule(request.IsGuided, (texts, isNegative) =>
        {
            PromptWindows[] windows = [.. texts.Cast<PromptWindows>()];
            float[] sizes = isNegative ? negativeTimeIds : timeIds;
            if (isNegative && isZero)
            {
                int length = windows[0].Limit * windows[0].Windows.Count;
                return new TextConditioning(
                    new float[length * encoders.Sum(encoder => encoder.HiddenSize)], length, With(new float[PooledWidth(folder)], sizes));
            }

            EncodedWindows[] encoded = [.. windows.Select((text, i) => (isNegative ? whole : skipping)[i].Encode(text, cancellationToken))];
            return new TextConditioning(SideBySide(encoded), encoded[0].SequenceLength, With(Pooled(folder, encoded[^1].Pooled), sizes));
        });

        Dictionary<ConditioningRole, ReadOnlyMemory<float>> With(ReadOnlyMemory<float> pooled, float[] sizes) =>
            new(guidance) { [ConditioningRole.PooledEmbeds] = pooled, [ConditioningRole.TimeIds] = sizes };

        WindowEncoder[] Encoders(int layersSkipped) =>
            [
                .. encoders.Select(
                    (encoder, i) => new WindowEncoder(encoder, ClipSkip.Raw(folder, folder.TextEncoders[i], layersSkipped + 1))),
            ];
    }

    // Whether an empty negative prompt means embeddings of zeros rather than those of no words.
    private static bool ForcesZeros(GeneratorFolder folder) =>
        !folder.Index.TryGetProperty("force_zeros_for_empty_prompt", out JsonElement value) || value.ValueKind != JsonValueKind.False;

    // [original height, original width, crop top, crop left, target height, target width]
    private static float[] TimeIds(RowsColumns? original, RowsColumns? crops, RowsColumns? target, SamplingRequest sampling)
    {
        var own = new RowsColumns(sampling.Height ?? 0, sampling.Width ?? 0);
        (RowsColumns from, RowsColumns crop, RowsColumns to) = (original ?? own, crops ?? default, target ?? own);
        float[] ids = new float[Sizes];
        (ids[0], ids[1], ids[2], ids[3], ids[4], ids[5]) = (from.Rows, from.Columns, crop.Rows, crop.Columns, to.Rows, to.Columns);
        return ids;
    }

    private static int PooledWidth(GeneratorFolder folder)
    {
        TextEncoderFolder last = folder.TextEncoders[^1];
        return last.ProjectionDim ?? last.HiddenSize;
    }

    private static ReadOnlyMemory<float> Pooled(GeneratorFolder folder, ReadOnlyMemory<float> pooled) =>
        pooled.Length == PooledWidth(folder)
            ? pooled
            : throw new ModelFolderException(
                folder.PathOf(folder.TextEncoders[^1].Graph),
                $"gives {(pooled.IsEmpty ? "no pooled text" : $"a pooled text of {pooled.Length} values")}; "
                    + $"expected text_embeds of {PooledWidth(folder)} values: export it as CLIPTextModelWithProjection");

    // [tokens, width of the first + width of the second]
    private static float[] SideBySide(EncodedWindows[] encoded)
    {
        int tokens = encoded[0].SequenceLength;
        int width = encoded.Sum(part => part.HiddenStates.Length) / tokens;
        float[] joined = new float[tokens * width];
        int left = 0;
        foreach (EncodedWindows part in encoded)
        {
            int own = part.HiddenStates.Length / tokens;
            for (int token = 0; token < tokens; token++)
            {
                part.HiddenStates.Span.Slice(token * own, own).CopyTo(joined.AsSpan((token * width) + left));
            }

            left += own;
        }

        return joined;
    }
}

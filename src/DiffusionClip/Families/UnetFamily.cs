using System.Globalization;
using DiffusionClip.Conditioning;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Families;

/// <summary>
/// What the families around latent diffusion's UNet (Rombach et al. 2022) have in common: a <c>unet/</c> that attends to CLIP text
/// encoders, an autoencoder in two halves, and a mask as further channels in the inpainting models.
/// </summary>
public abstract class UnetFamily : IModelFamily
{
    private const string Unet = "unet", Decoder = "vae_decoder", TinyDecoder = "vae_decoder_tiny", Encoder = "vae_encoder";

    private static readonly string[] _predictions = ["epsilon", "v_prediction", "sample", "flow_prediction"];

    private protected UnetFamily()
    {
    }

    /// <inheritdoc/>
    public abstract string Name { get; }

    /// <inheritdoc/>
    public string Pipeline => $"{ClassName}Pipeline";

    /// <summary>The pipeline's class in diffusers without its task.</summary>
    private protected abstract string ClassName { get; }

    /// <summary>The text encoders of the family's folders.</summary>
    private protected virtual IReadOnlyList<string> TextEncoders => ["text_encoder"];

    /// <summary>
    /// What diffusers' pipelines of the family run with when nothing else is said: steps, guidance, and the two strengths.
    /// </summary>
    private protected virtual (int Steps, float GuidanceScale, double Strength, double InpaintStrength) PipelineDefaults =>
        (50, 7.5f, 0.8, 1);

    /// <summary>Layers of a text encoder that are left out to begin with.</summary>
    private protected virtual int LayersLeftOut => 0;

    /// <summary>Refuses text encoders that do not fit together.</summary>
    private protected virtual void CheckEncoders(IReadOnlyList<TextEncoderFolder> encoders)
    {
    }

    /// <inheritdoc/>
    public bool Matches(ModelIndex index)
    {
        ArgumentNullException.ThrowIfNull(index);
        return PipelineClass.IsOf(index.PipelineClass, ClassName);
    }

    /// <inheritdoc/>
    public GeneratorFolder Read(ModelIndex index)
    {
        ArgumentNullException.ThrowIfNull(index);
        SchedulerFolder scheduler = index.ReadScheduler();
        CheckPrediction(scheduler);
        RefuseFurtherEncoders(index);
        TextEncoderFolder[] encoders = [.. TextEncoders.Select(index.ReadTextEncoder)];
        CheckEncoders(encoders);
        DenoiserFolder denoiser = ReadUnet(index);
        AutoencoderFolder decoder = index.ReadAutoencoder(Decoder);
        AutoencoderFolder? tiny = index.ReadAutoencoderIfThere(TinyDecoder), encoder = index.ReadAutoencoderIfThere(Encoder);
        CheckFit(encoders, denoiser, [decoder, tiny, encoder]);
        (int steps, float guidanceScale, double strength, double inpaintStrength) = PipelineDefaults;
        ModelManifest? manifest = index.Location.Manifest;
        return new(index)
        {
            Family = Name,
            SchedulerPart = scheduler,
            TextEncoders = encoders,
            Denoiser = denoiser,
            Decoder = decoder,
            TinyDecoder = tiny,
            Encoder = encoder,
            SizeMultiple = decoder.SpatialScale << denoiser.Downsamplings,
            Defaults = new()
            {
                NumInferenceSteps = manifest?.NumInferenceSteps ?? steps,
                GuidanceScale = manifest?.GuidanceScale ?? guidanceScale,
                Width = manifest?.Width ?? denoiser.SampleSize.Width * decoder.SpatialScale,
                Height = manifest?.Height ?? denoiser.SampleSize.Height * decoder.SpatialScale,
                Strength = strength,
                InpaintStrength = inpaintStrength,
            },
        };
    }

    /// <inheritdoc/>
    public IReadOnlyList<ITokenizer> LoadTokenizers(GeneratorFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return [.. folder.TextEncoders.Select(encoder => ClipTokenizer.Load(encoder.TokenizerPath))];
    }

    /// <inheritdoc/>
    public DenoiserSignature Denoiser(GeneratorFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return Signature(folder.Denoiser);
    }

    /// <summary>What a UNet is called with.</summary>
    internal static DenoiserSignature Signature(DenoiserFolder unet) =>
        new()
        {
            Sample = new() { Name = "sample", OtherNames = ["latent_sample", "x"] },
            Timestep = new() { Name = "timestep", OtherNames = ["timesteps", "t"] },
            Output = new() { Name = "out_sample", OtherNames = ["noise_pred", "sample"] },
            Conditioning =
            [
                new()
                {
                    Role = ConditioningRole.PromptEmbeds,
                    Port = new() { Name = "encoder_hidden_states", OtherNames = ["context", "text_embeddings"] },
                    Rank = 3,
                    IsRequired = true,
                    Width = unet.CrossAttentionDim,
                },
                new()
                {
                    Role = ConditioningRole.GuidanceEmbeds,
                    Port = new() { Name = "timestep_cond" },
                    Rank = 2,
                    Width = unet.TimeCondProjDim,
                },
                new()
                {
                    Role = ConditioningRole.PooledEmbeds,
                    Port = new() { Name = "text_embeds", OtherNames = ["pooled_projections"] },
                    Rank = 2,
                },
                new()
                {
                    Role = ConditioningRole.TimeIds,
                    Port = new() { Name = "time_ids" },
                    Rank = 2,
                },
            ],
        };

    /// <inheritdoc/>
    public void Check(ImageRequest request, GeneratorFolder folder)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(folder);
        foreach (
            (string field, string? text) in new[] { ("prompt_2", request.Prompt.Text2), ("negative_prompt_2", request.Prompt.Negative2) })
        {
            if (text is not null && folder.TextEncoders.Count < 2)
            {
                throw new InvalidRequestException(field, text, $"{folder.Id} has one text encoder; leave it out");
            }
        }

        foreach ((string field, RowsColumns? size, _) in SizeConditions.Of(request.Sampling))
        {
            if (size is { } given && folder.Denoiser.AdditionEmbedType != "text_time")
            {
                throw new InvalidRequestException(
                    field,
                    string.Create(CultureInfo.InvariantCulture, $"{given.Rows}, {given.Columns}"),
                    $"{folder.Id} is not conditioned on sizes; leave it out");
            }
        }

        if (request.Sampling.ClipSkip is { } skip
            && folder.TextEncoders.Min(encoder => encoder.NumHiddenLayers) is { } layers && skip > layers - LayersLeftOut)
        {
            throw new InvalidRequestException(
                "clip_skip",
                skip.ToString(CultureInfo.InvariantCulture),
                string.Create(CultureInfo.InvariantCulture, $"the text encoder of {folder.Id} has {layers} layers"));
        }

        if (folder.Denoiser.SeesMask && request.Origin?.Mask is null)
        {
            throw new InvalidRequestException(
                request.Origin is null ? "init_image" : "mask",
                null,
                $"{folder.Id} is an inpainting model, which paints where a mask shows; give a picture and a mask, or choose another model");
        }

        if (request.Origin is not null && folder.Encoder is null)
        {
            throw new ModelFolderException(
                Path.Combine(folder.Path, Encoder), "missing; painting over a picture needs the encoder of the model's autoencoder");
        }
    }

    /// <inheritdoc/>
    public LatentShape Shape(GeneratorFolder folder, int width, int height)
    {
        ArgumentNullException.ThrowIfNull(folder);
        int scale = folder.Decoder.SpatialScale;
        return new LatentShape(folder.Decoder.LatentChannels, height / scale, width / scale);
    }

    /// <summary>The steps; a strength below 1 leaves out the first of them.</summary>
    /// <inheritdoc/>
    public virtual ScheduleRequest Schedule(ImageRequest request, GeneratorFolder folder, SchedulerConfig scheduler, LatentShape shape)
    {
        ArgumentNullException.ThrowIfNull(request);
        return new()
        {
            NumInferenceSteps = request.Sampling.NumInferenceSteps!.Value,
            Eta = request.Sampling.Eta,
            Strength = request.Origin?.Strength ?? 1,
        };
    }

    /// <summary>Models that were given the scale as an input (<see cref="GuidanceEmbedding"/>) have no negative side.</summary>
    /// <inheritdoc/>
    public virtual bool IsGuided(GeneratorFolder folder, float guidanceScale)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return guidanceScale > 1 && folder.Denoiser.TimeCondProjDim is null;
    }

    /// <inheritdoc/>
    public PromptPlan Tokenize(GeneratorFolder folder, IReadOnlyList<ITokenizer> tokenizers, PromptRequest prompt, PromptSteps steps)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return PromptPlan.Of(
            [.. folder.TextEncoders.Select((encoder, i) => new ClipPromptReader(tokenizers[i], encoder.TokenLimit))],
            prompt,
            steps);
    }

    /// <summary>The last hidden state of the only text encoder; an earlier one, normalized, where clip skip says so.</summary>
    /// <inheritdoc/>
    public virtual ConditioningSchedule Encode(
        PromptPlan plan, ConditioningRequest request, IReadOnlyList<ITextEncoder> encoders, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(encoders);
        GeneratorFolder folder = request.Folder;
        IReadOnlyDictionary<ConditioningRole, ReadOnlyMemory<float>> others = Guidance(folder, request.Sampling);
        var whole = new WindowEncoder(encoders[0]);

        // As in the reference, the negative prompt keeps all layers.
        WindowEncoder skipping = request.Sampling.ClipSkip is { } skip
            ? new(encoders[0], ClipSkip.Normalized(folder, folder.TextEncoders[0], encoders[0], skip))
            : whole;
        return plan.Schedule(request.IsGuided, (texts, isNegative) =>
        {
            EncodedWindows encoded = (isNegative ? whole : skipping).Encode((PromptWindows)texts[0], cancellationToken);
            return new TextConditioning(encoded.HiddenStates, encoded.SequenceLength, others);
        });
    }

    /// <summary>The guidance scale's embedding, where the denoiser takes one.</summary>
    private protected static Dictionary<ConditioningRole, ReadOnlyMemory<float>> Guidance(
        GeneratorFolder folder,
        SamplingRequest sampling
    ) =>
        GuidanceEmbedding.For(folder, sampling.GuidanceScale ?? 1) is { IsEmpty: false } embedding
            ? new() { [ConditioningRole.GuidanceEmbeds] = embedding }
            : [];

    private static DenoiserFolder ReadUnet(ModelIndex index)
    {
        ConfigFile config = index.Config(Unet);
        int[] size = config.Ints("sample_size") ?? throw config.Missing("sample_size", "the latent size the UNet was trained for");
        int inChannels = config.RequiredInt("in_channels");
        return new()
        {
            Graph = $"{Unet}/model.onnx",
            ConfigPath = config.Path,
            Config = config.Root,
            InChannels = inChannels,
            OutChannels = config.Int("out_channels") ?? inChannels,
            SampleSize = size.Length is 1 or 2 && size.All(length => length > 0)
                ? (size[0], size[^1])
                : throw config.Wrong("sample_size", config.Find("sample_size")!.Value, "one or two numbers above 0"),
            CrossAttentionDim = config.Ints("encoder_hid_dim") is [var projected, ..] ? projected
                : config.Ints("cross_attention_dim") is [var attended, ..] ? attended
                : null,
            TimeCondProjDim = config.Int("time_cond_proj_dim"),
            AdditionEmbedType = config.String("addition_embed_type"),
            Downsamplings = Math.Max(0, (config.Ints("block_out_channels")?.Length ?? 1) - 1),
        };
    }

    private static void CheckPrediction(SchedulerFolder scheduler)
    {
        var config = new ConfigFile(scheduler.ConfigPath, scheduler.Config);
        if (config.String("prediction_type") is { } prediction && !_predictions.Contains(prediction, StringComparer.Ordinal))
        {
            throw config.Wrong(
                "prediction_type", config.Find("prediction_type")!.Value, "epsilon, v_prediction, sample or flow_prediction");
        }
    }

    private void RefuseFurtherEncoders(ModelIndex index)
    {
        foreach (string part in new[] { "text_encoder", "text_encoder_2", "text_encoder_3" })
        {
            if (!TextEncoders.Contains(part, StringComparer.Ordinal) && index.Has(part))
            {
                throw new ModelFolderException(
                    index.PathOf(part),
                    $"a {index.PipelineClass} reads {string.Join(" and ", TextEncoders)} only; expected the parts of one model");
            }
        }
    }

    private static void CheckFit(TextEncoderFolder[] encoders, DenoiserFolder denoiser, AutoencoderFolder?[] autoencoder)
    {
        int textWidth = encoders.Sum(encoder => encoder.HiddenSize);
        if (denoiser.CrossAttentionDim is { } attended && attended != textWidth)
        {
            string found = string.Join(" + ", encoders.Select(encoder => $"{Path.GetDirectoryName(encoder.Graph)} {encoder.HiddenSize}"));
            throw new ModelFolderException(
                denoiser.ConfigPath,
                $"cross_attention_dim is {attended}, but the text embeddings are {textWidth} wide ({found}); expected the UNet and text encoder of one model"
            );
        }

        foreach (AutoencoderFolder part in autoencoder.OfType<AutoencoderFolder>())
        {
            if (part.LatentChannels != denoiser.OutChannels)
            {
                throw new ModelFolderException(
                    part.ConfigPath,
                    $"latent_channels is {part.LatentChannels}, but the UNet gives {denoiser.OutChannels} (out_channels of {denoiser.ConfigPath}); "
                    + "expected the autoencoder of the same model");
            }
        }

        if (denoiser.InChannels < denoiser.OutChannels)
        {
            throw new ModelFolderException(
                denoiser.ConfigPath, $"in_channels is {denoiser.InChannels}; expected at least the {denoiser.OutChannels} of out_channels");
        }

        if (denoiser.InChannels != denoiser.OutChannels && !denoiser.SeesMask)
        {
            throw new ModelFolderException(
                denoiser.ConfigPath,
                $"in_channels is {denoiser.InChannels}; this build runs {denoiser.OutChannels}, and {(2 * denoiser.OutChannels) + 1} for inpainting"
            );
        }
    }
}

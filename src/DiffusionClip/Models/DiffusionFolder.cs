using System.Numerics.Tensors;
using System.Text.Json;
using DiffusionClip.Denoising;

namespace DiffusionClip.Models;

/// <summary>
/// A Stable Diffusion folder in the layout of diffusers' ONNX exports: <c>model_index.json</c>, <c>scheduler/</c>, <c>tokenizer[_2]/</c>,
/// <c>text_encoder[_2]/</c>, <c>unet/</c>, <c>vae_decoder/</c>, and optionally <c>vae_decoder_tiny/</c> and <c>vae_encoder/</c>.
/// </summary>
public sealed class DiffusionFolder : ModelFolder
{
    internal const string IndexName = "model_index.json";

    // What the families' pipelines in diffusers run with when nobody says otherwise: steps, guidance, strength over a picture and with a mask.
    private static readonly (string Family, int Steps, float GuidanceScale, double Strength, double InpaintStrength)[] _pipelineDefaults =
    [
        ("LatentConsistency", 4, 8.5f, 0.8, 1),
        ("StableDiffusionXL", 50, 5f, 0.3, 0.9999),
        ("", 50, 7.5f, 0.8, 1),
    ];

    private readonly string[] _configurations;

    private DiffusionFolder(string path, ModelManifest? manifest) : base(path, ModelKind.Diffusion, manifest)
    {
        string indexPath = System.IO.Path.Combine(path, IndexName);
        if (!File.Exists(indexPath))
        {
            throw new ModelFolderException(indexPath, "missing; expected the index of a diffusion folder");
        }

        var index = ConfigFile.Read(indexPath);
        Index = index.Root;
        PipelineClass = index.String("_class_name") ?? "StableDiffusionPipeline";
        if (!Directory.Exists(System.IO.Path.Combine(path, "unet")) && Directory.Exists(System.IO.Path.Combine(path, "transformer")))
        {
            throw new ModelFolderException(System.IO.Path.Combine(path, "transformer"), "a transformer; this build runs folders with a unet/");
        }

        string schedulerPath = System.IO.Path.Combine(path, "scheduler", "scheduler_config.json");
        var scheduler = ConfigFile.Read(schedulerPath);
        Scheduler = scheduler.Root;
        SchedulerPath = schedulerPath;
        PredictionType = scheduler.String("prediction_type") switch
        {
            null or "epsilon" => PredictionType.Epsilon,
            "v_prediction" => PredictionType.VPrediction,
            "sample" => PredictionType.Sample,
            "flow_prediction" => PredictionType.Flow,
            _ => throw scheduler.Wrong("prediction_type", scheduler.Find("prediction_type")!.Value, "epsilon, v_prediction, sample or flow_prediction"),
        };

        var configurations = new List<string> { IndexName, "scheduler/scheduler_config.json" };
        var encoders = new List<TextEncoderFolder>();
        foreach (string suffix in new[] { "", "_2", "_3" })
        {
            // The refiner of SDXL has only the second.
            bool first = suffix.Length == 0 && !Directory.Exists(System.IO.Path.Combine(path, "text_encoder_2"));
            if (!first && !Directory.Exists(System.IO.Path.Combine(path, "text_encoder" + suffix)))
            {
                continue;
            }

            string graph = Graph("text_encoder" + suffix, configurations);
            string[] tokenizer = TokenizerFiles(path, "tokenizer" + suffix);
            configurations.AddRange(tokenizer);
            encoders.Add(TextEncoderFolder.Read(path, graph, "tokenizer" + suffix));
        }

        TextEncoders = encoders;
        Denoiser = DenoiserFolder.Read(path, Graph("unet", configurations));
        Decoder = AutoencoderFolder.Read(path, Graph("vae_decoder", configurations));
        TinyDecoder = OptionalAutoencoder("vae_decoder_tiny", configurations);
        Encoder = OptionalAutoencoder("vae_encoder", configurations);
        _configurations = [.. configurations];
        CheckFit();

        (int height, int width) = Denoiser.SampleSize;
        int scale = Decoder.SpatialScale;
        (_, int steps, float guidanceScale, double strength, double inpaintStrength) =
            _pipelineDefaults.First(defaults => PipelineClass.Contains(defaults.Family, StringComparison.Ordinal));
        Defaults = new(
            manifest?.NumInferenceSteps ?? steps,
            manifest?.GuidanceScale ?? guidanceScale,
            manifest?.Width ?? width * scale,
            manifest?.Height ?? height * scale)
        {
            Strength = strength,
            InpaintStrength = inpaintStrength,
        };
    }

    /// <summary>The whole <c>model_index.json</c>.</summary>
    public JsonElement Index { get; }

    /// <summary>The pipeline's class in diffusers, e.g. <c>StableDiffusionPipeline</c>.</summary>
    public string PipelineClass { get; }

    /// <summary>The whole <c>scheduler_config.json</c>; NaN and infinities, which Python writes bare, are texts in it.</summary>
    public JsonElement Scheduler { get; }

    /// <summary>Path of <c>scheduler_config.json</c>, for errors.</summary>
    public string SchedulerPath { get; }

    /// <summary>What the denoiser predicts; epsilon where the scheduler's configuration does not say.</summary>
    public PredictionType PredictionType { get; }

    /// <summary>The text encoders, the first first; at least one.</summary>
    public IReadOnlyList<TextEncoderFolder> TextEncoders { get; }

    /// <summary>The UNet.</summary>
    public DenoiserFolder Denoiser { get; }

    /// <summary>The full decoder.</summary>
    public AutoencoderFolder Decoder { get; }

    /// <summary>The small decoder for glimpses; null if there is none.</summary>
    public AutoencoderFolder? TinyDecoder { get; }

    /// <summary>The decoder for glimpses: the small one, else the full one.</summary>
    public AutoencoderFolder PreviewDecoder => TinyDecoder ?? Decoder;

    /// <summary>The encoder; null if there is none.</summary>
    public AutoencoderFolder? Encoder { get; }

    /// <summary>Width and height of pictures are multiples of this.</summary>
    public int SizeMultiple => Decoder.SpatialScale << Denoiser.Downsamplings;

    /// <summary>
    /// The settings that go with the model. What <c>diffusionclip.json</c> does not say: steps, guidance and strengths as the family's
    /// pipelines in diffusers have them, and the size that the UNet was trained for (<c>sample_size</c> times the decoder's scale).
    /// </summary>
    public ModelDefaults Defaults { get; }

    /// <summary>Id or folder name of the CLIP that goes with this generator; null if the folder does not say.</summary>
    public string? Scorer => Manifest?.Scorer;

    internal override IEnumerable<string> Graphs =>
        [.. TextEncoders.Select(encoder => encoder.Graph), Denoiser.Graph, Decoder.Graph, .. OptionalGraphs];

    internal override IEnumerable<string> Configurations => _configurations;

    private IEnumerable<string> OptionalGraphs =>
        new[] { TinyDecoder, Encoder }.OfType<AutoencoderFolder>().Select(part => part.Graph);

    /// <summary>Opens a diffusion folder.</summary>
    /// <param name="path">The folder.</param>
    /// <exception cref="ModelFolderException">The folder is missing, incomplete, damaged or does not fit together; names the file.</exception>
    public static new DiffusionFolder Open(string path) => ModelFolder.Open(path) as DiffusionFolder
        ?? throw new ModelFolderException(path, "a CLIP model; expected a generator with a unet/");

    internal static DiffusionFolder Read(string path, ModelManifest? manifest) => new(path, manifest);

    private string Graph(string part, List<string> configurations)
    {
        string folder = System.IO.Path.Combine(Path, part);
        if (!Directory.Exists(folder))
        {
            throw new ModelFolderException(folder, "missing; expected a folder with model.onnx and config.json");
        }

        ModelFile.CheckGraph(System.IO.Path.Combine(folder, "model.onnx"));
        configurations.Add($"{part}/config.json");
        return $"{part}/model.onnx";
    }

    private AutoencoderFolder? OptionalAutoencoder(string part, List<string> configurations) =>
        Directory.Exists(System.IO.Path.Combine(Path, part)) ? AutoencoderFolder.Read(Path, Graph(part, configurations)) : null;

    private void CheckFit()
    {
        int textWidth = TextEncoders.Sum(encoder => encoder.HiddenSize);
        if (Denoiser.CrossAttentionDim is { } attended && attended != textWidth)
        {
            string found = string.Join(" + ", TextEncoders.Select(encoder => $"{encoder.Graph[..encoder.Graph.IndexOf('/', StringComparison.Ordinal)]} {encoder.HiddenSize}"));
            throw new ModelFolderException(Denoiser.ConfigPath, $"cross_attention_dim is {attended}, but the text embeddings are {textWidth} wide ({found}); expected the UNet and text encoder of one model");
        }

        foreach (AutoencoderFolder part in new[] { Decoder, TinyDecoder, Encoder }.OfType<AutoencoderFolder>())
        {
            if (part.LatentChannels != Denoiser.OutChannels)
            {
                throw new ModelFolderException(part.ConfigPath, $"latent_channels is {part.LatentChannels}, but the UNet gives {Denoiser.OutChannels} (out_channels of {Denoiser.ConfigPath}); expected the autoencoder of the same model");
            }
        }

        if (Denoiser.InChannels < Denoiser.OutChannels)
        {
            throw new ModelFolderException(Denoiser.ConfigPath, $"in_channels is {Denoiser.InChannels}; expected at least the {Denoiser.OutChannels} of out_channels");
        }
    }
}

/// <summary>A text encoder and its tokenizer in a diffusion folder.</summary>
public sealed record TextEncoderFolder
{
    /// <summary>Path of the graph in the folder.</summary>
    public required string Graph { get; init; }

    /// <summary>Absolute path of <c>config.json</c>.</summary>
    public required string ConfigPath { get; init; }

    /// <summary>Absolute path of the folder with the tokenizer's files.</summary>
    public required string TokenizerPath { get; init; }

    /// <summary>Width of the embeddings.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Tokens of a sequence with start, end and padding: the smaller of the encoder's positions and the tokenizer's limit.</summary>
    public required int TokenLimit { get; init; }

    /// <summary>Width of the pooled, projected vector; null if the configuration does not say.</summary>
    public int? ProjectionDim { get; init; }

    /// <summary>Layers of the transformer; null if the configuration does not say.</summary>
    public int? NumHiddenLayers { get; init; }

    /// <summary>What layer norms add to the variance.</summary>
    public float LayerNormEpsilon { get; init; } = 1e-5f;

    /// <summary>Entries of the vocabulary; null if the configuration does not say.</summary>
    public int? VocabSize { get; init; }

    internal static TextEncoderFolder Read(string folder, string graph, string tokenizer)
    {
        var config = ConfigFile.Read(Path.Combine(folder, Path.GetDirectoryName(graph)!, "config.json"));
        string tokenizerPath = Path.Combine(folder, tokenizer);
        return new()
        {
            Graph = graph,
            ConfigPath = config.Path,
            TokenizerPath = tokenizerPath,
            HiddenSize = config.Int("hidden_size") ?? config.Int("d_model") ?? throw config.Missing("hidden_size", "the width of the text embeddings"),
            TokenLimit = ReadTokenLimit(config.Int("max_position_embeddings"), tokenizerPath)
                ?? throw config.Missing("max_position_embeddings", "the number of tokens the encoder reads"),
            ProjectionDim = config.Int("projection_dim"),
            NumHiddenLayers = config.Int("num_hidden_layers"),
            VocabSize = config.Int("vocab_size"),
            LayerNormEpsilon = config.Float("layer_norm_eps") ?? 1e-5f,
        };
    }

    /// <summary>The smaller of positions and the tokenizer's limit, which is 1e30 where transformers does not know one.</summary>
    internal static int? ReadTokenLimit(int? positions, string tokenizerPath)
    {
        string path = Path.Combine(tokenizerPath, "tokenizer_config.json");
        double? limit = null;
        if (JsonFile.ReadIfThere(path) is { } root && root.TryGetProperty("model_max_length", out JsonElement value)
            && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number is >= 2 and < int.MaxValue)
        {
            limit = number;
        }

        return positions is { } most ? (int)Math.Min(most, limit ?? most) : (int?)limit;
    }
}

/// <summary>The UNet of a diffusion folder.</summary>
public sealed record DenoiserFolder
{
    /// <summary>Path of the graph in the folder.</summary>
    public required string Graph { get; init; }

    /// <summary>Absolute path of <c>config.json</c>.</summary>
    public required string ConfigPath { get; init; }

    /// <summary>Channels of its input: those of the latents; 9 for inpainting models of 4.</summary>
    public required int InChannels { get; init; }

    /// <summary>Channels of its output.</summary>
    public required int OutChannels { get; init; }

    /// <summary>Latent size it was trained for.</summary>
    public required (int Height, int Width) SampleSize { get; init; }

    /// <summary>Width of the text embeddings it attends to; null if the configuration does not say.</summary>
    public int? CrossAttentionDim { get; init; }

    /// <summary>Width of the guidance embedding of latent consistency models; null if there is none.</summary>
    public int? TimeCondProjDim { get; init; }

    /// <summary>Further conditioning, e.g. <c>text_time</c> for SDXL; null if there is none.</summary>
    public string? AdditionEmbedType { get; init; }

    /// <summary>Whether it takes a mask and the masked picture beside its sample: an inpainting model.</summary>
    public bool SeesMask => InChannels == (2 * OutChannels) + 1;

    /// <summary>Factors by which the UNet halves its input: height and width must be multiples of 2 to this power.</summary>
    public int Downsamplings { get; init; }

    internal static DenoiserFolder Read(string folder, string graph)
    {
        var config = ConfigFile.Read(Path.Combine(folder, Path.GetDirectoryName(graph)!, "config.json"));
        int[] size = config.Ints("sample_size") ?? throw config.Missing("sample_size", "the latent size the UNet was trained for");
        int inChannels = config.RequiredInt("in_channels");
        return new()
        {
            Graph = graph,
            ConfigPath = config.Path,
            InChannels = inChannels,
            OutChannels = config.Int("out_channels") ?? inChannels,
            SampleSize = size.Length is 1 or 2 && size.All(length => length > 0)
                ? (size[0], size[^1])
                : throw config.Wrong("sample_size", config.Find("sample_size")!.Value, "one or two numbers above 0"),
            CrossAttentionDim = config.Ints("encoder_hid_dim") is [var projected, ..] ? projected : config.Ints("cross_attention_dim") is [var attended, ..] ? attended : null,
            TimeCondProjDim = config.Int("time_cond_proj_dim"),
            AdditionEmbedType = config.String("addition_embed_type"),
            Downsamplings = Math.Max(0, (config.Ints("block_out_channels")?.Length ?? 1) - 1),
        };
    }
}

/// <summary>A half of an autoencoder in a diffusion folder.</summary>
public sealed record AutoencoderFolder
{
    // What diffusers' AutoencoderKL and AutoencoderTiny mean where their configuration leaves the factor out.
    private const float KlScalingFactor = 0.18215f;
    private const float TinyScalingFactor = 1f;

    /// <summary>Path of the graph in the folder.</summary>
    public required string Graph { get; init; }

    /// <summary>Absolute path of <c>config.json</c>.</summary>
    public required string ConfigPath { get; init; }

    /// <summary>Channels of the latents.</summary>
    public required int LatentChannels { get; init; }

    /// <summary>Latents = (sample - shift) · scaling factor.</summary>
    public required float ScalingFactor { get; init; }

    /// <summary>Latents = (sample - shift) · scaling factor; 0 for most families.</summary>
    public float ShiftFactor { get; init; }

    /// <summary>Pixels a latent, on each side.</summary>
    public required int SpatialScale { get; init; }

    /// <summary>Mean of each latent channel, where the family standardises them; else null.</summary>
    public IReadOnlyList<float>? LatentsMean { get; init; }

    /// <summary>Standard deviation of each latent channel, where the family standardises them; else null.</summary>
    public IReadOnlyList<float>? LatentsStd { get; init; }

    /// <summary>From what an encoder gives to what the denoiser knows, in place.</summary>
    /// <param name="latents">[channels, height, width].</param>
    internal void Scale(Span<float> latents)
    {
        int plane = latents.Length / LatentChannels;
        for (int channel = 0; channel < LatentChannels; channel++)
        {
            Span<float> values = latents.Slice(channel * plane, plane);
            (float shift, float deviation) = Standard(channel);
            TensorPrimitives.Subtract(values, shift, values);
            TensorPrimitives.Multiply(values, ScalingFactor / deviation, values);
        }
    }

    /// <summary>From what the denoiser knows to what a decoder takes.</summary>
    /// <param name="latents">[channels, height, width].</param>
    /// <param name="destination">As long.</param>
    internal void Unscale(ReadOnlySpan<float> latents, Span<float> destination)
    {
        int plane = latents.Length / LatentChannels;
        for (int channel = 0; channel < LatentChannels; channel++)
        {
            Span<float> values = destination.Slice(channel * plane, plane);
            (float shift, float deviation) = Standard(channel);
            TensorPrimitives.Divide(latents.Slice(channel * plane, plane), ScalingFactor / deviation, values);
            TensorPrimitives.Add(values, shift, values);
        }
    }

    // Standardised channels have no shift factor beside their means.
    private (float Shift, float Deviation) Standard(int channel) =>
        LatentsMean is { } mean && LatentsStd is { } deviation ? (mean[channel], deviation[channel]) : (ShiftFactor, 1);

    internal static AutoencoderFolder Read(string folder, string graph)
    {
        var config = ConfigFile.Read(Path.Combine(folder, Path.GetDirectoryName(graph)!, "config.json"));
        bool tiny = config.String("_class_name") == "AutoencoderTiny";
        int channels = config.RequiredInt("latent_channels");
        int[] blocks = config.Ints("block_out_channels") ?? config.Ints("decoder_block_out_channels")
            ?? throw config.Missing("block_out_channels", "a list with one entry more than the autoencoder halves its input");
        float scaling = config.Float("scaling_factor") ?? (tiny ? TinyScalingFactor : KlScalingFactor);
        return new()
        {
            Graph = graph,
            ConfigPath = config.Path,
            LatentChannels = channels,
            ScalingFactor = scaling > 0 ? scaling : throw config.Wrong("scaling_factor", config.Find("scaling_factor")!.Value, "a number above 0"),
            ShiftFactor = config.Float("shift_factor") ?? 0,
            SpatialScale = blocks.Length is > 0 and < 16 ? 1 << (blocks.Length - 1) : throw config.Wrong("block_out_channels", config.Find("block_out_channels")!.Value, "a list of channels"),
            LatentsMean = config.Floats("latents_mean", channels),
            LatentsStd = config.Floats("latents_std", channels),
        };
    }
}

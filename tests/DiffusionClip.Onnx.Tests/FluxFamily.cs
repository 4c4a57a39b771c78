using System.Text.Json;
using DiffusionClip.Conditioning;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Families;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Onnx;

/// <summary>
/// A family that no product file knows: a transformer, latents packed into tokens, two kinds of text encoders, positions as inputs, a shift
/// that follows from the picture's size. All of it is this file.
/// </summary>
internal sealed class FluxFamily : IModelFamily
{
    private static readonly ConditioningRole Guidance = new("guidance scale");

    public string Name => "flux";

    public string Pipeline => "FluxPipeline";

    public bool Matches(ModelIndex index) => index.PipelineClass == Pipeline;

    public GeneratorFolder Read(ModelIndex index)
    {
        SchedulerFolder scheduler = index.ReadScheduler();
        TextEncoderFolder[] encoders = [index.ReadTextEncoder("text_encoder"), index.ReadTextEncoder("text_encoder_2")];
        JsonElement transformer = index.ReadConfig("transformer");
        AutoencoderFolder decoder = index.ReadAutoencoder("vae_decoder"), encoder = index.ReadAutoencoder("vae_encoder");
        return new(index)
        {
            Family = Name,
            SchedulerPart = scheduler,
            TextEncoders = encoders,
            Denoiser = new()
            {
                Graph = "transformer/model.onnx",
                ConfigPath = index.PathOf("transformer/config.json"),
                Config = transformer,
                InChannels = transformer.GetProperty("in_channels").GetInt32() / 4,
                OutChannels = decoder.LatentChannels,
                SampleSize = (8, 8),
                CrossAttentionDim = transformer.GetProperty("joint_attention_dim").GetInt32(),
            },
            Decoder = decoder,
            Encoder = encoder,
            SizeMultiple = 2 * decoder.SpatialScale,
            Defaults = new() { NumInferenceSteps = 28, GuidanceScale = 3.5f, Width = 64, Height = 64 },
        };
    }

    public IReadOnlyList<ITokenizer> LoadTokenizers(GeneratorFolder folder) =>
        [ClipTokenizer.Load(folder.TextEncoders[0].TokenizerPath), SiglipTokenizer.Load(folder.TextEncoders[1].TokenizerPath)];

    public DenoiserSignature Denoiser(GeneratorFolder folder) => new()
    {
        Sample = new() { Name = "hidden_states" },
        Timestep = new() { Name = "timestep" },
        Output = new() { Name = "out_hidden_states" },
        Conditioning =
        [
            new()
            {
                Role = ConditioningRole.PromptEmbeds,
                Port = new() { Name = "encoder_hidden_states" },
                Rank = 3,
                IsRequired = true,
                Width = folder.Denoiser.CrossAttentionDim,
            },
            new()
            {
                Role = ConditioningRole.PooledEmbeds,
                Port = new() { Name = "pooled_projections" },
                Rank = 2,
                IsRequired = true,
                Width = folder.Denoiser.Config.GetProperty("pooled_projection_dim").GetInt32(),
            },
            new() { Role = Guidance, Port = new() { Name = "guidance" }, Rank = 1 },
        ],
        Shapes =
        [
            new()
            {
                Port = new() { Name = "img_ids" },
                Make = (shape, _) => ([shape.Height * shape.Width / 4, 3], [.. Enumerable.Range(0, shape.Height * shape.Width / 4)
                    .SelectMany(token => new float[] { 0, token / (shape.Width / 2), token % (shape.Width / 2) })]),
            },
            new() { Port = new() { Name = "txt_ids" }, Make = (_, tokens) => ([tokens, 3], new float[3 * tokens]) },
        ],
        Layout = new TwoByTwo(),
        TimestepScale = 0.001f,
    };

    public void Check(ImageRequest request, GeneratorFolder folder)
    {
    }

    public LatentShape Shape(GeneratorFolder folder, int width, int height) =>
        new(folder.Decoder.LatentChannels, height / folder.Decoder.SpatialScale, width / folder.Decoder.SpatialScale);

    public ScheduleRequest Schedule(ImageRequest request, GeneratorFolder folder, SchedulerConfig scheduler, LatentShape shape) =>
        new()
        {
            Sigmas =
            [
                .. Enumerable
                    .Range(0, request.Sampling.NumInferenceSteps!.Value)
                    .Select(i =>
                        1
                        - (
                            i
                            * (1 - (1d / request.Sampling.NumInferenceSteps.Value))
                            / Math.Max(1, request.Sampling.NumInferenceSteps.Value - 1))),
            ],
            Mu = 0.5 + ((1.15 - 0.5) * ((shape.Height * shape.Width / 4) - 256) / (4096 - 256)),
        };

    public bool IsGuided(GeneratorFolder folder, float guidanceScale) => false;

    public PromptPlan Tokenize(GeneratorFolder folder, IReadOnlyList<ITokenizer> tokenizers, PromptRequest prompt, PromptSteps steps) =>
        PromptPlan.Of([new ClipPromptReader(tokenizers[0], 77), new Whole(tokenizers[1])], prompt, steps);

    public ConditioningSchedule Encode(
        PromptPlan plan, ConditioningRequest request, IReadOnlyList<ITextEncoder> encoders, CancellationToken cancellationToken) =>
        plan.Schedule(guided: false, (texts, _) =>
        {
            ReadOnlyMemory<float> pooled = encoders[0].Encode(((PromptWindows)texts[0]).Windows[0].Ids.Span, cancellationToken).Pooled;
            TokenizedText tokens = ((WholeText)texts[1]).Tokens;
            return new(encoders[1].Encode(tokens.Ids.Span, cancellationToken).LastHiddenState, tokens.Ids.Length, new Dictionary<ConditioningRole, ReadOnlyMemory<float>>
            {
                [ConditioningRole.PooledEmbeds] = pooled,
                [Guidance] = new float[] { request.Sampling.GuidanceScale ?? 3.5f },
            });
        });

    private sealed class Whole(ITokenizer tokenizer) : IPromptReader
    {
        public EncoderTokens Read(IReadOnlyList<WeightedText> runs) =>
            new WholeText(tokenizer.Tokenize(string.Concat(runs.Select(run => run.Text)), 32));
    }

    private sealed class WholeText(TokenizedText tokens) : EncoderTokens
    {
        public TokenizedText Tokens => tokens;

        public override int Count => tokens.Count;

        public override int Dropped => tokens.Dropped;

        public override int Sequences => 1;

        public override EncoderTokens PaddedTo(int sequences) => this;
    }

    /// <summary>Feature = channel · 4 + row · 2 + column of each 2x2; tokens row by row.</summary>
    internal sealed class TwoByTwo : ILatentLayout
    {
        public IReadOnlyList<int> ShapeOf(LatentShape shape) => [shape.Height * shape.Width / 4, 4 * shape.Channels];

        public void Pack(ReadOnlySpan<float> latents, LatentShape shape, Span<float> packed)
        {
            for (int i = 0; i < latents.Length; i++)
            {
                packed[Place(i, shape)] = latents[i];
            }
        }

        public void Unpack(ReadOnlySpan<float> packed, LatentShape shape, Span<float> latents)
        {
            for (int i = 0; i < latents.Length; i++)
            {
                latents[i] = packed[Place(i, shape)];
            }
        }

        private static int Place(int index, LatentShape shape)
        {
            (int channel, int rest) = int.DivRem(index, shape.Height * shape.Width);
            (int y, int x) = int.DivRem(rest, shape.Width);
            return ((((y / 2) * (shape.Width / 2)) + (x / 2)) * 4 * shape.Channels) + (channel * 4) + ((y % 2) * 2) + (x % 2);
        }
    }
}

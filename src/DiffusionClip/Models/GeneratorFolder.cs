using System.Text.Json;

namespace DiffusionClip.Models;

/// <summary>
/// A generator's folder in the layout of diffusers' ONNX exports, as its family has read it: the parts by their role, the settings that go
/// with it, and the sizes it paints.
/// </summary>
public sealed class GeneratorFolder : ModelFolder
{
    private readonly string[] _configurations;

    /// <summary>Makes a folder of an index whose parts have been read.</summary>
    /// <param name="index">The index.</param>
    public GeneratorFolder(ModelIndex index) : base((index ?? throw new ArgumentNullException(nameof(index))).Location, ModelKind.Diffusion)
    {
        Index = index.Root;
        PipelineClass = index.PipelineClass;
        _configurations = [.. index.Configurations];
    }

    /// <summary>Name of the family that reads and runs it.</summary>
    public required string Family { get; init; }

    /// <summary>The whole <c>model_index.json</c>.</summary>
    public JsonElement Index { get; }

    /// <summary>The pipeline's class in diffusers, e.g. <c>StableDiffusionPipeline</c>.</summary>
    public string PipelineClass { get; }

    /// <summary>The scheduler's configuration.</summary>
    public required SchedulerFolder SchedulerPart { get; init; }

    /// <summary>The whole <c>scheduler_config.json</c>.</summary>
    public JsonElement Scheduler => SchedulerPart.Config;

    /// <summary>The text encoders in their order; at least one.</summary>
    public required IReadOnlyList<TextEncoderFolder> TextEncoders { get; init; }

    /// <summary>The denoiser.</summary>
    public required DenoiserFolder Denoiser { get; init; }

    /// <summary>The full decoder.</summary>
    public required AutoencoderFolder Decoder { get; init; }

    /// <summary>The small decoder for previews; null if there is none.</summary>
    public AutoencoderFolder? TinyDecoder { get; init; }

    /// <summary>The decoder for previews: the small one, else the full one.</summary>
    public AutoencoderFolder PreviewDecoder => TinyDecoder ?? Decoder;

    /// <summary>The encoder; null if there is none.</summary>
    public AutoencoderFolder? Encoder { get; init; }

    /// <summary>Width and height of pictures are multiples of this.</summary>
    public required int SizeMultiple { get; init; }

    /// <summary>The settings that go with the model: those of <c>diffusionclip.json</c>, else its family's.</summary>
    public required ModelDefaults Defaults { get; init; }

    /// <summary>Id or folder name of the CLIP that goes with this generator; null if the folder does not say.</summary>
    public string? Scorer => Manifest?.Scorer;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Graphs =>
        [.. TextEncoders.Select(encoder => encoder.Graph), Denoiser.Graph, Decoder.Graph, .. OptionalGraphs];

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Configurations => _configurations;

    private IEnumerable<string> OptionalGraphs =>
        new[] { TinyDecoder, Encoder }.OfType<AutoencoderFolder>().Select(part => part.Graph);
}

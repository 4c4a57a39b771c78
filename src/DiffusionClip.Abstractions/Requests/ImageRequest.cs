using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>
/// What is wanted: the same record for the library, the command line, a picture's metadata, a queue and an API.
/// A field left null takes the model's default when the request is normalized; only normalized requests run.
/// </summary>
public sealed record ImageRequest
{
    /// <summary>The version of this record that this build writes.</summary>
    public const int CurrentSchemaVersion = 2;

    /// <summary>Version of the record: 1 or 2; a normalized request has the newest.</summary>
    public int SchemaVersion { get; init; } = CurrentSchemaVersion;

    /// <summary>What the picture shows and does not show.</summary>
    public PromptRequest Prompt { get; init; } = new();

    /// <summary>Which model paints it.</summary>
    public ModelRequest Model { get; init; } = new();

    /// <summary>How it is painted.</summary>
    public SamplingRequest Sampling { get; init; } = new();

    /// <summary>How many candidates, and how the best are found.</summary>
    public SearchRequest Search { get; init; } = new();

    /// <summary>The picture that painting starts from; null: noise alone.</summary>
    public OriginRequest? Origin { get; init; }

    /// <summary>What is written down.</summary>
    public OutputRequest Output { get; init; } = new();

    /// <summary>A request for a prompt, everything else at its default.</summary>
    public static ImageRequest For(string prompt) => new() { Prompt = new() { Text = prompt } };

    /// <summary>
    /// SHA-256, in lower-case hexadecimal, of the request's canonical JSON: compact, in UTF-8, the keys of every object in ordinal
    /// order. Of a normalized request it names what runs.
    /// </summary>
    public string ComputeSha256()
    {
        JsonElement root = JsonSerializer.SerializeToElement(this, DiffusionClipJson.Compact);
        var canonical = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(canonical, new JsonWriterOptions { Encoder = DiffusionClipJson.Compact.Encoder }))
        {
            Write(writer, root);
        }

        return Convert.ToHexStringLower(SHA256.HashData(canonical.WrittenSpan));

        static void Write(Utf8JsonWriter writer, JsonElement element)
        {
            switch (element.ValueKind)
            {
                case JsonValueKind.Object:
                    writer.WriteStartObject();
                    foreach (JsonProperty property in element.EnumerateObject().OrderBy(property => property.Name, StringComparer.Ordinal))
                    {
                        writer.WritePropertyName(property.Name);
                        Write(writer, property.Value);
                    }

                    writer.WriteEndObject();
                    break;
                case JsonValueKind.Array:
                    writer.WriteStartArray();
                    foreach (JsonElement item in element.EnumerateArray())
                    {
                        Write(writer, item);
                    }

                    writer.WriteEndArray();
                    break;
                default:
                    element.WriteTo(writer);
                    break;
            }
        }
    }
}

/// <summary>The words.</summary>
public sealed record PromptRequest
{
    /// <summary>The prompt; empty paints unconditionally.</summary>
    public string Text { get; init; } = "";

    /// <summary>What guidance leads away from; empty for nothing in particular.</summary>
    public string Negative { get; init; } = "";

    /// <summary>The prompt of the second text encoder (SDXL's <c>prompt_2</c>); null: the same.</summary>
    [JsonPropertyName("text_2")]
    public string? Text2 { get; init; }

    /// <summary>What guidance leads away from, for the second text encoder (SDXL's <c>negative_prompt_2</c>); null: the same.</summary>
    [JsonPropertyName("negative_2")]
    public string? Negative2 { get; init; }

    /// <summary>How both texts are read; null: as the webui reads them.</summary>
    public PromptSyntax? Syntax { get; init; }
}

/// <summary>The generator.</summary>
public sealed record ModelRequest
{
    /// <summary>Id, folder name or path of a model folder; null: the configured default.</summary>
    public string? Id { get; init; }

    /// <summary>Execution provider: <c>auto</c>, <c>cpu</c>, <c>dml</c> or <c>cuda</c>; null: the configured one.</summary>
    public string? Provider { get; init; }
}

/// <summary>The settings of denoising, in the words of diffusers.</summary>
public sealed record SamplingRequest
{
    /// <summary>A scheduler's class name, alias or A1111 label (<c>DPM++ 2M Karras</c>); null: the model folder's own.</summary>
    public string? Scheduler { get; init; }

    /// <summary>Options laid over the scheduler's configuration, e.g. <c>use_karras_sigmas</c>.</summary>
    public IReadOnlyDictionary<string, JsonElement>? SchedulerOptions { get; init; }

    /// <summary>Number of denoising steps, 1 to 1000.</summary>
    public int? NumInferenceSteps { get; init; }

    /// <summary>Scale of classifier-free guidance (Ho and Salimans 2022), 0 to 100; at 1 and below guidance is skipped.</summary>
    public float? GuidanceScale { get; init; }

    /// <summary>Rescale of guided noise (Lin et al. 2023, section 3.4), 0 to 1; 0 leaves it alone.</summary>
    public float? GuidanceRescale { get; init; }

    /// <summary>
    /// The share of the steps that is guided, e.g. [0.1, 0.8]; the others cost one evaluation in place of two (Kynkäänniemi et al. 2024).
    /// Of N steps those from ⌊N·from⌋ up to, not including, ⌊N·to⌋. Null: all.
    /// </summary>
    public GuidanceInterval? GuidanceInterval { get; init; }

    /// <summary>DDIM's stochasticity, 0 to 1; null: the scheduler's default.</summary>
    public float? Eta { get; init; }

    /// <summary>Seed of the first candidate; candidate i has seed + i modulo 2^64. Null: drawn when the request is normalized.</summary>
    [JsonConverter(typeof(SeedJsonConverter))]
    public ulong? Seed { get; init; }

    /// <summary>The random number generator: torch's on the CPU, or CUDA's Philox.</summary>
    public NoiseKind? Noise { get; init; }

    /// <summary>Width in pixels, a multiple of the latent's scale.</summary>
    public int? Width { get; init; }

    /// <summary>Height in pixels, a multiple of the latent's scale.</summary>
    public int? Height { get; init; }

    /// <summary>
    /// Layers of the text encoder left out at its end, counted as diffusers does: null for none, 1 for what A1111 calls 2.
    /// As in diffusers the negative prompt keeps all layers.
    /// </summary>
    public int? ClipSkip { get; init; }

    /// <summary>Size that the picture is conditioned on as its original one (SDXL); null: its own.</summary>
    public RowsColumns? OriginalSize { get; init; }

    /// <summary>Where the picture is conditioned on having been cropped (SDXL); null: (0, 0), not at all.</summary>
    public RowsColumns? CropsCoordsTopLeft { get; init; }

    /// <summary>Size that the picture is conditioned on as its target (SDXL); null: its own.</summary>
    public RowsColumns? TargetSize { get; init; }

    /// <summary>
    /// As <see cref="OriginalSize"/>, for guidance's other side; counts only together with <see cref="NegativeTargetSize"/>.
    /// </summary>
    public RowsColumns? NegativeOriginalSize { get; init; }

    /// <summary>As <see cref="CropsCoordsTopLeft"/>, for guidance's other side; counts only together with the two negative sizes.</summary>
    public RowsColumns? NegativeCropsCoordsTopLeft { get; init; }

    /// <summary>
    /// As <see cref="TargetSize"/>, for guidance's other side; counts only together with <see cref="NegativeOriginalSize"/>.
    /// </summary>
    public RowsColumns? NegativeTargetSize { get; init; }
}

/// <summary>The random number generator of a run.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<NoiseKind>))]
public enum NoiseKind
{
    /// <summary>torch's CPU generator: mt19937 and its two normal fills.</summary>
    [JsonStringEnumMemberName("cpu")]
    Cpu,

    /// <summary>torch's CUDA generator: Philox 4x32-10.</summary>
    [JsonStringEnumMemberName("philox")]
    Philox,
}

/// <summary>What is written down.</summary>
public sealed record OutputRequest
{
    /// <summary>Quality of JPEG and WebP where a request names none.</summary>
    public const int DefaultQuality = 95;

    /// <summary>Whether pictures carry their metadata.</summary>
    public bool Metadata { get; init; } = true;

    /// <summary>The file format of the pictures.</summary>
    public OutputFormat Format { get; init; }

    /// <summary>Quality of JPEG and WebP, 1 to 100; 100 is lossless for WebP. Null: <see cref="DefaultQuality"/>. PNG has none.</summary>
    public int? Quality { get; init; }
}

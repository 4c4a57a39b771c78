using System.Text.Json;
using System.Text.Json.Serialization;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>
/// What a picture says about how it was made: one record for all programs, in the words of the program that wrote it.
/// A field that is null was not in the source; defaults are not filled in.
/// </summary>
public sealed record PictureMetadata
{
    /// <summary>
    /// The program that wrote it: <c>diffusionclip</c>, <c>a1111</c>, <c>comfyui</c>, <c>invokeai</c>, <c>swarmui</c>, <c>novelai</c>,
    /// <c>fooocus</c>, <c>easydiffusion</c>; null: nothing known was found.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Format { get; init; }

    /// <summary>The prompt, with whatever syntax it holds.</summary>
    public string? Prompt { get; init; }

    /// <summary>The negative prompt; empty is not the same as missing.</summary>
    public string? NegativePrompt { get; init; }

    /// <summary>Number of steps.</summary>
    public int? Steps { get; init; }

    /// <summary>The sampler in the program's own word.</summary>
    public string? Sampler { get; init; }

    /// <summary>The noise schedule in the program's own word.</summary>
    public string? Scheduler { get; init; }

    /// <summary>Scale of classifier-free guidance.</summary>
    public double? CfgScale { get; init; }

    /// <summary>The seed in decimal digits, of any size, perhaps negative.</summary>
    public string? Seed { get; init; }

    /// <summary>Width in pixels as asked for; the picture itself may differ.</summary>
    public int? Width { get; init; }

    /// <summary>Height in pixels as asked for.</summary>
    public int? Height { get; init; }

    /// <summary>The model's name: as written by A1111, else without folder and extension.</summary>
    public string? Model { get; init; }

    /// <summary>The model's hash in the program's own form.</summary>
    public string? ModelHash { get; init; }

    /// <summary>Layers of the text encoder left out, counted as the program counts them.</summary>
    public int? ClipSkip { get; init; }

    /// <summary>Where random numbers came from.</summary>
    public string? Rng { get; init; }

    /// <summary>Version of the program.</summary>
    public string? Version { get; init; }

    /// <summary>Strength of image-to-image, 0 to 1.</summary>
    public double? DenoisingStrength { get; init; }

    /// <summary>The VAE's name.</summary>
    public string? Vae { get; init; }

    /// <summary>The VAE's hash.</summary>
    public string? VaeHash { get; init; }

    /// <summary>Adapters in the order in which they apply; null if there are none.</summary>
    public IReadOnlyList<LoraMetadata>? Loras { get; init; }

    /// <summary>Hashes by resource, as A1111 lists them; null if there are none.</summary>
    public IReadOnlyDictionary<string, string>? Hashes { get; init; }

    /// <summary>Every other field, as text; null if there are none.</summary>
    public IReadOnlyDictionary<string, string>? Extras { get; init; }

    /// <summary>The parameters of an A1111 text, in order, keys may repeat; null for other programs.</summary>
    public IReadOnlyList<InfotextField>? Fields { get; init; }

    /// <summary>What a reader should know, e.g. that the grammar cannot tell a prompt from parameters; null if nothing.</summary>
    public IReadOnlyList<string>? Notes { get; init; }
}

/// <summary>An adapter.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Weight">Its weight; null if not given.</param>
/// <param name="Hash">Its hash; null if not given.</param>
public sealed record LoraMetadata(string Name, double? Weight, string? Hash = null);

/// <summary>One parameter of an A1111 text; in JSON <c>["Steps", "20"]</c>.</summary>
/// <param name="Key">Its key, case-sensitive.</param>
/// <param name="Value">Its value, unquoted.</param>
[JsonConverter(typeof(InfotextFieldJsonConverter))]
public readonly record struct InfotextField(string Key, string Value);

/// <summary>A parameter as an array of two.</summary>
internal sealed class InfotextFieldJsonConverter : JsonConverter<InfotextField>
{
    public override InfotextField Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        JsonSerializer.Deserialize<string[]>(ref reader, options) is [{ } key, { } value]
            ? new(key, value)
            : throw new JsonException("A field is an array of a key and a value.");

    public override void Write(Utf8JsonWriter writer, InfotextField value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        writer.WriteStringValue(value.Key);
        writer.WriteStringValue(value.Value);
        writer.WriteEndArray();
    }
}

using System.Text.Json;
using System.Text.Json.Serialization;

namespace DiffusionClip.Models;

/// <summary>What a model is for. Open: a package may bring a kind of its own beside its format and its loader.</summary>
[JsonConverter(typeof(ModelKindConverter))]
public sealed record ModelKind
{
    /// <summary>Names a kind.</summary>
    /// <param name="name">As <c>kind</c> of <c>diffusionclip.json</c> has it.</param>
    public ModelKind(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        Name = name;
    }

    /// <summary>Paints pictures from text: <c>stable-diffusion</c>.</summary>
    public static ModelKind Diffusion { get; } = new("stable-diffusion");

    /// <summary>Compares pictures and texts: <c>clip</c>.</summary>
    public static ModelKind Clip { get; } = new("clip");

    /// <summary>The kind's name, as <c>kind</c> of <c>diffusionclip.json</c> has it.</summary>
    public string Name { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>Writes and reads a kind as its name.</summary>
internal sealed class ModelKindConverter : JsonConverter<ModelKind>
{
    public override ModelKind? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.GetString() is { } name ? new(name) : null;

    public override void Write(Utf8JsonWriter writer, ModelKind value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.Name);
}

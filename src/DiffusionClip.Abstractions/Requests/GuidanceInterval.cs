using System.Text.Json;
using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>A part of the way from noise to picture; in JSON <c>[from, to]</c>.</summary>
/// <param name="From">Where it begins, 0 to 1.</param>
/// <param name="To">Where it ends, above <paramref name="From"/> and up to 1.</param>
[JsonConverter(typeof(GuidanceIntervalJsonConverter))]
public readonly record struct GuidanceInterval(double From, double To);

/// <summary>Two numbers as an array.</summary>
internal sealed class GuidanceIntervalJsonConverter : JsonConverter<GuidanceInterval>
{
    public override GuidanceInterval Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        JsonSerializer.Deserialize<double[]>(ref reader, options) is [double from, double to]
            ? new(from, to)
            : throw new JsonException("An interval is an array of two numbers from 0 to 1.");

    public override void Write(Utf8JsonWriter writer, GuidanceInterval value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        writer.WriteNumberValue(value.From);
        writer.WriteNumberValue(value.To);
        writer.WriteEndArray();
    }
}

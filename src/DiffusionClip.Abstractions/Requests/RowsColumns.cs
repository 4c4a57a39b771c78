using System.Text.Json;
using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>A size or a place in pixels, rows first as diffusers has it; in JSON <c>[height, width]</c> or <c>[top, left]</c>.</summary>
/// <param name="Rows">Height or top.</param>
/// <param name="Columns">Width or left.</param>
[JsonConverter(typeof(RowsColumnsJsonConverter))]
public readonly record struct RowsColumns(int Rows, int Columns);

/// <summary>Two numbers as an array.</summary>
internal sealed class RowsColumnsJsonConverter : JsonConverter<RowsColumns>
{
    public override RowsColumns Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        JsonSerializer.Deserialize<int[]>(ref reader, options) is [int rows, int columns]
            ? new(rows, columns)
            : throw new JsonException("A size or place is an array of two whole numbers, rows first.");

    public override void Write(Utf8JsonWriter writer, RowsColumns value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        writer.WriteNumberValue(value.Rows);
        writer.WriteNumberValue(value.Columns);
        writer.WriteEndArray();
    }
}

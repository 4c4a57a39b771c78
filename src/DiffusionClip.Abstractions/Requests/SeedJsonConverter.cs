using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace DiffusionClip;

/// <summary>Seeds in JSON: numbers up to 2^53, beyond which most readers round, decimal strings; both are read.</summary>
public sealed class SeedJsonConverter : JsonConverter<ulong>
{
    private const ulong LargestExact = 1UL << 53;

    /// <inheritdoc/>
    public override ulong Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.Number when reader.TryGetUInt64(out ulong number):
                return number;
            case JsonTokenType.String
                when ulong.TryParse(reader.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out ulong number):
                return number;
            default:
                throw new JsonException("A seed is a whole number from 0 to 18446744073709551615, beyond 2^53 as a string.");
        }
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, ulong value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        if (value <= LargestExact)
        {
            writer.WriteNumberValue(value);
        }
        else
        {
            writer.WriteStringValue(value.ToString(CultureInfo.InvariantCulture));
        }
    }
}

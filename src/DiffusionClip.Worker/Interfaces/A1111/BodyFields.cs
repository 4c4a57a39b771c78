using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary>
/// Reads a body field by field. Null counts as absent; what cannot be used is collected, so that a caller sees all of it at once.
/// </summary>
internal sealed class BodyFields
{
    private const int MaxDepth = 32;
    private readonly JsonElement _root;
    private readonly string[] _path;
    private readonly List<JsonNode> _problems;

    /// <summary>Reads the body itself.</summary>
    public BodyFields(JsonElement root)
        : this(root, ["body"], [])
    {
    }

    private BodyFields(JsonElement root, string[] path, List<JsonNode> problems)
    {
        _root = root;
        _path = path;
        _problems = problems;
        if (root.ValueKind != JsonValueKind.Object)
        {
            Add(null, "value is not a valid dict", "type_error.dict");
        }
    }

    /// <summary>Reads a body as JSON.</summary>
    /// <exception cref="JsonException">It is none, or nested too deeply.</exception>
    public static async Task<JsonDocument> ReadAsync(HttpContext context)
    {
        if (!context.Request.HasJsonContentType())
        {
            throw new BadHttpRequestException("Send JSON as Content-Type: application/json.", StatusCodes.Status415UnsupportedMediaType);
        }

        JsonDocument body = await JsonDocument
            .ParseAsync(context.Request.Body, new JsonDocumentOptions { MaxDepth = MaxDepth }, context.RequestAborted)
            .ConfigureAwait(false);
        try
        {
            RequireUnicode(body.RootElement, null);
            return body;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    // Half a surrogate pair throws wherever it is read, also where a reply repeats it.
    private static void RequireUnicode(JsonElement element, string? field)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    string name = Name(property);
                    RequireUnicode(property.Value, field ?? name);
                }

                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray())
                {
                    RequireUnicode(item, field);
                }

                break;
            case JsonValueKind.String when !IsUnicode(element):
                throw new InvalidRequestException(field ?? "body", "(text)", "it is no valid Unicode: half a surrogate pair; remove it");
        }
    }

    private static string Name(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw new BadHttpRequestException("The name of a field is no valid Unicode.", StatusCodes.Status400BadRequest);
        }
    }

    // Pictures are megabytes without an escape: those are not copied to be checked.
    private static bool IsUnicode(JsonElement text)
    {
        ReadOnlySpan<byte> raw = JsonMarshal.GetRawUtf8Value(text);
        if (raw.IndexOf("\\u"u8) < 0)
        {
            return Utf8.IsValid(raw);
        }

        try
        {
            _ = text.GetString();
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>One entry of FastAPI's <c>detail</c>.</summary>
    public static JsonObject Problem(string? field, string message, string type)
    {
        var place = new JsonArray("body");
        foreach (string part in field?.Split('.') ?? [])
        {
            place.Add(part);
        }

        return new() { ["loc"] = place, ["msg"] = message, ["type"] = type };
    }

    /// <summary>Names of the fields that are there and not null.</summary>
    public IEnumerable<string> Names =>
        _root.ValueKind == JsonValueKind.Object
            ? _root.EnumerateObject().Where(property => property.Value.ValueKind != JsonValueKind.Null).Select(property => property.Name)
            : [];

    /// <summary>Whether a field is there and not null.</summary>
    public bool Has(string name) => Get(name) is not null;

    /// <summary>A field as it is; null where it is absent.</summary>
    public JsonElement? Get(string name) =>
        _root.ValueKind == JsonValueKind.Object
        && _root.TryGetProperty(name, out JsonElement value)
        && value.ValueKind != JsonValueKind.Null
            ? value
            : null;

    /// <summary>A field as one of the contract's records; null where it is absent.</summary>
    /// <param name="name">The field.</param>
    /// <param name="expected">What it should be.</param>
    public T? As<T>(string name, string expected)
    {
        if (Get(name) is not { } value)
        {
            return default;
        }

        try
        {
            return value.Deserialize<T>(DiffusionClipJson.Compact);
        }
        catch (JsonException)
        {
            Add(name, $"give {expected}", "value_error");
            return default;
        }
    }

    /// <summary>A text.</summary>
    public string? Text(string name)
    {
        if (Get(name) is not { } value)
        {
            return null;
        }

        if (value.ValueKind == JsonValueKind.String)
        {
            return value.GetString();
        }

        Add(name, "str type expected", "type_error.str");
        return null;
    }

    /// <summary>A whole number.</summary>
    public int? Int(string name, int least, int most)
    {
        if (Get(name) is not { } value)
        {
            return null;
        }

        // 20.0 is how some languages write 20.
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out double number) || number != Math.Floor(number))
        {
            Add(name, "value is not a valid integer", "type_error.integer");
            return null;
        }

        if (number < least || number > most)
        {
            Range(name, number, least, most);
            return null;
        }

        return (int)number;
    }

    /// <summary>A number.</summary>
    public double? Number(string name, double least, double most)
    {
        if (Get(name) is not { } value)
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out double number) || !double.IsFinite(number))
        {
            Add(name, "value is not a valid float", "type_error.float");
            return null;
        }

        if (!(number >= least && number <= most))
        {
            Range(name, number, least, most);
            return null;
        }

        return number;
    }

    /// <summary>A truth value.</summary>
    public bool? Bool(string name)
    {
        switch (Get(name)?.ValueKind)
        {
            case null:
                return null;
            case JsonValueKind.True:
                return true;
            case JsonValueKind.False:
                return false;
            default:
                Add(name, "value could not be parsed to a boolean", "type_error.bool");
                return null;
        }
    }

    /// <summary>A seed: -1 and null draw one.</summary>
    public ulong? Seed(string name)
    {
        if (
            Get(name) is not { } value
            || (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number == -1))
        {
            return null;
        }

        ulong seed = 0;
        bool read = value.ValueKind switch
        {
            JsonValueKind.Number => value.TryGetUInt64(out seed),
            JsonValueKind.String => ulong.TryParse(value.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out seed),
            _ => false,
        };
        if (!read)
        {
            Add(name, "a seed is -1 or a whole number from 0 to 18446744073709551615, beyond 2^53 as a string", "type_error.integer");
            return null;
        }

        return seed;
    }

    /// <summary>A list of texts.</summary>
    public IReadOnlyList<string> Texts(string name)
    {
        if (Get(name) is not { } value)
        {
            return [];
        }

        var texts = new List<string>();
        if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in value.EnumerateArray())
            {
                if (item.ValueKind == JsonValueKind.Null)
                {
                    continue;
                }

                if (item.ValueKind == JsonValueKind.String && item.GetString() is { } text)
                {
                    texts.Add(text);
                    continue;
                }

                Add(name, "str type expected", "type_error.str");
                return [];
            }

            return texts;
        }

        Add(name, "value is not a valid list", "type_error.list");
        return [];
    }

    /// <summary>An object.</summary>
    public BodyFields? Fields(string name) => Get(name) is { } value ? new BodyFields(value, [.. _path, name], _problems) : null;

    /// <summary>An object that stands elsewhere in the body.</summary>
    public BodyFields At(JsonElement element, params string[] path) => new(element, [.. _path, .. path], _problems);

    /// <summary>Notes what cannot be used.</summary>
    public void Add(string? name, string message, string type)
    {
        var place = new JsonArray([.. _path.Select(part => (JsonNode?)part)]);
        if (name is not null)
        {
            place.Add(name);
        }

        _problems.Add(new JsonObject { ["loc"] = place, ["msg"] = message, ["type"] = type });
    }

    /// <summary>Notes a number out of range.</summary>
    public void Range(string name, double value, double least, double most) => Add(
        name,
        string.Create(CultureInfo.InvariantCulture, $"{value} cannot be used; it lies from {least} to {most}"),
        value < least ? "value_error.number.not_ge" : "value_error.number.not_le");

    /// <summary>Ends reading.</summary>
    /// <exception cref="A1111Exception">Something cannot be used.</exception>
    public void Check()
    {
        if (_problems.Count > 0)
        {
            throw new A1111Exception(StatusCodes.Status422UnprocessableEntity, new JsonArray([.. _problems]));
        }
    }
}

/// <summary>A reply in A1111's own shape.</summary>
internal sealed class A1111Exception(int status, JsonNode detail, string? hint = null) : Exception
{
    /// <summary>The reply.</summary>
    public IResult Reply()
    {
        var body = new JsonObject { ["detail"] = detail };
        if (hint is not null)
        {
            body["hint"] = hint;
        }

        return Results.Json(body, statusCode: status);
    }
}

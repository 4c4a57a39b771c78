using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;

namespace DiffusionClip.Worker.Tests.Fuzz;

/// <summary>Hostile input from a number: the same number gives the same input.</summary>
internal sealed class FuzzInput(ulong seed)
{
    private static readonly string[] _texts =
    [
        "",
        " ",
        "a red apple",
        "\0",
        "\n",
        "null",
        "../../etc/passwd",
        "%2e%2e%2f",
        "..\\..\\x",
        "/etc/passwd",
        "C:\\x",
        "CON",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "=cmd()",
        "'; DROP TABLE jobs;--",
        "ünï©ødé",
        "שלום",
        "🍎🍏",
        "\u202Eabc",
        "x\nSteps: 1, Seed: 5",
        "Negative prompt: x",
        "(((((a:1.5)))))",
        "[a:b:0.5]",
        "[a|b|c]",
        "((((((((((((((((((((",
        "a BREAK b",
        "(a:1e999)",
        "[a:b:NaN]",
        "\\",
        "\\(",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "https://2130706433/",
        "data:image/png;base64,",
        "data:text/html,<b>",
        "QUJD",
        "emoji-sd",
        "emoji-clip",
        "none",
        "best-of-n",
        "Euler a",
        "DPM++ 2M Karras",
        "euler_a",
        "unknown",
        "512x512",
        "64x64",
        "0x0",
        "-1x9999999999",
        "auto",
        "png",
        "svg",
        "1e999",
        "NaN",
        "true",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "queued",
        "running,done",
    ];

    private static readonly string[] _numbers =
    [
        "0",
        "1",
        "2",
        "3",
        "8",
        "64",
        "63",
        "-1",
        "-8",
        "513",
        "0.5",
        "1.5",
        "-0.0",
        "1e-9",
        "7.5",
        "1000",
        "1000000000",
        "2147483647",
        "2147483648",
        "-2147483648",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e38",
        "1e39",
        "1e308",
        "1e309",
        "-1e309",
        "0.1e1",
        "1E400",
        "123456789012345678901234567890",
    ];

    private ulong _state = seed * 0x9E3779B97F4A7C15 + 1;

    // What is refused at the door teaches nothing about the rooms behind it: every other input has few faults.
    private readonly bool _isMild = seed % 2 == 0;

    /// <summary>SplitMix64.</summary>
    public ulong Next()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    public int Below(int bound) => (int)(Next() % (ulong)bound);

    public bool OneIn(int bound) => Below(bound) == 0;

    public T Of<T>(IReadOnlyList<T> choices) => choices[Below(choices.Count)];

    public string Text() => Below(12) switch
    {
        0 => new string((char)('a' + Below(26)), 1 << Below(18)),
        1 => string.Concat(Enumerable.Repeat(Of(_texts), 1 + Below(50))),
        2 => new string([.. Enumerable.Range(0, Below(40)).Select(_ => (char)Below(0xD800))]),
        _ => Of(_texts),
    };

    public string Number() => Of(_numbers);

    /// <summary>Any JSON, as text: it need not be one.</summary>
    public string Json(int depth = 3) => Below(depth > 0 ? 9 : 6) switch
    {
        0 => "null",
        1 => OneIn(2) ? "true" : "false",
        2 or 3 => Number(),
        4 or 5 => Quote(Text()),
        6 => "[" + string.Join(',', Enumerable.Range(0, Below(4)).Select(_ => Json(depth - 1))) + "]",
        7 => "{" + string.Join(',', Enumerable.Range(0, Below(4)).Select(_ => Quote(Text()) + ":" + Json(depth - 1))) + "}",
        _ => new string('[', 1 + Below(100)) + new string(']', 1 + Below(100)),
    };

    public string Quote(string text) => OneIn(40) ? "\"\\ud800\"" : JsonValue.Create(text).ToJsonString();

    /// <summary>JSON that a schema describes, more or less.</summary>
    public string Of(JsonNode? schema, JsonObject schemas, string name = "", int depth = 8)
    {
        if (schema is null || depth == 0 || OneIn(_isMild ? 400 : 25))
        {
            return Json(2);
        }

        if (_isMild && !OneIn(20) && Usable(name) is { } usable)
        {
            return usable;
        }

        if (schema["$ref"] is { } reference)
        {
            return Of(schemas[reference.GetValue<string>().Split('/')[^1]], schemas, name, depth - 1);
        }

        if ((schema["oneOf"] ?? schema["anyOf"]) is JsonArray { Count: > 0 } choices)
        {
            return Of(Of([.. choices]), schemas, name, depth - 1);
        }

        if (schema["enum"] is JsonArray { Count: > 0 } values)
        {
            return Of([.. values])?.ToJsonString() ?? "null";
        }

        string[] types = schema["type"] is JsonArray several
            ? [.. several.Select(type => type!.GetValue<string>())]
            : [schema["type"]?.GetValue<string>() ?? "any"];
        // What makes pictures gets a fair chance; what is only refused teaches little.
        string type = types.FirstOrDefault(candidate => candidate != "null") is { } real && !OneIn(_isMild ? 60 : 6) ? real : Of(types);
        switch (type)
        {
            case "object":
                var fields = new List<string>();
                foreach (var (field, inner) in schema["properties"]?.AsObject() ?? [])
                {
                    bool isRequired = schema["required"] is JsonArray required && required.Any(item => item!.GetValue<string>() == field);
                    if (isRequired || OneIn(_isMild && depth < 7 ? 8 : 3))
                    {
                        fields.Add(Quote(field) + ":" + Of(inner, schemas, field, depth - 1));
                    }
                }

                if (OneIn(_isMild ? 200 : 20))
                {
                    fields.Add(Quote(Text()) + ":" + Json(1));
                }

                return "{" + string.Join(',', fields) + "}";
            case "array":
                return "["
                    + string.Join(
                        ',',
                        Enumerable.Range(0, OneIn(20) ? 50 : Below(4)).Select(_ => Of(schema["items"], schemas, name, depth - 1)))
                    + "]";
            case "integer":
            case "number":
                return OneIn(_isMild ? 20 : 3) ? Number() : (1 + Below(3)).ToString(CultureInfo.InvariantCulture);
            case "boolean":
                return OneIn(2) ? "true" : "false";
            case "string":
                return name.Contains("image", StringComparison.Ordinal) || name.Contains("mask", StringComparison.Ordinal)
                    ? Quote(PictureText())
                    : Quote(Text());
            default:
                return Json(2);
        }
    }

    private string? Usable(string name) => name switch
    {
        "id" or "sd_model_checkpoint" => "\"emoji-sd\"",
        "model" => OneIn(2) ? "{}" : "\"emoji-sd\"",
        "scheduler" or "sampler_name" => Quote(Of(["Euler a", "DPM++ 2M Karras", "ddim", "LMS", "UniPC"])),
        "strategy" => "\"best-of-n\"",
        "scorer" => Quote(Of(["emoji-clip", "none"])),
        "provider" => Quote(Of(["cpu", "auto"])),
        "scheduler_options" => "{}",
        "schema_version" => "1",
        "width" or "height" => Of(["64", "32", "128"]),
        "guidance_rescale" or "eta" or "strength" or "denoising_strength" => Of(["0.5", "1"]),
        "negative" or "text" => Quote(Text()),
        _ => null,
    };

    public string PictureText()
    {
        string base64 = Convert.ToBase64String(Picture());
        return Below(5) switch
        {
            0 => Text(),
            1 => base64,
            2 => base64[..Below(base64.Length + 1)],
            _ => "data:image/png;base64," + base64,
        };
    }

    /// <summary>A picture, often damaged.</summary>
    public byte[] Picture()
    {
        byte[] file = Below(6) switch
        {
            0 => FuzzPictures.Png(1 + Below(64), 1 + Below(64), (byte)Of([0, 2, 3, 4, 6]), (byte)Of([1, 2, 4, 8, 16])),
            1 => FuzzPictures.Png(Of([30_000, 65_535, int.MaxValue]), Of([1, 30_000]), 2, 8),
            2 => FuzzPictures.Jpeg,
            3 => FuzzPictures.Gif,
            4 => [.. Enumerable.Range(0, Below(300)).Select(_ => (byte)Next())],
            _ => FuzzPictures.Png(16, 16, 2, 8),
        };
        for (int i = OneIn(2) ? 0 : 1 + Below(6); i > 0 && file.Length > 0; i--)
        {
            file[Below(file.Length)] ^= (byte)(1 << Below(8));
        }

        return OneIn(5) ? file[..Below(file.Length + 1)] : file;
    }

    /// <summary>A body for an operation.</summary>
    public HttpContent Body(IReadOnlyDictionary<string, JsonNode?> schemas, JsonObject components, IReadOnlyList<string> fields)
    {
        string kind = Of([.. schemas.Keys]);
        if (OneIn(_isMild ? 100 : 15))
        {
            kind = Of(["application/json", "multipart/form-data", "image/png", "text/plain", "application/octet-stream", "nonsense"]);
        }

        HttpContent content;
        if (kind == "multipart/form-data")
        {
            var form = new MultipartFormDataContent(OneIn(10) ? "x" : "boundary" + Below(1000));
            foreach (string field in fields.Where(_ => OneIn(3)).DefaultIfEmpty("file"))
            {
                if (
                    field.Contains("image", StringComparison.Ordinal)
                    || field.Contains("mask", StringComparison.Ordinal)
                    || field == "file"
                    || OneIn(10))
                {
                    form.Add(new ByteArrayContent(Picture()), field, OneIn(3) ? "../../x.png" : "x.png");
                }
                else
                {
                    form.Add(new StringContent(OneIn(2) ? Number() : Text()), field);
                }
            }

            content = form;
            if (OneIn(12))
            {
                byte[] cut = form.ReadAsByteArrayAsync().GetAwaiter().GetResult();
                content = new ByteArrayContent(cut[..Below(cut.Length + 1)]);
                content.Headers.ContentType = form.Headers.ContentType;
            }

            return content;
        }

        byte[] bytes =
            kind == "application/json"
                ? Encoding.UTF8.GetBytes(JsonBody(schemas.GetValueOrDefault(kind), components, fields))
                : Picture();
        content = new ByteArrayContent(bytes);
        content.Headers.TryAddWithoutValidation("Content-Type", kind);
        if (OneIn(60))
        {
            content.Headers.TryAddWithoutValidation("Content-Encoding", Of(["gzip", "br", "identity"]));
        }

        return content;
    }

    private string JsonBody(JsonNode? schema, JsonObject components, IReadOnlyList<string> fields)
    {
        // Where the document names the fields itself, half of the bodies mix in those that it does not.
        string[] named = [.. schema?["properties"]?.AsObject().Select(property => property.Key) ?? []];
        string json = schema is not null && (named.Length == 0 || OneIn(2))
            ? Of(schema, components)
            : "{" + string.Join(',', fields.Union(named).Where(_ => OneIn(3)).Select(field => Quote(field) + ":" + Field(field))) + "}";
        return Below(_isMild ? 200 : 20) switch
        {
            0 => json[..Below(json.Length + 1)],
            1 => json + Text(),
            2 => Json(4),
            _ => json,
        };
    }

    private string Field(string name) => _isMild && !OneIn(20) && Usable(name) is { } usable ? usable :
        name.EndsWith("images", StringComparison.Ordinal) && !OneIn(5) ? "[" + Quote(PictureText()) + "]"
        : name is "image" or "mask" && !OneIn(5) ? Quote(PictureText())
        : name.Contains("prompt", StringComparison.Ordinal) && !OneIn(5) ? Quote(Text())
        : Below(4) switch { 0 => Json(2), 1 => Quote(Text()), 2 => Number(), _ => (1 + Below(3)).ToString(CultureInfo.InvariantCulture) };
}

/// <summary>Small pictures to be damaged.</summary>
internal static class FuzzPictures
{
    private static readonly Skia.SkiaImageCodec _codec = new();

    public static byte[] Jpeg => _codec.EncodeJpeg(new RgbImage(32, 24, new byte[32 * 24 * 3]), 80);

    public static byte[] Gif => Convert.FromBase64String("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7");

    /// <summary>A PNG with right checksums, whatever its header says.</summary>
    public static byte[] Png(int width, int height, byte color, byte depth)
    {
        using var pixels = new MemoryStream();
        using (var deflate = new ZLibStream(pixels, CompressionLevel.Fastest, leaveOpen: true))
        {
            deflate.Write(new byte[(int)Math.Min(70_000, (long)height * (1 + (width * 8L)))]);
        }

        (string, byte[])[] palette = color == 3 ? [("PLTE", new byte[48])] : [];
        return PngFile.Of(width, height, depth, color, [.. palette, ("IDAT", pixels.ToArray())]);
    }
}

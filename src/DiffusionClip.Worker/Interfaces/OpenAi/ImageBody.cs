using System.Globalization;
using System.Text.Json;
using DiffusionClip.Denoising;
using DiffusionClip.Models;

namespace DiffusionClip.Worker.Interfaces.OpenAi;

/// <summary>Reads fields one by one, of JSON or of a form; the first that cannot be used ends reading.</summary>
internal abstract class ImageFields
{
    /// <summary>Names of the fields that are there and not null.</summary>
    public abstract IEnumerable<string> Names { get; }

    /// <summary>A text.</summary>
    public abstract string? Text(string name);

    /// <summary>A number of any kind; null where the field is absent.</summary>
    protected abstract double? Read(string name);

    /// <summary>A truth value.</summary>
    public abstract bool? Bool(string name);

    /// <summary>A seed.</summary>
    public abstract ulong? Seed(string name);

    /// <summary>A field as JSON; null where it is absent.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    protected abstract JsonElement? Json(string name);

    /// <summary>A list of scorers.</summary>
    public IReadOnlyList<ScorerRequest>? Scorers(string name)
    {
        try
        {
            return Json(name)?.Deserialize<ScorerRequest[]>(DiffusionClipJson.Compact);
        }
        catch (JsonException exception)
        {
            throw OpenAiError.Invalid(
                name,
                $"{name}: give a list of objects with id, weight, text, long_text and phases ({exception.Message})");
        }
    }

    /// <summary>How scores are combined.</summary>
    public ScoreCombination? Combination(string name)
    {
        try
        {
            return Text(name) is { } text
                ? JsonSerializer.SerializeToElement(text).Deserialize<ScoreCombination>(DiffusionClipJson.Compact)
                : null;
        }
        catch (JsonException)
        {
            throw OpenAiError.Invalid(name, $"{name}: give weighted-sum, standard-scores or mean-rank.");
        }
    }

    /// <summary>A whole number.</summary>
    public int? Int(string name, int least, int most) => Read(name) switch
    {
        null => null,
        { } number when number == Math.Floor(number) && number >= least && number <= most => (int)number,
        { } number => throw Range(name, number, least, most, "a whole number"),
    };

    /// <summary>A number.</summary>
    public double? Number(string name, double least, double most) => Read(name) switch
    {
        null => null,
        { } number when number >= least && number <= most => number,
        { } number => throw Range(name, number, least, most, "a number"),
    };

    /// <summary>The refusal of a seed.</summary>
    protected static OpenAiException BadSeed(string name) =>
        OpenAiError.Invalid(name, $"{name}: give a whole number from 0 to 18446744073709551615, beyond 2^53 as a string.");

    private static OpenAiException Range(string name, double number, double least, double most, string kind) =>
        OpenAiError.Invalid(
            name,
            string.Create(CultureInfo.InvariantCulture, $"{name}: {number} cannot be used; give {kind} from {least} to {most}."));
}

/// <summary>Fields of a JSON body.</summary>
internal sealed class JsonFields : ImageFields
{
    private readonly JsonElement _root;

    /// <summary>Reads a body.</summary>
    public JsonFields(JsonElement root) =>
        _root =
            root.ValueKind == JsonValueKind.Object
                ? root
                : throw new OpenAiException(
                    new(StatusCodes.Status400BadRequest, "The body has to be a JSON object.", "invalid_request_error"));

    /// <inheritdoc/>
    public override IEnumerable<string> Names =>
        _root.EnumerateObject().Where(property => property.Value.ValueKind != JsonValueKind.Null).Select(property => property.Name);

    /// <inheritdoc/>
    public override string? Text(string name)
    {
        if (Get(name) is not { } value)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw OpenAiError.Invalid(name, $"{name}: give a text.");
    }

    /// <inheritdoc/>
    public override bool? Bool(string name) => Get(name)?.ValueKind switch
    {
        null => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw OpenAiError.Invalid(name, $"{name}: give true or false."),
    };

    /// <inheritdoc/>
    public override ulong? Seed(string name) =>
        Get(name) switch
        {
            null => null,
            { ValueKind: JsonValueKind.Number } value when value.TryGetUInt64(out ulong seed) => seed,
            { ValueKind: JsonValueKind.String } value
                when ulong.TryParse(value.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed) => seed,
            _ => throw BadSeed(name),
        };

    /// <inheritdoc/>
    protected override double? Read(string name) => Get(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Number } value when value.TryGetDouble(out double number) && double.IsFinite(number) => number,
        _ => throw OpenAiError.Invalid(name, $"{name}: give a number."),
    };

    /// <inheritdoc/>
    protected override JsonElement? Json(string name) => Get(name);

    private JsonElement? Get(string name) =>
        _root.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
}

/// <summary>Fields of a form.</summary>
internal sealed class FormFields(IFormCollection form) : ImageFields
{
    /// <inheritdoc/>
    public override IEnumerable<string> Names => form.Keys;

    /// <inheritdoc/>
    public override string? Text(string name) => form.TryGetValue(name, out var values) ? values.ToString() : null;

    /// <inheritdoc/>
    public override bool? Bool(string name) => Text(name) switch
    {
        null or "" => null,
        "true" or "True" or "1" => true,
        "false" or "False" or "0" => false,
        _ => throw OpenAiError.Invalid(name, $"{name}: give true or false."),
    };

    /// <inheritdoc/>
    public override ulong? Seed(string name) => Text(name) switch
    {
        null or "" => null,
        { } text when ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed) => seed,
        _ => throw BadSeed(name),
    };

    /// <inheritdoc/>
    protected override double? Read(string name) =>
        Text(name) switch
        {
            null or "" => null,
            { } text
                when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
                    && double.IsFinite(number) => number,
            _ => throw OpenAiError.Invalid(name, $"{name}: give a number."),
        };

    /// <inheritdoc/>
    protected override JsonElement? Json(string name) => Text(name) is { Length: > 0 } text ? JsonElement.Parse(text) : null;
}

/// <summary>What a body asks for.</summary>
internal sealed record ImageBody
{
    private const int MostImages = 10;
    private const int MostPartialImages = 3;
    private const int DefaultCompression = 100;

    // Names that programs have built in: they mean the default model.
    private static readonly string[] _aliases = ["dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5"];

    private static readonly string[] _known =
    [
        "prompt",
        "model",
        "n",
        "size",
        "quality",
        "background",
        "output_format",
        "output_compression",
        "response_format",
        "moderation",
        "style",
        "user",
        "stream",
        "partial_images",
        "candidates",
        "strategy",
        "scorer",
        "scorers",
        "combination",
        "score_text",
        "seed",
        "steps",
        "cfg_scale",
        "negative_prompt",
        "sampler",
        "strength",
        "image",
        "image[]",
        "mask",
        "input_fidelity",
    ];

    /// <summary>The request, without the pictures it starts from.</summary>
    public required ImageRequest Request { get; init; }

    /// <summary>What was asked for and is not done, one line each.</summary>
    public required IReadOnlyList<string> Ignored { get; init; }

    /// <summary>png, jpeg or webp.</summary>
    public required string Format { get; init; }

    /// <summary>Whether the reply names the pictures' addresses in place of the pictures.</summary>
    public bool AsUrl { get; init; }

    /// <summary>Whether the reply is a stream of events.</summary>
    public bool Streams { get; init; }

    /// <summary>Previews wanted in the stream.</summary>
    public int PartialImages { get; init; }

    /// <summary>The size as asked for.</summary>
    public string Size { get; init; } = "auto";

    /// <summary>The quality as asked for.</summary>
    public string Quality { get; init; } = "auto";

    /// <summary>How much of the way an edit paints anew.</summary>
    public double? Strength { get; init; }

    /// <summary>Reads a body.</summary>
    /// <exception cref="OpenAiException">A field cannot be used.</exception>
    public static ImageBody Read(ImageFields fields, GeneratorModels models, PipelineOptions pipeline, CompatibilityOptions compatibility)
    {
        var ignored = new List<string>();
        string prompt =
            fields.Text("prompt")
            ?? throw new OpenAiException(
                new(
                    StatusCodes.Status400BadRequest,
                    "prompt: a text is required.",
                    "invalid_request_error",
                    "prompt",
                    "missing_required_parameter"));
        int keep = fields.Int("n", 1, MostImages) ?? 1;
        int candidates =
            fields.Int("candidates", keep, pipeline.Limits.Candidates)
            ?? (int)Math.Min((long)keep * Math.Max(1, compatibility.CandidatesPerImage), Math.Max(keep, pipeline.Limits.Candidates));
        string size = fields.Text("size") is { Length: > 0 } asked ? asked : "auto";
        (int? width, int? height) = ReadSize(size, pipeline.Limits.Side);
        string format = OneOf("output_format", "png", "png", "jpeg", "webp");
        int? compression = fields.Int("output_compression", 0, 100);
        string quality = OneOf("quality", "auto", "auto", "low", "medium", "high", "standard", "hd");
        if (quality is not ("auto" or "standard"))
        {
            ignored.Add("quality: set steps, candidates and size instead");
        }

        if (OneOf("background", "auto", "auto", "opaque", "transparent") == "transparent")
        {
            throw OpenAiError.Invalid("background", "background: pictures here are opaque; use opaque or auto.");
        }

        if (fields.Text("style") is { Length: > 0 })
        {
            ignored.Add("style: say it in the prompt");
        }

        if (compression is not null && format == "png")
        {
            ignored.Add("output_compression: png is lossless");
        }

        // The user and the moderation level of a request are accepted and ignored.
        _ = fields.Text("user");
        _ = fields.Text("moderation");
        _ = fields.Text("input_fidelity");
        foreach (string name in fields.Names.Where(name => !_known.Contains(name, StringComparer.Ordinal)))
        {
            ignored.Add($"{Line(name)}: there is no such field here");
        }

        string? sampler = fields.Text("sampler") is { Length: > 0 } named ? named : null;
        if (sampler is not null)
        {
            try
            {
                SchedulerCatalog.Resolve(sampler);
            }
            catch (InvalidRequestException exception)
            {
                throw OpenAiError.Invalid("sampler", exception.Message);
            }
        }

        return new()
        {
            Request = new ImageRequest
            {
                Prompt = new() { Text = prompt, Negative = fields.Text("negative_prompt") ?? "" },
                Model = new() { Id = Model(fields.Text("model"), models) },
                Sampling = new()
                {
                    Scheduler = sampler,
                    NumInferenceSteps = fields.Int("steps", 1, pipeline.Limits.Steps),
                    GuidanceScale = (float?)fields.Number("cfg_scale", 0, 100),
                    Seed = fields.Seed("seed"),
                    Width = width,
                    Height = height,
                },
                Search = new()
                {
                    Strategy = fields.Text("strategy") ?? compatibility.Strategy,
                    Candidates = candidates,
                    Keep = keep,
                    Scorer = fields.Text("scorer"),
                    Scorers = fields.Scorers("scorers"),
                    Combination = fields.Combination("combination"),
                    ScoreText = fields.Text("score_text"),
                },
                Output = OutputOf(format, compression),
            },
            Ignored = ignored,
            Format = format,
            AsUrl = OneOf("response_format", "b64_json", "b64_json", "url") == "url",
            Streams = fields.Bool("stream") ?? false,
            PartialImages = fields.Int("partial_images", 0, MostPartialImages) ?? 0,
            Size = size,
            Quality = quality,
            Strength = fields.Number("strength", 0, 1),
        };

        string OneOf(string field, string otherwise, params string[] known) =>
            fields.Text(field) switch
            {
                null or "" => otherwise,
                { } text when known.Contains(text, StringComparer.Ordinal) => text,
                { } text => throw OpenAiError.Invalid(
                    field,
                    $"{field}: {InvalidRequestException.Quote(text)} cannot be used; known are {string.Join(", ", known)}."),
            };
    }

    // What OpenAI calls compression is quality; encoders' least is 1.
    private static OutputRequest OutputOf(string format, int? compression) => format switch
    {
        "jpeg" => new() { Format = OutputFormat.Jpeg, Quality = Math.Max(1, compression ?? DefaultCompression) },
        "webp" => new() { Format = OutputFormat.Webp, Quality = Math.Max(1, compression ?? DefaultCompression) },
        _ => new(),
    };

    private static string? Model(string? name, GeneratorModels models)
    {
        if (string.IsNullOrEmpty(name))
        {
            return null;
        }

        ModelEntry? model = models.Find(name);
        return model is not null ? model.Id
            : _aliases.Contains(name, StringComparer.OrdinalIgnoreCase) ? null
            : throw OpenAiError.ModelNotFound(name, models);
    }

    private static (int? Width, int? Height) ReadSize(string size, int most)
    {
        if (size == "auto")
        {
            return (null, null);
        }

        string[] sides = size.Split('x');
        return sides.Length == 2 && Side(sides[0]) is { } width && Side(sides[1]) is { } height
            ? (width, height)
            : throw OpenAiError.Invalid(
                "size",
                $"size: {InvalidRequestException.Quote(size)} cannot be used; give WIDTHxHEIGHT with sides from 1 to {most}, e.g. 512x512, or auto."
            );

        int? Side(string text) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int side) && side >= 1 && side <= most ? side : null;
    }

    private static string Line(string name) =>
        new([.. name.Take(60).Select(character => char.IsControl(character) || char.IsSurrogate(character) ? ' ' : character)]);
}

using System.Globalization;
using System.Text;
using System.Text.Json;

namespace DiffusionClip.Cli.Inputs;

/// <summary>A prompt of a file.</summary>
/// <param name="Line">Its line, from 1.</param>
/// <param name="Request">What it asks for, laid over what the command line asks for.</param>
internal sealed record PromptLine(int Line, ImageRequest Request);

/// <summary>
/// Reads files of prompts. As plain text every line is a prompt; blank lines and lines that begin with <c>#</c> are passed over,
/// spaces around a prompt are not part of it. A line that begins with <c>{</c> is JSON: a whole request as reports hold it, or
/// an object with <c>prompt</c> and any of the flat fields below. Fields of a line win over flags.
/// </summary>
internal static class PromptsFile
{
    private static readonly string[] Flat =
    [
        "prompt",
        "negative_prompt",
        "prompt_2",
        "negative_prompt_2",
        "model",
        "provider",
        "scheduler",
        "scheduler_options",
        "num_inference_steps",
        "guidance_scale",
        "guidance_rescale",
        "guidance_interval",
        "eta",
        "clip_skip",
        "strength",
        "seed",
        "noise",
        "width",
        "height",
        "strategy",
        "options",
        "candidates",
        "keep",
        "scorer",
        "scorers",
        "combination",
        "score_text",
        "long_text",
        "syntax",
        "metadata",
        "format",
        "quality",
    ];

    // The flags' names are accepted too, for files written like command lines.
    private static readonly Dictionary<string, string> Aliases = new(StringComparer.Ordinal)
    {
        ["negative"] = "negative_prompt",
        ["steps"] = "num_inference_steps",
        ["cfg_scale"] = "guidance_scale",
        ["cfg_rescale"] = "guidance_rescale",
        ["sampler"] = "scheduler",
        ["prompt_syntax"] = "syntax",
    };

    private static readonly JsonSerializerOptions Strict = new(DiffusionClipJson.Compact)
    {
        RespectNullableAnnotations = true,
        AllowDuplicateProperties = false,
    };

    /// <summary>Reads all lines.</summary>
    /// <param name="path">The file, UTF-8.</param>
    /// <param name="defaults">What a line does not say.</param>
    /// <exception cref="InvalidRequestException">
    /// The file cannot be read, holds no prompt, or a line cannot be used; names file and line.
    /// </exception>
    public static IReadOnlyList<PromptLine> Read(string path, ImageRequest defaults)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InvalidRequestException(
                "--prompts",
                path,
                $"it has to be a text file in UTF-8 that can be read ({exception.Message})");
        }

        var prompts = new List<PromptLine>();
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Trim();
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            prompts.Add(
                new PromptLine(
                    i + 1,
                    line[0] == '{'
                        ? OfJson(line, defaults, At(path, i + 1))
                        : defaults with
                        {
                            Prompt = defaults.Prompt with { Text = line },
                        }));
        }

        return prompts.Count > 0 ? prompts : throw new InvalidRequestException("--prompts", path, "it holds no prompt; write one a line");
    }

    /// <summary>File and line, as errors name them.</summary>
    public static string At(string path, int line) => string.Create(CultureInfo.InvariantCulture, $"{path}:{line}");

    private static ImageRequest OfJson(string line, ImageRequest defaults, string where)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement root = document.RootElement;
            if (root.TryGetProperty("prompt", out JsonElement prompt) && prompt.ValueKind == JsonValueKind.Object)
            {
                return Over(defaults, root);
            }

            return OfFlat(root, defaults, where);
        }
        catch (JsonException exception)
        {
            // The reader's own place in the line says nothing: fields were moved before it saw them.
            string reason = exception.Message.Split(" Path: ")[0].Split(" LineNumber: ")[0].TrimEnd('.');
            throw new InvalidRequestException(
                where,
                exception.Path is { Length: > 2 } path ? path[2..] : line,
                $"it is no JSON that can be used: {reason}");
        }
        catch (InvalidOperationException exception)
        {
            // Half a surrogate pair, escaped.
            throw new InvalidRequestException(where, line, $"it is no valid Unicode: {exception.Message}");
        }
    }

    private static ImageRequest OfFlat(JsonElement root, ImageRequest defaults, string where)
    {
        var fields = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (JsonProperty property in root.EnumerateObject())
        {
            string name = Aliases.GetValueOrDefault(property.Name, property.Name);
            if (!Flat.Contains(name, StringComparer.Ordinal))
            {
                throw new InvalidRequestException(
                    $"{where}: {property.Name}",
                    property.Value.GetRawText(),
                    $"there is no such field; known are {string.Join(", ", Flat)}");
            }

            if (!fields.TryAdd(name, property.Value))
            {
                throw new InvalidRequestException(
                    $"{where}: {property.Name}",
                    property.Value.GetRawText(),
                    $"the line says {name} twice; leave one out");
            }
        }

        if (!fields.ContainsKey("prompt"))
        {
            throw new InvalidRequestException($"{where}: prompt", null, "every line needs one");
        }

        // Nested as a request is, then read as one: one reader, one set of errors.
        string[][] groups =
        [
            ["prompt", "prompt>text", "negative_prompt>negative", "prompt_2>text_2", "negative_prompt_2>negative_2", "syntax"],
            ["model", "model>id", "provider"],
            [
                "sampling",
                "scheduler",
                "scheduler_options",
                "num_inference_steps",
                "guidance_scale",
                "guidance_rescale",
                "guidance_interval",
                "eta",
                "seed",
                "noise",
                "width",
                "height",
                "clip_skip",
            ],
            ["origin", "strength"],
            ["search", "strategy", "options", "candidates", "keep", "scorer", "scorers", "combination", "score_text", "long_text"],
            ["output", "metadata", "format", "quality"],
        ];
        var nested = new Dictionary<string, Dictionary<string, JsonElement>>(StringComparer.Ordinal);
        foreach (string[] group in groups)
        {
            foreach (string member in group.Skip(1))
            {
                string[] names = member.Split('>');
                if (fields.TryGetValue(names[0], out JsonElement value))
                {
                    nested.TryAdd(group[0], []);
                    nested[group[0]][names[^1]] = value;
                }
            }
        }

        // One is short for the other: what the line says of scorers stands in place of what the flags say.
        if (fields.ContainsKey("scorer") || fields.ContainsKey("scorers"))
        {
            defaults = defaults with { Search = defaults.Search with { Scorer = null, Scorers = null } };
        }

        return Over(defaults, JsonSerializer.SerializeToElement(nested, DiffusionClipJson.Compact));
    }

    /// <summary>A partial request as JSON laid over another: what it does not name stays.</summary>
    private static ImageRequest Over(ImageRequest defaults, JsonElement above)
    {
        JsonElement below = JsonSerializer.SerializeToElement(defaults, DiffusionClipJson.Compact);
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            Merge(below, above, writer, depth: 0);
        }

        return JsonSerializer.Deserialize<ImageRequest>(buffer.ToArray(), Strict) ?? defaults;
    }

    private static void Merge(JsonElement below, JsonElement above, Utf8JsonWriter writer, int depth)
    {
        // Concerns are merged field by field; a field itself, such as scheduler_options, is replaced.
        if (depth > 1 || below.ValueKind != JsonValueKind.Object || above.ValueKind != JsonValueKind.Object)
        {
            above.WriteTo(writer);
            return;
        }

        writer.WriteStartObject();
        foreach (JsonProperty property in below.EnumerateObject())
        {
            if (!above.TryGetProperty(property.Name, out _))
            {
                property.WriteTo(writer);
            }
        }

        foreach (JsonProperty property in above.EnumerateObject())
        {
            writer.WritePropertyName(property.Name);
            if (below.TryGetProperty(property.Name, out JsonElement existing))
            {
                Merge(existing, property.Value, writer, depth + 1);
            }
            else
            {
                property.Value.WriteTo(writer);
            }
        }

        writer.WriteEndObject();
    }
}

using System.Text.Json;

namespace DiffusionClip.Models;

/// <summary>Reads the JSON files of model folders, also as Python writes them, and names the file in every error.</summary>
internal static class JsonFile
{
    /// <summary>Parses a file that has to be a JSON object.</summary>
    public static JsonElement Read(string path)
    {
        ReadOnlySpan<byte> content = ReadBytes(path, "JSON");
        try
        {
            JsonElement root = Parse(content);
            return root.ValueKind == JsonValueKind.Object
                ? root
                : throw new ModelFolderException(path, $"a JSON {root.ValueKind.ToString().ToLowerInvariant()}, not an object");
        }
        catch (JsonException exception)
        {
            throw new ModelFolderException(
                path,
                $"broken JSON at line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}",
                exception);
        }
    }

    /// <summary>Reads a text file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">What it holds, for errors.</param>
    public static string ReadText(string path, string what) => System.Text.Encoding.UTF8.GetString(ReadBytes(path, what));

    private static ReadOnlySpan<byte> ReadBytes(string path, string what)
    {
        byte[] bytes;
        try
        {
            // Checked first: reading a pipe in place of a file would block for ever.
            bytes = RegularFile.Is(path)
                ? File.ReadAllBytes(path)
                : throw new ModelFolderException(path, $"not a regular file; expected a {what} file");
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelFolderException(path, $"missing; expected a {what} file", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelFolderException(path, $"cannot be read ({exception.Message})", exception);
        }

        if (bytes.Length == 0)
        {
            throw new ModelFolderException(path, $"empty; expected a {what} file");
        }

        ReadOnlySpan<byte> content = bytes;
        if (content.StartsWith("\uFEFF"u8))
        {
            content = content[3..];
        }

        return ModelFile.Impostor(content) is { } impostor
            ? throw new ModelFolderException(path, $"{impostor} instead of {what}; download the file itself")
            : content;
    }

    /// <summary>Parses JSON; bare <c>Infinity</c>, <c>-Infinity</c> and <c>NaN</c> become text.</summary>
    /// <exception cref="JsonException">It is not JSON even so.</exception>
    public static JsonElement Parse(ReadOnlySpan<byte> utf8)
    {
        using JsonDocument document = JsonDocument.Parse(QuoteNonFinite(utf8.StartsWith("\uFEFF"u8) ? utf8[3..] : utf8));
        return document.RootElement.Clone();
    }

    /// <summary>Parses a file if it is there.</summary>
    public static JsonElement? ReadIfThere(string path) => File.Exists(path) ? Read(path) : null;

    // Python's json writes NaN and Infinity bare (e.g. lambda_min_clipped of DPM++ schedulers), which is not JSON: they become strings,
    // which JsonNumberHandling.AllowNamedFloatingPointLiterals reads.
    private static ReadOnlyMemory<byte> QuoteNonFinite(ReadOnlySpan<byte> json)
    {
        if (json.IndexOf("NaN"u8) < 0 && json.IndexOf("Infinity"u8) < 0)
        {
            return json.ToArray();
        }

        var quoted = new List<byte>(json.Length + 16);
        bool inString = false;
        for (int i = 0; i < json.Length; i++)
        {
            if (!inString && Literal(json[i..]) is { Length: > 0 } literal)
            {
                quoted.Add((byte)'"');
                quoted.AddRange(literal);
                quoted.Add((byte)'"');
                i += literal.Length - 1;
                continue;
            }

            if (inString && json[i] == '\\' && i + 1 < json.Length)
            {
                quoted.Add(json[i++]);
            }
            else if (json[i] == '"')
            {
                inString = !inString;
            }

            quoted.Add(json[i]);
        }

        return quoted.ToArray();
    }

    private static ReadOnlySpan<byte> Literal(ReadOnlySpan<byte> at) =>
        at.StartsWith("NaN"u8) ? "NaN"u8
        : at.StartsWith("Infinity"u8) ? "Infinity"u8
        : at.StartsWith("-Infinity"u8) ? "-Infinity"u8
        : default;
}

/// <summary>A JSON object of a model folder, asked by name; errors name file, key and expectation.</summary>
internal readonly struct ConfigFile(string path, JsonElement root)
{
    public string Path { get; } = path;

    public JsonElement Root { get; } = root;

    public static ConfigFile Read(string path) => new(path, JsonFile.Read(path));

    public int? Int(string key) => Find(key) is not { } value
        ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number)
            ? number
            : throw Wrong(key, value, "a whole number");

    public int RequiredInt(string key) => Int(key) ?? throw Missing(key, "a whole number");

    public float? Float(string key) => Find(key) is not { } value
        ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float number) && float.IsFinite(number)
            ? number
            : throw Wrong(key, value, "a number");

    public bool? Bool(string key) => Find(key) is not { } value
        ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw Wrong(key, value, "true or false");

    public string? String(string key) => Find(key) is not { } value
        ? null
        : value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : throw Wrong(key, value, "a text");

    /// <summary>A number or a list of numbers, as a list.</summary>
    public int[]? Ints(string key)
    {
        if (Find(key) is not { } value)
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Array)
        {
            return [Int(key)!.Value];
        }

        int[] numbers = new int[value.GetArrayLength()];
        for (int i = 0; i < numbers.Length; i++)
        {
            if (value[i].ValueKind != JsonValueKind.Number || !value[i].TryGetInt32(out numbers[i]))
            {
                throw Wrong(key, value, "whole numbers");
            }
        }

        return numbers;
    }

    public float[]? Floats(string key, int? count = null)
    {
        if (Find(key) is not { } value)
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Array || (count is { } expected && value.GetArrayLength() != expected))
        {
            throw Wrong(key, value, count is null ? "a list of numbers" : $"{count} numbers");
        }

        float[] numbers = new float[value.GetArrayLength()];
        for (int i = 0; i < numbers.Length; i++)
        {
            if (value[i].ValueKind != JsonValueKind.Number || !value[i].TryGetSingle(out numbers[i]) || !float.IsFinite(numbers[i]))
            {
                throw Wrong(key, value, "a list of numbers");
            }
        }

        return numbers;
    }

    public ConfigFile? Object(string key) => Find(key) is not { } value
        ? null
        : value.ValueKind == JsonValueKind.Object
            ? new ConfigFile(Path, value)
            : throw Wrong(key, value, "an object");

    /// <summary>The value of a key; null where it is absent or null, which diffusers writes for "not set".</summary>
    public JsonElement? Find(string key) =>
        Root.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public ModelFolderException Missing(string key, string expected) => new(Path, $"{key} is missing; expected {expected}");

    public ModelFolderException Wrong(string key, JsonElement value, string expected)
    {
        string text = value.GetRawText().ReplaceLineEndings(" ");
        return new(Path, $"{key} is {(text.Length > 60 ? text[..60] + "…" : text)}; expected {expected}");
    }
}

using System.Globalization;
using System.Text.Json;
using CsvHelper;

namespace DiffusionClip.Cli.Inputs;

/// <summary>A picture and the text it is scored against, or the reason why a row gives none.</summary>
/// <param name="Where">File and line, for errors.</param>
/// <param name="Image">Path of the picture; null if the row is bad.</param>
/// <param name="Text">The text; null if the row is bad.</param>
/// <param name="Failure">What is wrong with the row.</param>
internal sealed record Pair(string Where, string? Image, string? Text, string? Failure = null);

/// <summary>
/// Reads pairs of picture and text, one at a time: JSON lines with the fields <c>image</c> (or <c>file</c>, <c>path</c>) and <c>text</c>
/// (or <c>prompt</c>, <c>caption</c>), or CSV with a heading that has these columns. Other fields are passed over.
/// Paths are relative to the file of pairs; what is not there is looked for from the working folder.
/// </summary>
internal static class PairsFile
{
    private static readonly string[] ImageNames = ["image", "file", "path"];
    private static readonly string[] TextNames = ["text", "prompt", "caption"];

    /// <summary>Reads the rows as they are asked for.</summary>
    /// <exception cref="InvalidRequestException">The file cannot be opened, is neither kind, or lacks a column.</exception>
    public static IEnumerable<Pair> Read(string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string kind = Path.GetExtension(path).ToLowerInvariant();
        return kind switch
        {
            ".jsonl" or ".ndjson" => Lines(Open(path), path, folder),
            ".csv" => Rows(Open(path), path, folder),
            _ => throw new InvalidRequestException("--pairs", path, "its name has to end in .jsonl or .csv"),
        };
    }

    private static StreamReader Open(string path)
    {
        try
        {
            return new StreamReader(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InvalidRequestException("--pairs", path, $"it has to be a file that can be read ({exception.Message})");
        }
    }

    private static IEnumerable<Pair> Lines(StreamReader reader, string path, string folder)
    {
        using (reader)
        {
            for (int number = 1; reader.ReadLine() is { } line; number++)
            {
                if (!string.IsNullOrWhiteSpace(line))
                {
                    yield return OfLine(line, string.Create(CultureInfo.InvariantCulture, $"{path}:{number}"), folder);
                }
            }
        }
    }

    private static Pair OfLine(string line, string where, string folder)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                return new Pair(where, null, null, "it is no JSON object with an image and a text");
            }

            return Make(where, folder, Field(document.RootElement, ImageNames), Field(document.RootElement, TextNames));
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return new Pair(where, null, null, $"it is no JSON that can be read ({exception.Message})");
        }
    }

    private static string? Field(JsonElement row, string[] names)
    {
        foreach (string name in names)
        {
            foreach (JsonProperty property in row.EnumerateObject())
            {
                if (
                    string.Equals(property.Name, name, StringComparison.OrdinalIgnoreCase)
                    && property.Value.ValueKind == JsonValueKind.String)
                {
                    return property.Value.GetString();
                }
            }
        }

        return null;
    }

    private static IEnumerable<Pair> Rows(StreamReader reader, string path, string folder)
    {
        using (reader)
        {
            using CsvReader csv = CsvReader.Create(
                reader,
                new CsvReaderOptions { TrackLineNumbers = true, MissingField = CsvMissingFieldHandling.ReturnEmpty },
                leaveOpen: true);
            csv.ReadHeader();
            int image = Column(csv, ImageNames, path), text = Column(csv, TextNames, path);
            while (csv.Read())
            {
                yield return Make(
                    string.Create(CultureInfo.InvariantCulture, $"{path}:{csv.LineNumber}"),
                    folder,
                    csv.GetString(image),
                    csv.FieldCount > text ? csv.GetString(text) : null);
            }
        }
    }

    private static int Column(CsvReader csv, string[] names, string path)
    {
        foreach (string name in names)
        {
            if (csv.TryGetFieldIndex(name, out int column))
            {
                return column;
            }
        }

        throw new InvalidRequestException(
            "--pairs",
            path,
            $"its first line names no column {names[0]} (or {string.Join(", ", names.Skip(1))})");
    }

    private static Pair Make(string where, string folder, string? image, string? text)
    {
        if (string.IsNullOrEmpty(image) || text is null)
        {
            return new Pair(where, null, null, string.IsNullOrEmpty(image) ? "it names no image" : "it has no text");
        }

        string beside = Path.Combine(folder, image);
        return new Pair(where, Path.Exists(beside) || !Path.Exists(image) ? beside : image, text);
    }
}

using System.Globalization;
using System.Text.Json;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>Our own records in a picture: compact JSON in text chunks of our own. What is written is read back exactly.</summary>
public static class PictureRecordJson
{
    /// <summary>Keyword of the chunk that holds a <see cref="PictureRecord"/>.</summary>
    public const string Keyword = "diffusionclip";

    /// <summary>Keyword of the chunk that holds a <see cref="PictureScore"/>.</summary>
    public const string ScoreKeyword = "diffusionclip_score";

    // A null where the records have none would only be noticed where it is used.
    private static readonly JsonSerializerOptions Strict = new(DiffusionClipJson.Compact) { RespectNullableAnnotations = true };

    /// <summary>Writes a record.</summary>
    /// <exception cref="InvalidRequestException">A text is no valid Unicode, which JSON cannot hold.</exception>
    public static string Write(PictureRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        RequestChecks.CheckUnicode("prompt", record.Request.Prompt.Text);
        RequestChecks.CheckUnicode("negative_prompt", record.Request.Prompt.Negative);
        RequestChecks.CheckUnicode("prompt_2", record.Request.Prompt.Text2);
        RequestChecks.CheckUnicode("negative_prompt_2", record.Request.Prompt.Negative2);
        RequestChecks.CheckUnicode("score_text", record.Request.Search.ScoreText);
        RequestChecks.CheckUnicode("score_text", record.Scoring?.Text);
        foreach (ScorerReport scorer in record.Scorers ?? [])
        {
            RequestChecks.CheckUnicode("score_text", scorer.Record?.Text);
        }

        return JsonSerializer.Serialize(record, Strict);
    }

    /// <summary>Writes a score.</summary>
    /// <exception cref="InvalidRequestException">The text is no valid Unicode, which JSON cannot hold.</exception>
    public static string Write(PictureScore score)
    {
        ArgumentNullException.ThrowIfNull(score);
        RequestChecks.CheckUnicode("score_text", score.Scoring.Text);
        return JsonSerializer.Serialize(score, Strict);
    }

    /// <summary>Reads a record.</summary>
    /// <param name="text">The chunk's text.</param>
    /// <param name="problem">One line that says why the result is null.</param>
    /// <returns>The record; null if it is damaged or of a newer version.</returns>
    public static PictureRecord? ReadRecord(string text, out string? problem) =>
        Read<PictureRecord>(text, Keyword, PictureRecord.CurrentSchemaVersion, out problem);

    /// <summary>Reads a score.</summary>
    /// <param name="text">The chunk's text.</param>
    /// <param name="problem">One line that says why the result is null.</param>
    /// <returns>The score; null if it is damaged or of a newer version.</returns>
    public static PictureScore? ReadScore(string text, out string? problem) =>
        Read<PictureScore>(text, ScoreKeyword, PictureScore.CurrentSchemaVersion, out problem);

    private static T? Read<T>(string text, string keyword, int current, out string? problem)
        where T : class
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            JsonElement root = document.RootElement;
            int? version = Version(root);
            int? request =
                root.ValueKind == JsonValueKind.Object && root.TryGetProperty("request", out JsonElement inner) ? Version(inner) : null;
            if (version is null or < 1)
            {
                problem = $"{keyword}: damaged, it has no schema_version; left out.";
                return null;
            }

            if (version > current || request > ImageRequest.CurrentSchemaVersion)
            {
                problem = string.Create(
                    CultureInfo.InvariantCulture,
                    $"{keyword}: written by a newer version of DiffusionClip (schema_version {(version > current ? version : request)}, this build reads up to {(version > current ? current : ImageRequest.CurrentSchemaVersion)}); update it to read this record."
                );
                return null;
            }

            problem = null;
            return root.Deserialize<T>(Strict) ?? throw new JsonException("null");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: half a surrogate pair, escaped.
            string place = (exception as JsonException)?.Path is { Length: > 0 } path ? $" at {OneLine(path)}" : "";
            problem = $"{keyword}: damaged{place}; left out.";
            return null;
        }
    }

    private static int? Version(JsonElement element) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty("schema_version", out JsonElement version)
        && version.ValueKind == JsonValueKind.Number && version.TryGetInt32(out int number) ? number : null;

    private static string OneLine(string path) =>
        new([.. path.Take(100).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '\uFFFD' : c)]);
}

using System.Globalization;
using System.Text.Json;
using CsvHelper;

namespace DiffusionClip.Cli.Output;

/// <summary>A picture's score against a text, or why there is none.</summary>
/// <param name="Image">The picture.</param>
/// <param name="Text">The text; null if there is none.</param>
/// <param name="Score">The score.</param>
/// <param name="ContentSha256">SHA-256 of the picture's file.</param>
/// <param name="Error">Why there is no score.</param>
/// <param name="Scoring">How the score came about.</param>
internal sealed record ScoreRow(string Image, string? Text, double? Score, string? ContentSha256, string? Error, ScoreRecord? Scoring);

/// <summary>Writes scores as they come.</summary>
internal abstract class ScoreWriter : IDisposable
{
    /// <summary>Formats there are.</summary>
    public static readonly string[] Formats = ["jsonl", "csv"];

    /// <summary>Makes a writer.</summary>
    /// <param name="format">One of <see cref="Formats"/>.</param>
    /// <param name="output">Where to; left open.</param>
    public static ScoreWriter Create(string format, TextWriter output) => format == "csv" ? new Csv(output) : new JsonLines(output);

    /// <summary>Writes a row.</summary>
    public abstract void Write(ScoreRow row);

    /// <summary>Writes what is left.</summary>
    public abstract void Dispose();

    private sealed class JsonLines(TextWriter output) : ScoreWriter
    {
        public override void Write(ScoreRow row) => output.WriteLine(JsonSerializer.Serialize(row, DiffusionClipJson.Compact));

        public override void Dispose() => output.Flush();
    }

    private sealed class Csv : ScoreWriter
    {
        private readonly CsvWriter _csv;

        public Csv(TextWriter output)
        {
            _csv = new CsvWriter(output, CultureInfo.InvariantCulture, leaveOpen: true);
            foreach (string heading in new[] { "image", "text", "score", "error", "content_sha256", "scorer", "version", "model", "model_sha256", "preprocessing", "tokens_dropped", "precision", "provider" })
            {
                _csv.WriteField(heading);
            }

            _csv.NextRecord();
        }

        public override void Write(ScoreRow row)
        {
            Text(row.Image);
            Text(row.Text);
            _csv.WriteField(row.Score?.ToString("R", CultureInfo.InvariantCulture));
            Text(row.Error);
            Text(row.ContentSha256);
            Text(row.Scoring?.Scorer);
            Text(row.Scoring?.Version);
            Text(row.Scoring?.Model);
            Text(row.Scoring?.Sha256);
            Text(row.Scoring?.Preprocessing);
            _csv.WriteField(row.Scoring?.TokensDropped.ToString(CultureInfo.InvariantCulture));
            Text(row.Scoring?.Precision);
            Text(row.Scoring?.Provider);
            _csv.NextRecord();
        }

        public override void Dispose()
        {
            _csv.Flush();
            _csv.Dispose();
        }

        // A spreadsheet would run a text that looks like a formula; numbers keep their minus sign.
        private void Text(string? text) => _csv.WriteField(text is [('=' or '+' or '-' or '@' or '\t' or '\r' or '\n'), ..] ? $"'{text}" : text);
    }
}

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
internal sealed record ScoreRow(string Image, string? Text, double? Score, string? ContentSha256, string? Error, ScoreRecord? Scoring)
{
    /// <summary>Id of the scorer, where several score.</summary>
    public string? Scorer { get; init; }
}

/// <summary>Writes scores as they come.</summary>
internal abstract class ScoreWriter : IDisposable
{
    /// <summary>Formats there are.</summary>
    public static readonly string[] Formats = ["jsonl", "csv"];

    /// <summary>Makes a writer.</summary>
    /// <param name="format">One of <see cref="Formats"/>.</param>
    /// <param name="output">Where to; left open.</param>
    /// <param name="names">Whether rows name their scorer: where several score.</param>
    public static ScoreWriter Create(string format, TextWriter output, bool names) => format == "csv" ? new Csv(output, names) : new JsonLines(output);

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
        private readonly bool _names;

        public Csv(TextWriter output, bool names)
        {
            _names = names;

            // A spreadsheet would run a text that looks like a formula; numbers keep their minus sign.
            _csv = CsvWriter.Create(output, new CsvWriterOptions { Injection = CsvInjection.Escape, NewLine = "\n" }, leaveOpen: true);
            _csv.WriteHeader(
            [
                "image", "text", "score", "error", "content_sha256", "scorer", "version", "model", "model_sha256", "preprocessing", "tokens_dropped",
                "precision", "provider", .. names ? (string[])["scorer_id"] : [],
            ]);
        }

        public override void Write(ScoreRow row)
        {
            _csv.WriteField(row.Image);
            _csv.WriteField(row.Text);
            _csv.WriteField(row.Score, "R");
            _csv.WriteField(row.Error);
            _csv.WriteField(row.ContentSha256);
            _csv.WriteField(row.Scoring?.Scorer);
            _csv.WriteField(row.Scoring?.Version);
            _csv.WriteField(row.Scoring?.Model);
            _csv.WriteField(row.Scoring?.Sha256);
            _csv.WriteField(row.Scoring?.Preprocessing);
            _csv.WriteField(row.Scoring?.TokensDropped);
            _csv.WriteField(row.Scoring?.Precision);
            _csv.WriteField(row.Scoring?.Provider);
            if (_names)
            {
                _csv.WriteField(row.Scorer);
            }

            _csv.EndRecord();
        }

        public override void Dispose()
        {
            _csv.Flush();
            _csv.Dispose();
        }
    }
}

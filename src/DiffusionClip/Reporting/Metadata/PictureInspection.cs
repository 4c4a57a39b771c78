using System.Text.Json;
using System.Text.Json.Serialization;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Imaging.Png;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>Everything that a picture file says about itself, short of its pixels.</summary>
public sealed record PictureInspection
{
    /// <summary>Whether the file is a picture of a kind that is known here; damaged metadata leaves it readable.</summary>
    public required bool Readable { get; init; }

    /// <summary>Kind of file, e.g. <c>png</c>; null if unknown.</summary>
    public string? FileType { get; init; }

    /// <summary>Width in pixels, from the header; null if that is missing or damaged.</summary>
    public int? Width { get; init; }

    /// <summary>Height in pixels, likewise.</summary>
    public int? Height { get; init; }

    /// <summary>What made the picture, from our own record if it can be read, else from what another program wrote.</summary>
    public required PictureMetadata Metadata { get; init; }

    /// <summary>Our own record; null if there is none that can be read.</summary>
    public PictureRecord? Record { get; init; }

    /// <summary>A score written afterwards; null if there is none that can be read.</summary>
    public PictureScore? Score { get; init; }

    /// <summary>What the texts for other programs say where our own record says more; null without such a record or text.</summary>
    public PictureMetadata? Foreign { get; init; }

    /// <summary>Every text in the file, in order.</summary>
    public required IReadOnlyList<PictureText> Texts { get; init; }

    /// <summary>Every chunk that was left out, and why.</summary>
    public required IReadOnlyList<PngTextProblem> Problems { get; init; }

    /// <summary>What a reader should know, one line each.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>
    /// The text that the picture says it shows: of ours what was scored when it was made, of others' the prompt's words without syntax.
    /// Null where there is none.
    /// </summary>
    [JsonIgnore]
    public string? ScoredText
    {
        get
        {
            string? text = Record?.Request.Search.ScoreText ?? (Metadata.Prompt is { } prompt ? PlainText.Of(prompt) : null);
            return string.IsNullOrWhiteSpace(text) ? null : text;
        }
    }

    /// <summary>The inspection as JSON, snake_case.</summary>
    /// <param name="indented">For people, or on one line.</param>
    public string ToJson(bool indented = true) =>
        JsonSerializer.Serialize(this, indented ? DiffusionClipJson.Indented : DiffusionClipJson.Compact);
}

/// <summary>A text in a picture file.</summary>
/// <param name="Keyword">Its keyword; <c>UserComment</c> in EXIF.</param>
/// <param name="Text">The text, as its writer most likely meant it.</param>
public sealed record PictureText(string Keyword, string Text);

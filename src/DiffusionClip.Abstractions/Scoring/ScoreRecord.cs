namespace DiffusionClip;

/// <summary>How a score came about: two scores compare only if all of this but the text agrees.</summary>
public sealed record ScoreRecord
{
    /// <summary>Name of the scorer.</summary>
    public required string Scorer { get; init; }

    /// <summary>Version of the scorer's method.</summary>
    public required string Version { get; init; }

    /// <summary>Scale of the number.</summary>
    public required ScoreScale Scale { get; init; }

    /// <summary>Id of the model that scored, if there is one.</summary>
    public string? Model { get; init; }

    /// <summary>SHA-256 over the hashes of the model's files, lower-case hexadecimal.</summary>
    public string? Sha256 { get; init; }

    /// <summary>How pictures were prepared, e.g. <c>shortest 224 bicubic, centre crop 224x224</c>.</summary>
    public string? Preprocessing { get; init; }

    /// <summary>The text as scored.</summary>
    public required string Text { get; init; }

    /// <summary>Tokens beyond the model's limit that were not read.</summary>
    public int TokensDropped { get; init; }

    /// <summary>What happened to text beyond the limit: the name of a <see cref="LongTextPolicy"/>, or a scorer's own.</summary>
    public string LongText { get; init; } = "truncate";

    /// <summary>Precision of the weights as computed with, e.g. <c>float32</c>.</summary>
    public string? Precision { get; init; }

    /// <summary>Execution provider that ran the model.</summary>
    public string? Provider { get; init; }

    /// <summary>Why a score of this record and one of another must not be ranked together; null if they may.</summary>
    /// <param name="other">The other record; only its text and what was dropped of it may differ.</param>
    /// <returns>The first field that differs, in the record's snake_case words, and both values.</returns>
    public string? DifferenceFrom(ScoreRecord other)
    {
        ArgumentNullException.ThrowIfNull(other);
        (string Field, string? Mine, string? Theirs)[] fields =
        [
            ("scorer", Scorer, other.Scorer),
            ("version", Version, other.Version),
            ("scale", Scale.ToString(), other.Scale.ToString()),
            ("long_text", LongText, other.LongText),
            ("model", Model, other.Model),
            ("sha256", Sha256, other.Sha256),
            ("preprocessing", Preprocessing, other.Preprocessing),
            ("precision", Precision, other.Precision),
            ("provider", Provider, other.Provider),
        ];
        (string field, string? mine, string? theirs) = Array.Find(fields, pair => pair.Mine != pair.Theirs);
        return field is null ? null : $"{field}: {mine ?? "none"} and {theirs ?? "none"}";
    }
}

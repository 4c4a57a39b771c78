using System.Text.Json.Serialization;

namespace DiffusionClip.Imaging.Png;

/// <summary>One text chunk of a PNG file (PNG 3rd edition, section 11.3.3).</summary>
/// <param name="Keyword">1 to 79 Latin-1 characters.</param>
/// <param name="Text">The text by the letter of the specification: Latin-1 from tEXt and zTXt, UTF-8 from iTXt.</param>
/// <param name="TextIfUtf8">
/// The text as UTF-8 where a Latin-1 chunk holds valid UTF-8 beyond ASCII, as some writers put there; else null.
/// </param>
public sealed record PngText(string Keyword, string Text, string? TextIfUtf8 = null)
{
    /// <summary>What the writer most likely meant.</summary>
    [JsonIgnore]
    public string Meant => TextIfUtf8 ?? Text;
}

/// <summary>What is wrong with a file or one of its chunks.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PngTextProblemKind>))]
public enum PngTextProblemKind
{
    /// <summary>A chunk's checksum does not match its content.</summary>
    [JsonStringEnumMemberName("crc")]
    Crc,

    /// <summary>A chunk does not follow its grammar: keyword, separators, compression, UTF-8.</summary>
    [JsonStringEnumMemberName("malformed")]
    Malformed,

    /// <summary>A text is beyond the limits, as stored or once inflated.</summary>
    [JsonStringEnumMemberName("too_large")]
    TooLarge,

    /// <summary>The file ends before the chunk does, or without IEND.</summary>
    [JsonStringEnumMemberName("truncated")]
    Truncated,

    /// <summary>The file does not begin with the PNG signature.</summary>
    [JsonStringEnumMemberName("not_png")]
    NotPng,
}

/// <summary>A chunk that was left out, and why.</summary>
/// <param name="Kind">What is wrong.</param>
/// <param name="Chunk">Type of the chunk, e.g. <c>tEXt</c>; null if the file as a whole is meant.</param>
/// <param name="Offset">Where the chunk begins in the file, in bytes.</param>
public sealed record PngTextProblem(PngTextProblemKind Kind, string? Chunk, long Offset);

/// <summary>The text chunks of a file.</summary>
/// <param name="Readable">Whether it is a PNG file at all; damaged text leaves the picture readable.</param>
/// <param name="Width">Width in pixels, from IHDR; null if that is missing or damaged.</param>
/// <param name="Height">Height in pixels, likewise.</param>
/// <param name="Texts">Every sound text chunk, in the order of the file; a keyword may come twice.</param>
/// <param name="Problems">Every chunk left out, in the order of the file.</param>
public sealed record PngTextContent(
    bool Readable,
    int? Width,
    int? Height,
    IReadOnlyList<PngText> Texts,
    IReadOnlyList<PngTextProblem> Problems)
{
    /// <summary>The first text under a keyword, which is the one that counts; null if there is none.</summary>
    public PngText? Find(string keyword) => Texts.FirstOrDefault(text => text.Keyword == keyword);
}

/// <summary>What a hostile file may make the reader hold.</summary>
/// <param name="MaxTextBytes">Largest single text, as stored and once inflated, in bytes.</param>
/// <param name="MaxTotalBytes">Largest sum of all texts, once inflated, in bytes.</param>
/// <param name="MaxTexts">Most text chunks looked at.</param>
public sealed record PngTextLimits(int MaxTextBytes = 16 << 20, int MaxTotalBytes = 32 << 20, int MaxTexts = 10_000)
{
    /// <summary>16 MiB a text, 32 MiB and 10,000 chunks in all.</summary>
    public static PngTextLimits Default { get; } = new();
}

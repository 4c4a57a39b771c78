namespace DiffusionClip.Reporting;

/// <summary>A picture as the bytes of a file.</summary>
public sealed record PictureFile
{
    /// <summary>The whole file.</summary>
    public required ReadOnlyMemory<byte> Content { get; init; }

    /// <summary>Its format.</summary>
    public required OutputFormat Format { get; init; }

    /// <summary>What of its metadata is left out and why, in one line; null if nothing is.</summary>
    public string? Warning { get; init; }

    /// <summary>Its media type, e.g. <c>image/webp</c>.</summary>
    public string MediaType => Format switch
    {
        OutputFormat.Jpeg => "image/jpeg",
        OutputFormat.Webp => "image/webp",
        _ => "image/png",
    };

    /// <summary>The end of its name, e.g. <c>.webp</c>.</summary>
    public string Extension => ExtensionOf(Format);

    /// <summary>The end of the names of a format's files.</summary>
    public static string ExtensionOf(OutputFormat format) => format switch
    {
        OutputFormat.Jpeg => ".jpg",
        OutputFormat.Webp => ".webp",
        _ => ".png",
    };
}

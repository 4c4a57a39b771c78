namespace DiffusionClip.Reporting.Metadata;

/// <summary>Finds out which program wrote a picture's texts, and reads them.</summary>
internal static class PictureMetadataFormats
{
    // In the order of precedence: a picture that went through several programs carries the texts of several.
    private static readonly Func<MetadataTexts, PictureMetadata?>[] Readers =
    [
        SwarmUiMetadata.Read,
        FooocusMetadata.Read,
        A1111Metadata.Read,
        InvokeAiMetadata.Read,
        NovelAiMetadata.Read,
        EasyDiffusionMetadata.Read,
        ComfyUiMetadata.Read,
    ];

    /// <summary>Reads texts by keyword, as PNG text chunks hold them; an EXIF UserComment counts as <c>parameters</c>.</summary>
    /// <param name="texts">Keywords and texts in the order of the file.</param>
    /// <returns>The record; its format is null if nothing known was found.</returns>
    public static PictureMetadata Read(IEnumerable<KeyValuePair<string, string>> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        var sources = new MetadataTexts(texts);
        PictureMetadata? found = null;
        foreach (Func<MetadataTexts, PictureMetadata?> read in Readers)
        {
            if ((found = read(sources)) is not null)
            {
                break;
            }
        }

        found ??= new();
        return sources.Notes.Count == 0 ? found : found with { Notes = [.. sources.Notes, .. found.Notes ?? []] };
    }
}

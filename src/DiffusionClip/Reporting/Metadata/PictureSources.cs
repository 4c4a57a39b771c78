using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Imaging;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>Reads headers and comments of pictures other than PNG.</summary>
internal static class PictureSources
{
    /// <summary>Every format that is read here.</summary>
    public static PictureFileSources All { get; } = new() { Header = Header, UserComment = UserComment, Record = Record };

    /// <summary>
    /// The text that a picture's own metadata says it shows: of ours what was scored when it was made, of others' the prompt's words.
    /// Null where there is none.
    /// </summary>
    public static string? ScoredText(ReadOnlyMemory<byte> file)
    {
        PictureInspection inspection = PictureMetadataReader.Read(file, All);
        string? text = inspection.Record?.Request.Search.ScoreText ?? (inspection.Metadata.Prompt is { } prompt ? PlainText.Of(prompt) : null);
        return string.IsNullOrWhiteSpace(text) ? null : text;
    }

    private static (string FileType, int Width, int Height)? Header(ReadOnlyMemory<byte> file)
    {
        try
        {
            ImageHeader header = ImageHeader.Read(file.Span, new ImageLimits(long.MaxValue, long.MaxValue));
            return (header.Format.ToString().ToLowerInvariant(), header.Width, header.Height);
        }
        catch (ImageFormatException)
        {
            return null;
        }
    }

    private static (ReadOnlyMemory<byte> Bytes, bool? BigEndian)? UserComment(ReadOnlyMemory<byte> file)
    {
        ReadOnlySpan<byte> comment = Exif.ReadUserComment(file.Span, out bool bigEndian);
        return comment.IsEmpty ? null : (comment.ToArray(), bigEndian);
    }

    private static ReadOnlyMemory<byte>? Record(ReadOnlyMemory<byte> file)
    {
        ReadOnlySpan<byte> record = Exif.ReadRecord(file.Span);
        return record.IsEmpty ? default(ReadOnlyMemory<byte>?) : record.ToArray();
    }
}

using DiffusionClip.Imaging;
using DiffusionClip.Reporting.Metadata;

namespace DiffusionClip.Cli.Inputs;

/// <summary>Reads headers and comments of pictures other than PNG.</summary>
internal static class PictureSources
{
    /// <summary>Every format that is read here.</summary>
    public static PictureFileSources All { get; } = new() { Header = Header, UserComment = UserComment };

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
}

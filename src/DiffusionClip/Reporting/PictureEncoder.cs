using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Jpeg;
using DiffusionClip.Imaging.Png;
using DiffusionClip.Imaging.WebP;
using DiffusionClip.Reporting.Metadata;

namespace DiffusionClip.Reporting;

/// <summary>
/// Makes files that say how they came about: an A1111 text for other programs and our own record, which is authoritative. PNG
/// carries them in the text chunks <c>parameters</c> and <c>diffusionclip</c>, JPEG and WebP in EXIF's UserComment and MakerNote.
/// </summary>
public sealed class PictureEncoder(IImageCodec codec)
{
    /// <summary>
    /// Encodes a picture in the format that the request wants, with its metadata or without. What does not fit into a JPEG's 64 KiB of
    /// EXIF is left out, the A1111 text before the record; <see cref="PictureFile.Warning"/> says so.
    /// </summary>
    /// <exception cref="ImageFormatException">The picture is too large for the format.</exception>
    public PictureFile Encode(RankedImage image, RunReport report)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(report);
        OutputRequest output = report.Request.Output;
        int quality = output.Quality ?? OutputRequest.DefaultQuality;
        PictureRecord? record = output.Metadata ? PictureRecord.For(image.Candidate, report) : null;
        byte[] content = output.Format switch
        {
            OutputFormat.Jpeg => codec.EncodeJpeg(image.Image, quality),
            OutputFormat.Webp => codec.EncodeWebp(image.Image, quality),
            _ => codec.EncodePng(image.Image),
        };
        string? warning = null;
        if (record is not null)
        {
            content = output.Format switch
            {
                OutputFormat.Jpeg => WithExif(content, record, report.Scheduler, out warning),
                OutputFormat.Webp => WebPExifWriter.Insert(
                    content, ExifWriter.Compose(InfotextWriter.For(record, report.Scheduler).ToString(), PictureRecordJson.Write(record))),
                _ => PngTextWriter.SetTexts(content, InfotextWriter.Texts(record, report.Scheduler)),
            };
        }

        return new PictureFile { Content = content, Format = output.Format, Warning = warning };
    }

    /// <summary>Encodes pixels alone as PNG.</summary>
    public byte[] EncodePlain(RgbImage image) => codec.EncodePng(image);

    private static byte[] WithExif(byte[] jpeg, PictureRecord record, SchedulerReport scheduler, out string? warning)
    {
        string infotext = InfotextWriter.For(record, scheduler).ToString(), json = PictureRecordJson.Write(record);
        const string Remedy = "a JPEG holds 64 KiB of metadata; png and webp hold all of it";
        foreach ((string? comment, string? note, string? lost) in new (string?, string?, string?)[]
        {
            (infotext, json, null),
            (null, json, "the text for other programs"),
            (infotext, null, "the record by which they are repeated"),
        })
        {
            byte[] exif = ExifWriter.Compose(comment, note);
            if (exif.Length <= JpegExifWriter.MaxBlock)
            {
                warning = lost is null ? null : $"format: pictures were written without {lost}: {Remedy}";
                return JpegExifWriter.Insert(jpeg, exif);
            }
        }

        warning = $"format: pictures were written without metadata: {Remedy}";
        return jpeg;
    }
}

using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Png;
using DiffusionClip.Reporting.Metadata;

namespace DiffusionClip.Reporting;

/// <summary>Makes PNG files that say how they came about: an A1111 <c>parameters</c> text for other programs and our own record, which is authoritative.</summary>
public sealed class PictureEncoder(IImageCodec codec)
{
    /// <summary>Encodes a picture with its metadata, or without where the request wants none.</summary>
    public byte[] Encode(RankedImage image, RunReport report)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(report);
        byte[] png = codec.EncodePng(image.Image);
        return report.Request.Output.Metadata
            ? PngTextWriter.SetTexts(png, InfotextWriter.Texts(PictureRecord.For(image.Candidate, report), report.Sampler))
            : png;
    }

    /// <summary>Encodes pixels alone.</summary>
    public byte[] EncodePlain(RgbImage image) => codec.EncodePng(image);
}

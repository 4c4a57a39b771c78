using System.Text;
using DiffusionClip.Imaging;
using DiffusionClip.Reporting;
using DiffusionClip.Reporting.Metadata;
using DiffusionClip.Skia;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.Formats.Png;
using SixLabors.ImageSharp.Metadata.Profiles.Exif;
using SixLabors.ImageSharp.PixelFormats;

namespace DiffusionClip.ImageSharp;

/// <summary>What we write, read by a program that is not ours.</summary>
public sealed class PictureEncoderTests
{
    private const string Prompt = "a fox, Ä 日本 🍎\nsecond line: \"quoted\"";

    private static readonly PictureEncoder Encoder = new(new SkiaImageCodec());

    public static TheoryData<OutputFormat, int?> Formats => new()
    {
        { OutputFormat.Png, null },
        { OutputFormat.Jpeg, null },
        { OutputFormat.Jpeg, 100 },
        { OutputFormat.Webp, null },
        { OutputFormat.Webp, 100 },
    };

    [Theory]
    [MemberData(nameof(Formats))]
    public void An_independent_reader_sees_our_pixels(OutputFormat format, int? quality)
    {
        (RankedImage image, RunReport report) = Reports.Of(Prompt, new() { Format = format, Quality = quality });
        PictureFile file = Encoder.Encode(image, report);
        using Image<Rgb24> read = Image.Load<Rgb24>(file.Content.Span, out SixLabors.ImageSharp.Formats.IImageFormat found);
        Assert.Equal(file.MediaType, found.DefaultMimeType);
        Assert.Contains(file.Extension[1..], found.FileExtensions);
        bool lossless = format == OutputFormat.Png || (format, quality) == (OutputFormat.Webp, 100);
        ReadOnlySpan<byte> ours = image.Image.Pixels.Span, theirs = read.ToRgbImage().Pixels.Span;
        Assert.Equal(ours.Length, theirs.Length);
        int largest = 0;
        for (int i = 0; i < ours.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(ours[i] - theirs[i]));
        }

        // 4:2:0 halves what little of the colour changes between pixels.
        Assert.InRange(largest, 0, lossless ? 0 : 24);
        Assert.True(lossless || largest > 0, "a lossy format without loss");
    }

    [Fact]
    public void An_independent_reader_sees_the_text_chunks_of_a_PNG()
    {
        (RankedImage image, RunReport report) = Reports.Of(Prompt, new());
        using Image read = Image.Load(Encoder.Encode(image, report).Content.Span);
        IList<PngTextData> texts = read.Metadata.GetPngMetadata().TextData;
        PictureRecord record = PictureRecord.For(image.Candidate, report);
        Assert.Equal(
            InfotextWriter.Texts(record, report.Scheduler),
            texts.Select(text => KeyValuePair.Create(text.Keyword, text.Value)));
    }

    [Theory]
    [InlineData(OutputFormat.Jpeg)]
    [InlineData(OutputFormat.Webp)]
    public void An_independent_reader_sees_the_user_comment(OutputFormat format)
    {
        (RankedImage image, RunReport report) = Reports.Of(Prompt, new() { Format = format });
        using Image read = Image.Load(Encoder.Encode(image, report).Content.Span);
        ExifProfile exif = read.Metadata.ExifProfile;
        EncodedString comment = exif.GetValue(ExifTag.UserComment).Value;
        string written = InfotextWriter.For(PictureRecord.For(image.Candidate, report), report.Scheduler).ToString();
        Assert.Equal(EncodedString.CharacterCode.Unicode, comment.Code);

        // ImageSharp 2.1 takes this encoding for little-endian, whatever order the block is in; piexif, and with it the webui, for
        // big-endian.
        Assert.Equal(written, Encoding.BigEndianUnicode.GetString(Encoding.Unicode.GetBytes(comment.Text)));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Our_reader_reads_the_same_record_from_every_format(OutputFormat format, int? quality)
    {
        (RankedImage image, RunReport report) = Reports.Of(Prompt, new() { Format = format, Quality = quality }, "ugly");
        PictureInspection inspection = PictureMetadataReader.Read(Encoder.Encode(image, report).Content);
        PictureRecord record = PictureRecord.For(image.Candidate, report);
        Assert.Empty(inspection.Notes);
        Assert.Empty(inspection.Problems);
        Assert.Equal(PictureRecordJson.Write(record), PictureRecordJson.Write(inspection.Record!));
        Assert.Equal((48, 32), (inspection.Width, inspection.Height));
        Assert.Equal(Prompt, inspection.Metadata.Prompt);
        Assert.Equal((Prompt, "ugly", 20), (inspection.Foreign!.Prompt, inspection.Foreign.NegativePrompt, inspection.Foreign.Steps));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Without_metadata_there_are_none(OutputFormat format, int? quality)
    {
        (RankedImage image, RunReport report) = Reports.Of(Prompt, new() { Metadata = false, Format = format, Quality = quality });
        PictureFile file = Encoder.Encode(image, report);
        Assert.Empty(PictureMetadataReader.Read(file.Content).Texts);
        Assert.Null(file.Warning);
    }

    // The infotext takes two bytes a character and holds the prompt once, the record takes one and holds it three times.
    [Theory]
    [InlineData(1_000, true, true, null)]
    [InlineData(14_000, false, true, "the text for other programs")]
    [InlineData(25_000, true, false, "the record")]
    [InlineData(60_000, false, false, "without metadata")]
    public void What_does_not_fit_into_a_JPEG_is_left_out_and_said(int length, bool comment, bool record, string? warning)
    {
        (RankedImage image, RunReport report) = Reports.Of(new string('x', length), new() { Format = OutputFormat.Jpeg });
        PictureFile file = Encoder.Encode(image, report);
        PictureInspection inspection = PictureMetadataReader.Read(file.Content);
        Assert.Equal((comment, record), (inspection.Texts.Any(text => text.Keyword == "UserComment"), inspection.Record is not null));
        if (warning is null)
        {
            Assert.Null(file.Warning);
        }
        else
        {
            Assert.Contains(warning, file.Warning, StringComparison.Ordinal);
            Assert.Contains("png and webp hold all of it", file.Warning, StringComparison.Ordinal);
        }

        Assert.Equal(48, new SkiaImageCodec().Decode(file.Content, ImageLimits.Default).Width);
    }

    [Fact]
    public void A_WebP_holds_the_longest_prompt()
    {
        (RankedImage image, RunReport report) = Reports.Of(new string('界', 65_536), new() { Format = OutputFormat.Webp });
        PictureFile file = Encoder.Encode(image, report);
        Assert.Null(file.Warning);
        Assert.Equal(report.Request.Prompt, PictureMetadataReader.Read(file.Content).Record!.Request.Prompt);
    }
}

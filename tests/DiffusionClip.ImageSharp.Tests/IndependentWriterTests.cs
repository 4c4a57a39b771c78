using DiffusionClip.Imaging;
using DiffusionClip.Reporting.Metadata;
using DiffusionClip.Skia;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.Formats;
using SixLabors.ImageSharp.Formats.Jpeg;
using SixLabors.ImageSharp.Formats.Png;
using SixLabors.ImageSharp.Formats.Webp;
using SixLabors.ImageSharp.Metadata.Profiles.Exif;
using SixLabors.ImageSharp.PixelFormats;

namespace DiffusionClip.ImageSharp;

/// <summary>What a program that is not ours writes, read by ours.</summary>
public sealed class IndependentWriterTests
{
    private const string Infotext =
        "two cats, Ä 日本\nNegative prompt: a dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x64";

    private static readonly SkiaImageCodec Codec = new();

    [Theory]
    [InlineData("png", 0)]
    [InlineData("webp", 0)]
    [InlineData("jpeg", 4)]
    public void Our_decoder_reads_its_pixels(string format, int tolerance)
    {
        RgbImage picture = Reports.Picture(37, 21);
        using Image<Rgb24> image = picture.ToImageSharp();
        byte[] file = Save(image, format);
        RgbImage ours = Codec.Decode(file, ImageLimits.Default);
        using Image<Rgb24> theirs = Image.Load<Rgb24>(file);
        Assert.Equal((37, 21), (ours.Width, ours.Height));
        AssertNear(theirs.ToRgbImage(), ours, tolerance);
        if (tolerance == 0)
        {
            AssertNear(picture, ours, 0);
        }
    }

    [Theory]
    [InlineData("jpeg")]
    [InlineData("webp")]
    public void Our_reader_reads_its_user_comment(string format)
    {
        using Image<Rgb24> image = Reports.Picture().ToImageSharp();
        image.Metadata.ExifProfile = new ExifProfile();
        image.Metadata.ExifProfile.SetValue(ExifTag.UserComment, new EncodedString(EncodedString.CharacterCode.Unicode, Infotext));
        AssertRead(Save(image, format), format);
    }

    [Fact]
    public void Our_reader_reads_its_text_chunks()
    {
        using Image<Rgb24> image = Reports.Picture().ToImageSharp();
        image.Metadata.GetPngMetadata().TextData.Add(new PngTextData("parameters", Infotext, "", ""));
        AssertRead(Save(image, "png"), "png");
    }

    [Fact]
    public void Our_record_outlives_a_program_that_keeps_EXIF()
    {
        (RankedImage image, RunReport report) = Reports.Of("two cats", new() { Format = OutputFormat.Jpeg });
        using Image<Rgb24> read = Image.Load<Rgb24>(new Reporting.PictureEncoder(Codec).Encode(image, report).Content.Span);
        foreach (string format in (string[])["jpeg", "webp"])
        {
            PictureInspection inspection = PictureMetadataReader.Read(Save(read, format));
            Assert.Equal(report.Request.ComputeSha256(), inspection.Record?.Request.ComputeSha256());
        }
    }

    private static void AssertRead(byte[] file, string format)
    {
        PictureInspection inspection = PictureMetadataReader.Read(file);
        Assert.Equal((true, format, 48, 32), (inspection.Readable, inspection.FileType, inspection.Width, inspection.Height));
        Assert.Equal("a1111", inspection.Metadata.Format);
        PictureMetadata read = inspection.Metadata;
        Assert.Equal(("two cats, Ä 日本", "a dog", "5"), (read.Prompt, read.NegativePrompt, read.Seed));
    }

    private static byte[] Save(Image image, string format)
    {
        IImageEncoder encoder = format switch
        {
            "jpeg" => new JpegEncoder { Quality = 95 },
            "webp" => new WebpEncoder { FileFormat = WebpFileFormatType.Lossless },
            _ => new PngEncoder(),
        };
        using var stream = new MemoryStream();
        image.Save(stream, encoder);
        return stream.ToArray();
    }

    private static void AssertNear(RgbImage expected, RgbImage actual, int tolerance)
    {
        ReadOnlySpan<byte> a = expected.Pixels.Span, b = actual.Pixels.Span;
        Assert.Equal(a.Length, b.Length);
        for (int i = 0; i < a.Length; i++)
        {
            Assert.True(Math.Abs(a[i] - b[i]) <= tolerance, $"byte {i}: {a[i]} and {b[i]}");
        }
    }
}

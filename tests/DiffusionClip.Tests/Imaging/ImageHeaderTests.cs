using System.Text;
using DiffusionClip.Imaging.Png;

namespace DiffusionClip.Imaging;

public sealed class ImageHeaderTests
{
    [Theory]
    [InlineData("<!DOCTYPE html><html></html>", "HTML")]
    [InlineData("\r\n <HTML><body>", "HTML")]
    [InlineData("<?xml version=\"1.0\"?><svg xmlns=\"x\"/>", "SVG")]
    [InlineData("II*\0aaaaaaaaaaaa", "TIFF")]
    [InlineData("MM\0*aaaaaaaaaaaa", "TIFF")]
    [InlineData("%PDF-1.7", "PDF")]
    [InlineData("{\"a\": 1}", "JSON")]
    [InlineData("version https://git-lfs.github.com/spec/v1", "Git LFS")]
    [InlineData("just some words, ä", "text")]
    [InlineData("\0\u0001\u0002\u0003", "unknown kind")]
    [InlineData("BMxx", "text")]
    public void Other_files_are_named_for_what_they_are(string content, string expected)
    {
        ImageFormatException error = Assert.Throws<ImageFormatException>(() =>
            ImageHeader.Read(Encoding.UTF8.GetBytes(content), ImageLimits.Default));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains("PNG, JPEG", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Sizes_beyond_the_limit_are_refused()
    {
        byte[] png = PngFile.Of(PngFile.Header(30_000, 30_000, 8, 2), PngFile.End);
        Assert.Contains(
            "30000x30000",
            Assert.Throws<ImageFormatException>(() => ImageHeader.Read(png, ImageLimits.Default)).Message,
            StringComparison.Ordinal);

        // 2^31 bytes hold 536 megapixels of RGBA, and no limit lifts that.
        ImageLimits generous = new(MaxPixels: 10_000_000_000);
        Assert.Throws<ImageFormatException>(() => ImageHeader.Read(png, generous));
        Assert.Equal(
            new ImageHeader(ImageFileFormat.Png, 20_000, 20_000),
            ImageHeader.Read(PngFile.Of(PngFile.Header(20_000, 20_000, 8, 2), PngFile.End), generous));
        byte[] jpeg = [0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8, 0xFF, 0xFF, 0xFF, 0xFF, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0];
        Assert.Contains(
            "65535x65535",
            Assert.Throws<ImageFormatException>(() => ImageHeader.Read(jpeg, ImageLimits.Default)).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "bytes",
            Assert.Throws<ImageFormatException>(() => ImageHeader.Read(png, new ImageLimits(MaxFileBytes: 10))).Message,
            StringComparison.Ordinal);
    }
}

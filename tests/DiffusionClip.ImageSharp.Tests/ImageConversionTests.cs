using SixLabors.ImageSharp;
using SixLabors.ImageSharp.Metadata.Profiles.Exif;
using SixLabors.ImageSharp.PixelFormats;
using SixLabors.ImageSharp.Processing;

namespace DiffusionClip.ImageSharp;

public sealed class ImageConversionTests
{
    [Fact]
    public void Pixels_go_there_and_back()
    {
        RgbImage picture = Reports.Picture(31, 17);
        using Image<Rgb24> rgb = picture.ToImageSharp();
        using Image<Bgra32> bgra = picture.ToImageSharp<Bgra32>();
        using Image<Rgb48> deep = picture.ToImageSharp<Rgb48>();
        Assert.Equal(new Rgb24(picture.Pixels.Span[3], picture.Pixels.Span[4], picture.Pixels.Span[5]), rgb[1, 0]);
        Assert.Equal(byte.MaxValue, bgra[5, 5].A);
        using Image<Rgb24> result = new RankedImage { Candidate = new() { Index = 0, Seed = 1 }, Image = picture }.ToImageSharp();
        foreach (RgbImage back in (RgbImage[])[rgb.ToRgbImage(), bgra.ToRgbImage(), deep.ToRgbImage(), result.ToRgbImage()])
        {
            Assert.Equal((31, 17), (back.Width, back.Height));
            Assert.Equal(picture.Pixels.ToArray(), back.Pixels.ToArray());
        }
    }

    [Fact]
    public void The_copy_is_a_copy()
    {
        RgbImage picture = Reports.Picture();
        byte before = picture.Pixels.Span[0];
        using Image<Rgb24> image = picture.ToImageSharp();
        image[0, 0] = new Rgb24((byte)(before + 1), 0, 0);
        Assert.Equal(before, picture.Pixels.Span[0]);
    }

    [Fact]
    public void Alpha_is_dropped_or_laid_over_a_background()
    {
        using var image = new Image<Rgba32>(3, 1);
        image[0, 0] = new Rgba32(200, 100, 50, 255);
        image[1, 0] = new Rgba32(200, 100, 50, 0);
        image[2, 0] = new Rgba32(200, 100, 51, 128);
        Assert.Equal([200, 100, 50, 200, 100, 50, 200, 100, 51], image.ToRgbImage().Pixels.ToArray());
        Assert.Equal([200, 100, 50, 0, 255, 0, 100, 177, 26], image.ToRgbImage(Color.Lime).Pixels.ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(6)]
    [InlineData(8)]
    public void A_turned_picture_comes_upright(ushort orientation)
    {
        using Image<Rgb24> stored = Reports.Picture(9, 5).ToImageSharp();
        stored.Metadata.ExifProfile = new ExifProfile();
        stored.Metadata.ExifProfile.SetValue(ExifTag.Orientation, orientation);
        RgbImage upright = stored.ToRgbImage();
        using Image<Rgb24> turned = stored.Clone(image => image.AutoOrient());
        Assert.Equal((turned.Width, turned.Height), (upright.Width, upright.Height));
        Assert.Equal(turned.ToRgbImage().Pixels.ToArray(), upright.Pixels.ToArray());
    }
}

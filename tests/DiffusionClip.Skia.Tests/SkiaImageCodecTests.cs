using System.Buffers.Binary;
using System.Text;
using DiffusionClip.Imaging;

namespace DiffusionClip.Skia;

public sealed class SkiaImageCodecTests
{
    // Two pixels with the alphas 7FFF and 807F.
    private const string DeepPng =
        "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABEAYAAACksqPJAAAAFElEQVR4nGNgZGRiYmau/w+hG+oBEFEClgUaDW4AAAAASUVORK5CYII=";

    private static readonly SkiaImageCodec Codec = new();

    private static RgbImage Decode(byte[] file) => Codec.Decode(file, ImageLimits.Default);

    private static string Refusal(byte[] file)
    {
        string message = Assert.Throws<ImageFormatException>(() => Decode(file)).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2)]
    [InlineData(5, 1)]
    [InlineData(127, 65)]
    public void Png_comes_back_as_it_was(int width, int height)
    {
        RgbImage image = TestFiles.Noise(width, height);
        Assert.Equal(image.Pixels.ToArray(), Decode(Codec.EncodePng(image)).Pixels.ToArray());
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(17, 33)]
    [InlineData(160, 100)]
    public void Jpeg_comes_back_nearly_as_it_was(int width, int height)
    {
        RgbImage image = TestFiles.Smooth(width, height);
        Assert.InRange(TestFiles.Deviation(image, Decode(Codec.EncodeJpeg(image, 98))), 0, 12);
        Assert.True(Codec.EncodeJpeg(image, 20).Length <= Codec.EncodeJpeg(image, 95).Length);
    }

    [Fact]
    public void Quality_and_size_have_limits()
    {
        Check(Codec.EncodeJpeg, 65_536);
        Check(Codec.EncodeWebp, 16_384);

        static void Check(Func<RgbImage, int, byte[]> encode, int tooWide)
        {
            RgbImage image = TestFiles.Smooth(8, 8);
            Assert.Throws<ArgumentOutOfRangeException>(() => encode(image, 0));
            Assert.Throws<ArgumentOutOfRangeException>(() => encode(image, 101));
            Assert.Throws<ImageFormatException>(() => encode(TestFiles.Noise(tooWide, 1), 90));
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(17, 33)]
    [InlineData(160, 100)]
    public void Webp_comes_back_nearly_as_it_was(int width, int height)
    {
        RgbImage image = TestFiles.Smooth(width, height);
        byte[] file = Codec.EncodeWebp(image, 95);
        Assert.Equal(ImageFileFormat.WebP, ImageHeader.FormatOf(file));
        Assert.InRange(TestFiles.Deviation(image, Decode(file)), 0, 16);
        Assert.True(Codec.EncodeWebp(image, 10).Length <= file.Length);
    }

    [Fact]
    public void Webp_of_the_best_quality_is_lossless()
    {
        RgbImage image = TestFiles.Noise(33, 21);
        Assert.Equal(image.Pixels.ToArray(), Decode(Codec.EncodeWebp(image, 100)).Pixels.ToArray());
    }

    [Fact]
    public void Alpha_is_read_where_there_is_one()
    {
        Assert.Null(Codec.DecodeAlpha(Codec.EncodePng(TestFiles.Noise(5, 4)), ImageLimits.Default));
        byte[] gif = TestFiles.Gif(2, 2, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], (0, 0, 2, 2), [0, 1, 1, 0], transparent: 1);
        AlphaChannel alpha = Assert.IsType<AlphaChannel>(Codec.DecodeAlpha(gif, ImageLimits.Default));
        Assert.Equal((2, 2), (alpha.Width, alpha.Height));
        Assert.Equal([255, 0, 0, 255], alpha.Values.ToArray());
    }

    [Fact]
    public void Alpha_is_read_from_the_same_file_as_the_colours()
    {
        // Sixteen bits a channel, of which the upper eight count; turned upright like the colours.
        byte[] png = Convert.FromBase64String(DeepPng);
        AlphaChannel deep = Assert.IsType<AlphaChannel>(Codec.DecodeAlpha(png, ImageLimits.Default));
        Assert.Equal([0x7F, 0x80], deep.Values.ToArray());

        // A wrong checksum is damage, for both.
        png[^20] ^= 1;
        Assert.Contains("checksum", Refusal(png), StringComparison.Ordinal);
        Assert.Contains(
            "checksum",
            Assert.Throws<ImageFormatException>(() => Codec.DecodeAlpha(png, ImageLimits.Default)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Alpha_of_a_gif_is_that_of_its_first_frame_as_pillow_covers_it()
    {
        byte[] palette = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120];
        byte[] part = TestFiles.Gif(3, 2, palette, (1, 1, 1, 1), [3], transparent: 1);
        Assert.Equal([0, 0, 0, 0, 255, 0], Codec.DecodeAlpha(part, ImageLimits.Default)!.Values.ToArray());

        // Without a transparent colour what is not covered has the palette's first.
        Assert.Null(Codec.DecodeAlpha(TestFiles.Gif(3, 2, palette, (1, 1, 1, 1), [3], transparent: -1), ImageLimits.Default));

        byte[] tooLarge = TestFiles.Gif(2, 2, palette, (0, 0, 3, 2), [0, 1, 2, 3, 2, 1], transparent: 1);
        Assert.Contains("larger", Refusal(tooLarge), StringComparison.Ordinal);
        Assert.Throws<ImageFormatException>(() => Codec.DecodeAlpha(tooLarge, ImageLimits.Default));
    }

    [Fact]
    public void Decoding_of_every_format_ends_when_it_is_cancelled()
    {
        CancellationToken cancelled = new(canceled: true);
        RgbImage image = TestFiles.Noise(9, 7);
        byte[] gif = TestFiles.Gif(2, 2, new byte[12], (0, 0, 2, 2), [0, 1, 1, 0], transparent: 1);
        foreach (
            byte[] file in (byte[][])
                [Codec.EncodePng(image), Codec.EncodeJpeg(image, 90), Codec.EncodeWebp(image, 90), gif, TestFiles.Bmp(image)])
        {
            Assert.Throws<OperationCanceledException>(() => Codec.Decode(file, ImageLimits.Default, cancelled));
            Assert.Throws<OperationCanceledException>(() => Codec.DecodeAlpha(file, ImageLimits.Default, cancelled));
        }
    }

    [Fact]
    public void Fourth_bytes_come_and_go()
    {
        for (int pixels = 0; pixels < 70; pixels++)
        {
            byte[] rgb = new byte[3 * pixels], rgba = new byte[4 * pixels], back = new byte[3 * pixels];
            new Random(pixels).NextBytes(rgb);
            SkiaImageCodec.ToRgbx(rgb, rgba);
            SkiaImageCodec.ToRgb(rgba, back);
            Assert.Equal(rgb, back);
            Assert.All(rgba.Chunk(4), pixel => Assert.Equal(255, pixel[3]));
        }
    }

    [Fact]
    public void Bmp_is_read()
    {
        RgbImage image = TestFiles.Noise(13, 6);
        Assert.Equal(image.Pixels.ToArray(), Decode(TestFiles.Bmp(image)).Pixels.ToArray());
    }

    [Fact]
    public void Gif_shows_the_palette_colour_where_it_is_transparent_or_uncovered()
    {
        byte[] palette = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120];
        byte[] whole = TestFiles.Gif(3, 2, palette, (0, 0, 3, 2), [0, 1, 2, 3, 2, 1], transparent: 2);
        Assert.Equal([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 70, 80, 90, 40, 50, 60], Decode(whole).Pixels.ToArray());

        byte[] part = TestFiles.Gif(3, 2, palette, (1, 1, 1, 1), [3], transparent: 1);
        Assert.Equal([40, 50, 60, 40, 50, 60, 40, 50, 60, 40, 50, 60, 100, 110, 120, 40, 50, 60], Decode(part).Pixels.ToArray());
        byte[] opaque = TestFiles.Gif(3, 2, palette, (1, 1, 1, 1), [3], transparent: -1);
        Assert.Equal([10, 20, 30, 10, 20, 30, 10, 20, 30, 10, 20, 30, 100, 110, 120, 10, 20, 30], Decode(opaque).Pixels.ToArray());
    }

    [Fact]
    public void Cmyk_is_multiplied_with_black_as_adobe_stores_it()
    {
        byte[] pixels = Decode(TestFiles.CmykJpeg(200, 100, 50, 128)).Pixels.ToArray();
        Assert.Equal(3 * 64, pixels.Length);
        Assert.All(pixels.Chunk(3), pixel =>
        {
            Assert.InRange(pixel[0], 99, 101);
            Assert.InRange(pixel[1], 49, 51);
            Assert.InRange(pixel[2], 24, 26);
        });
    }

    [Theory]
    [InlineData("progressive.jpg", 37, 29)]
    [InlineData("restarts.jpg", 37, 29)]
    [InlineData("progressive-restarts.jpg", 64, 48)]
    public void Kinds_of_jpeg_are_read_and_each_truncation_is_an_error(string name, int width, int height)
    {
        byte[] file = File.ReadAllBytes(TestFiles.PathOf(name));
        RgbImage image = Decode(file);
        Assert.Equal((width, height), (image.Width, image.Height));
        for (int length = 0; length < file.Length; length++)
        {
            Refusal(file[..length]);
        }
    }

    [Fact]
    public void Truncated_files_of_every_format_are_errors()
    {
        byte[][] files =
        [
            File.ReadAllBytes(Golden.PathOf("golden", "orientation", "lossless.webp")),
            File.ReadAllBytes(Golden.PathOf("golden", "orientation", "lossy.webp")),
            Codec.EncodeJpeg(TestFiles.Smooth(40, 40), 90),
            TestFiles.Bmp(TestFiles.Noise(9, 9)),
            TestFiles.Gif(6, 5, new byte[12], (0, 0, 6, 5), new byte[30], -1)[..^1],
        ];
        foreach (byte[] file in files)
        {
            Decode(file);
            for (int length = 0; length < file.Length; length++)
            {
                Refusal(file[..length]);
            }
        }
    }

    [Fact]
    public void Flipped_bits_are_an_error_or_a_picture_and_nothing_else()
    {
        Random random = new(4);
        byte[][] files =
        [
            Codec.EncodeJpeg(TestFiles.Noise(48, 40), 90),
            File.ReadAllBytes(TestFiles.PathOf("progressive-restarts.jpg")),
            File.ReadAllBytes(Golden.PathOf("golden", "orientation", "lossless.webp")),
            File.ReadAllBytes(Golden.PathOf("golden", "orientation", "lossy.webp")),
            TestFiles.Gif(6, 5, new byte[12], (0, 0, 6, 5), new byte[30], 1),
            TestFiles.Bmp(TestFiles.Noise(9, 9)),
        ];
        foreach (byte[] file in files)
        {
            for (int i = 0; i < 400; i++)
            {
                byte[] damaged = [.. file];
                for (int flips = random.Next(1, 4); flips > 0; flips--)
                {
                    damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
                }

                try
                {
                    Codec.Decode(damaged, new ImageLimits(MaxPixels: 1_000_000));
                }
                catch (ImageFormatException error)
                {
                    Assert.DoesNotContain('\n', error.Message);
                }
            }
        }
    }

    [Fact]
    public void Flipped_bits_that_break_the_stream_of_a_jpeg_are_found()
    {
        byte[] file = Codec.EncodeJpeg(TestFiles.Noise(128, 96), 85);
        int found = 0, tried = 0;
        for (int at = file.Length / 4; at < file.Length - 64; at += 13, tried++)
        {
            byte[] damaged = [.. file];
            damaged[at] ^= 0x10;
            try
            {
                Decode(damaged);
            }
            catch (ImageFormatException)
            {
                found++;
            }
        }

        // A flip inside a coefficient's bits is another valid picture; one in a code derails the blocks, and their number no longer fits.
        Assert.InRange(found, tried / 5, tried);
    }

    [Fact]
    public void Huge_dimensions_are_refused_before_memory_is_taken()
    {
        byte[] png = Codec.EncodePng(TestFiles.Noise(8, 8));
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(16), 30_000);
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(20), 30_000);
        byte[] jpeg = Codec.EncodeJpeg(TestFiles.Smooth(8, 8), 90);
        int frame = jpeg.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xC0]);
        jpeg.AsSpan(frame + 5, 4).Fill(0xFF);
        byte[] webp = File.ReadAllBytes(Golden.PathOf("golden", "orientation", "lossy.webp"));
        webp.AsSpan(26, 4).Fill(0x3F);
        byte[] gif = TestFiles.Gif(65_535, 65_535, new byte[12], (0, 0, 1, 1), [0], -1);
        foreach (byte[] file in (byte[][])[png, jpeg, webp, gif])
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.Contains("pixels", Refusal(file), StringComparison.Ordinal);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
        }
    }

    [Fact]
    public void Other_files_are_refused_with_what_they_look_like()
    {
        Assert.Contains("HTML", Refusal(Encoding.UTF8.GetBytes("<!doctype html><html><body>404</body></html>")), StringComparison.Ordinal);
        Assert.Contains("SVG", Refusal(Encoding.UTF8.GetBytes("<svg xmlns=\"http://www.w3.org/2000/svg\"/>")), StringComparison.Ordinal);
        Assert.Contains("TIFF", Refusal([.. "II*\0"u8, 8, 0, 0, 0, 0, 0, 0, 0]), StringComparison.Ordinal);
        Assert.Contains("text", Refusal(Encoding.UTF8.GetBytes("a prompt, not a picture")), StringComparison.Ordinal);
        Assert.Contains("empty", Refusal([]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_header_is_an_error()
    {
        byte[] jpeg = Codec.EncodeJpeg(TestFiles.Smooth(16, 16), 90);
        int tables = jpeg.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xC4]);
        byte[] without = [.. jpeg[..tables], .. jpeg[(tables + 2 + BinaryPrimitives.ReadUInt16BigEndian(jpeg.AsSpan(tables + 2)))..]];
        Assert.Contains("JPEG", Refusal(without), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_codec_serves_many_threads()
    {
        RgbImage image = TestFiles.Smooth(64, 64);
        byte[] png = Codec.EncodePng(image), jpeg = Codec.EncodeJpeg(image, 90);
        byte[] expected = Decode(jpeg).Pixels.ToArray();
        await Parallel.ForEachAsync(Enumerable.Range(0, 200), TestContext.Current.CancellationToken, (_, _) =>
        {
            Assert.Equal(image.Pixels.ToArray(), Decode(png).Pixels.ToArray());
            Assert.Equal(expected, Decode(jpeg).Pixels.ToArray());
            Assert.Equal(jpeg, Codec.EncodeJpeg(image, 90));
            return ValueTask.CompletedTask;
        });
    }
}

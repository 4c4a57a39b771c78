using System.Runtime.Intrinsics.X86;
using CsCheck;

namespace DiffusionClip.Imaging.Resampling;

public sealed class ResamplerTests
{
    private static readonly Gen<int> Side = Gen.OneOf(Gen.Int[1, 9], Gen.Int[1, 70], Gen.Int[1, 300]);

    private static readonly Gen<(int Width, int Height, int NewWidth, int NewHeight, ResamplingFilter Filter, int Seed)> Case =
        Gen.Select(Side, Side, Side, Side, Gen.Enum<ResamplingFilter>(), Gen.Int[0, 1 << 20]);

    [Fact]
    public void Every_instruction_set_gives_the_same_bits() => Case.Sample(
        resize =>
        {
            RgbImage image = Pictures.Noise(resize.Width, resize.Height, resize.Seed);
            byte[] scalar = Run(image, resize.NewWidth, resize.NewHeight, resize.Filter, ResamplerInstructions.Scalar);
            Assert.Equal(scalar, Run(image, resize.NewWidth, resize.NewHeight, resize.Filter, ResamplerInstructions.Vector128));
            if (Avx2.IsSupported)
            {
                Assert.Equal(scalar, Run(image, resize.NewWidth, resize.NewHeight, resize.Filter, ResamplerInstructions.Avx2));
            }
        },
        iter: 600);

    [Fact]
    public void A_region_is_what_is_cut_from_the_whole() =>
        Gen.Select(Case, Gen.Double[0, 1], Gen.Double[0, 1], Gen.Double[0, 1], Gen.Double[0, 1])
            .Sample(
                drawn =>
                {
                    var (resize, a, b, c, d) = drawn;
                    int left = (int)(a * (resize.NewWidth - 1)),
                        top = (int)(b * (resize.NewHeight - 1));
                    int width = 1 + (int)(c * (resize.NewWidth - left - 1)),
                        height = 1 + (int)(d * (resize.NewHeight - top - 1));
                    RgbImage image = Pictures.Noise(resize.Width, resize.Height, resize.Seed);
                    RgbImage whole = Resampler.Resize(image, resize.NewWidth, resize.NewHeight, resize.Filter);
                    byte[] part = new byte[3 * width * height];
                    Resampler.Resize(
                        image,
                        resize.NewWidth,
                        resize.NewHeight,
                        resize.Filter,
                        new PixelRegion(left, top, width, height),
                        part);
                    Assert.Equal(Pictures.Cut(whole, left, top, width, height).Pixels.ToArray(), part);
                },
                iter: 400);

    [Fact]
    public void The_same_size_is_the_same_picture() => Gen.Select(Side, Side, Gen.Enum<ResamplingFilter>()).Sample(
        (width, height, filter) =>
        {
            RgbImage image = Pictures.Noise(width, height);
            Assert.Same(image, Resampler.Resize(image, width, height, filter));
            Assert.Equal(image.Pixels.ToArray(), Run(image, width, height, filter, ResamplerInstructions.Best));
        },
        iter: 50);

    [Fact]
    public void A_flat_picture_stays_flat() => Case.Sample(
        resize =>
        {
            RgbImage image = Pictures.Flat(resize.Width, resize.Height, 255, 0, 131);
            RgbImage resized = Resampler.Resize(image, resize.NewWidth, resize.NewHeight, resize.Filter);
            Assert.Equal(Pictures.Flat(resize.NewWidth, resize.NewHeight, 255, 0, 131).Pixels.ToArray(), resized.Pixels.ToArray());
        },
        iter: 200);

    [Fact]
    public void Box_by_half_is_the_mean_of_two_by_two()
    {
        RgbImage image = Pictures.Noise(16, 10);
        RgbImage half = Resampler.Resize(image, 8, 5, ResamplingFilter.Box);
        ReadOnlySpan<byte> source = image.Pixels.Span;
        for (int i = 0; i < half.Pixels.Length; i++)
        {
            int x = i / 3 % 8, y = i / 24, at = (3 * ((32 * y) + (2 * x))) + (i % 3);

            // Rounded after each pass: first the two of a row, then the two rows.
            int upper = (source[at] + source[at + 3] + 1) / 2, lower = (source[at + 48] + source[at + 51] + 1) / 2;
            Assert.Equal((upper + lower + 1) / 2, half.Pixels.Span[i]);
        }
    }

    [Fact]
    public void A_region_outside_the_result_is_refused()
    {
        RgbImage image = Pictures.Noise(8, 8);
        Assert.Throws<ArgumentException>(() =>
            Resampler.Resize(image, 4, 4, ResamplingFilter.Bicubic, new PixelRegion(1, 0, 4, 4), new byte[48]));
        Assert.Throws<ArgumentException>(() =>
            Resampler.Resize(image, 4, 4, ResamplingFilter.Bicubic, new PixelRegion(0, 0, 4, 4), new byte[47]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Resampler.Resize(image, 0, 4, ResamplingFilter.Bicubic));
        Assert.Throws<ArgumentOutOfRangeException>(() => Resampler.Resize(image, 4, 4, (ResamplingFilter)9));
    }

    private static byte[] Run(RgbImage image, int width, int height, ResamplingFilter filter, ResamplerInstructions instructions)
    {
        byte[] pixels = new byte[3 * width * height];
        Resampler.Resize(image, width, height, filter, new PixelRegion(0, 0, width, height), pixels, instructions);
        return pixels;
    }
}

namespace DiffusionClip.Imaging;

public sealed class PixelConversionTests
{
    private static byte Reference(float value)
    {
        float half = value / 2 + 0.5f;
        float clipped = float.IsNaN(half) ? 0 : Math.Clamp(half, 0f, 1f);
        return (byte)MathF.Round(clipped * 255f, MidpointRounding.ToEven);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 1)]
    [InlineData(5, 7)]
    [InlineData(64, 64)]
    public void Values_become_levels_as_diffusers_rounds_them(int width, int height)
    {
        Random random = new(3);
        float[] special =
        [
            -1,
            1,
            0,
            -0f,
            2,
            -2,
            float.NaN,
            float.PositiveInfinity,
            float.NegativeInfinity,
            1f / 255,
            3f / 255,
            -1f / 255,
            0.9999999f,
        ];
        float[] sample =
        [
            .. Enumerable
                .Range(0, 3 * width * height)
                .Select(i => i % 5 == 0 ? special[i / 5 % special.Length] : (float)((random.NextDouble() * 2.6) - 1.3)),
        ];
        RgbImage image = PixelConversion.ToImage(sample, width, height);
        for (int i = 0; i < width * height; i++)
        {
            for (int channel = 0; channel < 3; channel++)
            {
                Assert.Equal(Reference(sample[(channel * width * height) + i]), image.Pixels.Span[(3 * i) + channel]);
            }
        }
    }

    [Fact]
    public void Every_level_survives_the_way_there_and_back()
    {
        float[] sample = [.. Enumerable.Range(0, 768).Select(i => (i % 256 / 255f * 2) - 1)];
        RgbImage image = PixelConversion.ToImage(sample, 16, 16);
        Assert.Equal(Enumerable.Range(0, 256).SelectMany(i => new[] { (byte)i, (byte)i, (byte)i }), image.Pixels.ToArray());
    }

    [Fact]
    public void What_is_no_picture_is_told()
    {
        float[] sample = new float[3 * 8 * 8];
        Assert.Equal(DecodedPixels.Fine, PixelConversion.Inspect(sample));
        sample[100] = float.NaN;
        Assert.Equal(DecodedPixels.NotFinite, PixelConversion.Inspect(sample));
        sample[100] = float.NegativeInfinity;
        Assert.Equal(DecodedPixels.NotFinite, PixelConversion.Inspect(sample));
        Array.Fill(sample, -1.2f);
        Assert.Equal(DecodedPixels.Black, PixelConversion.Inspect(sample));
        sample[^1] = -0.9f;
        Assert.Equal(DecodedPixels.Fine, PixelConversion.Inspect(sample));
    }

    [Fact]
    public void A_length_that_does_not_fit_is_refused() =>
        Assert.Throws<ArgumentException>(() => PixelConversion.ToImage(new float[5], 2, 1));
}

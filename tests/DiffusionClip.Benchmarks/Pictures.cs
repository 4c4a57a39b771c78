namespace DiffusionClip.Benchmarks;

/// <summary>Pictures that compress about as photographs do: waves of several lengths and a little grain.</summary>
internal static class Pictures
{
    public static RgbImage Make(int width, int height, int seed)
    {
        byte[] pixels = new byte[3 * width * height];
        uint grain = (uint)seed;
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                for (int channel = 0; channel < 3; channel++)
                {
                    grain = (grain * 1_664_525) + 1_013_904_223;
                    double value = 128
                        + (60 * Math.Sin((x + (40 * channel)) * 7.0 / width) * Math.Cos(y * (5.0 + seed) / height))
                        + (30 * Math.Sin((x + y) * 0.11 * (channel + 1)))
                        + (grain >> 30);
                    pixels[(3 * ((y * width) + x)) + channel] = (byte)Math.Clamp(value, 0, 255);
                }
            }
        }

        return new RgbImage(width, height, pixels);
    }
}

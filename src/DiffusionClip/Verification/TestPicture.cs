namespace DiffusionClip.Verification;

/// <summary>Pictures made up for tests of models.</summary>
internal static class TestPicture
{
    /// <summary>64x64 of one colour.</summary>
    public static RgbImage Plain(byte red, byte green, byte blue)
    {
        const int side = 64;
        byte[] pixels = new byte[3 * side * side];
        for (int i = 0; i < pixels.Length; i += 3)
        {
            (pixels[i], pixels[i + 1], pixels[i + 2]) = (red, green, blue);
        }

        return new RgbImage(side, side, pixels);
    }
}

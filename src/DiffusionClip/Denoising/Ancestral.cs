namespace DiffusionClip.Denoising;

/// <summary>An ancestral step: down deterministically, up by noise.</summary>
internal static class Ancestral
{
    /// <summary>
    /// sigma_up² = to²·(from² - to²)/from² and sigma_down² = to² - sigma_up² (Song et al. 2020, equation 16 at eta = 1, in sigmas).
    /// </summary>
    public static (float Down, float Up) Split(float from, float to)
    {
        if (to < from / 2048)
        {
            // Nothing of the difference below would be left in float32.
            return (to * to / from, to);
        }

        float up = MathF.Sqrt(to * to * ((from * from) - (to * to)) / (from * from));
        return (MathF.Sqrt((to * to) - (up * up)), up);
    }
}

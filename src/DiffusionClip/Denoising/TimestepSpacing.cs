namespace DiffusionClip.Denoising;

/// <summary>How the steps of a run are spread over the training steps (Lin et al. 2023, table 2).</summary>
internal enum TimestepSpacing
{
    /// <summary>Evenly, first and last training step included.</summary>
    Linspace,

    /// <summary>Multiples of a whole ratio, counted from 0.</summary>
    Leading,

    /// <summary>Multiples of a ratio, counted back from the last training step.</summary>
    Trailing,
}

/// <summary>The timesteps of a run, descending.</summary>
internal static class SpacedTimesteps
{
    /// <summary>Integer timesteps as DDIM and its kin have them.</summary>
    public static double[] Whole(TimestepSpacing spacing, int train, int steps, int offset) => spacing switch
    {
        TimestepSpacing.Linspace => Rounded(Descending(TorchRounding.Linspace(0.0, train - 1, steps))),
        TimestepSpacing.Leading => Leading(train / steps, steps, offset),
        _ => Trailing(train, train, steps),
    };

    /// <summary>Timesteps between training steps as the k-diffusion schedulers have them; rounded to float32.</summary>
    public static double[] Continuous(TimestepSpacing spacing, int train, int steps, int offset) => spacing switch
    {
        TimestepSpacing.Linspace => Array.ConvertAll(Descending(TorchRounding.Linspace(0.0, train - 1, steps)), t => (double)(float)t),
        _ => Whole(spacing, train, steps, offset),
    };

    /// <summary>Integer timesteps as the DPM solvers have them: one more than needed is laid out and the cleanest left out.</summary>
    /// <param name="spacing">The spacing.</param>
    /// <param name="train">Training steps.</param>
    /// <param name="last">Training steps that are left after clipping lambda.</param>
    /// <param name="steps">Steps.</param>
    /// <param name="offset">Added to leading timesteps.</param>
    public static double[] WithoutLast(TimestepSpacing spacing, int train, int last, int steps, int offset) => spacing switch
    {
        TimestepSpacing.Linspace => Rounded(Descending(TorchRounding.Linspace(0.0, last - 1, steps + 1))[..^1]),
        TimestepSpacing.Leading => Leading(last / (steps + 1), steps + 1, offset)[..^1],
        _ => Trailing(last, train, steps),
    };

    private static double[] Leading(int ratio, int steps, int offset) =>
        Descending([.. Enumerable.Range(0, steps).Select(i => ((double)i * ratio) + offset)]);

    // numpy.arange(last, 0, -ratio): the increment is the difference of the first two values, which the ratio's rounding touches.
    // For a few step counts (61, 103 …) the reference gets one timestep too many, -1; it is left out here.
    private static double[] Trailing(int last, int train, int steps)
    {
        double ratio = train / (double)steps;
        double increment = last - ratio - last;
        int count = Math.Min(steps, (int)Math.Ceiling(last / ratio));
        return [.. Enumerable.Range(0, count).Select(i => Math.Round(last + (i * increment)) - 1)];
    }

    private static double[] Descending(double[] values)
    {
        Array.Reverse(values);
        return values;
    }

    private static double[] Rounded(double[] values) => Array.ConvertAll(values, Math.Round);
}

namespace DiffusionClip.Denoising;

/// <summary>The few array functions of torch and numpy that schedules are made of, with their rounding.</summary>
internal static class TorchRounding
{
    /// <summary><c>torch.linspace</c> in float32, which counts from both ends.</summary>
    public static float[] Linspace(float start, float end, int count)
    {
        var values = new float[count];
        if (count == 1)
        {
            values[0] = start;
            return values;
        }

        float step = (end - start) / (count - 1);
        for (int i = 0; i < count; i++)
        {
            values[i] = i < count / 2 ? start + (step * i) : end - (step * (count - i - 1));
        }

        return values;
    }

    /// <summary><c>numpy.linspace</c> in float64, both ends included unless said otherwise.</summary>
    public static double[] Linspace(double start, double end, int count, bool endpoint = true)
    {
        var values = new double[count];
        int intervals = endpoint ? count - 1 : count;
        double step = intervals > 0 ? (end - start) / intervals : 0;
        for (int i = 0; i < count; i++)
        {
            values[i] = (i * step) + start;
        }

        if (endpoint && count > 1)
        {
            values[^1] = end;
        }

        return values;
    }

    /// <summary>
    /// The natural logarithm to the nearest float32: the C library's own is a little off, and differences of logarithms show it.
    /// </summary>
    public static float Log(float x) => (float)Math.Log(x);

    /// <summary>The exponential to the nearest float32.</summary>
    public static float Exp(float x) => (float)Math.Exp(x);

    /// <summary><c>numpy.interp</c> over the indices of <paramref name="table"/>, constant beyond its ends.</summary>
    public static double Interpolate(double position, ReadOnlySpan<float> table)
    {
        if (!(position > 0))
        {
            return table[0];
        }

        if (position >= table.Length - 1)
        {
            return table[^1];
        }

        int below = (int)position;
        double slope = (double)table[below + 1] - table[below];
        return (slope * (position - below)) + table[below];
    }
}

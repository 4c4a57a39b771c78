using System.Collections.Concurrent;

namespace DiffusionClip.Imaging.Resampling;

/// <summary>
/// The weights of one axis as Pillow computes them (Resample.c: <c>precompute_coeffs</c>, <c>normalize_coeffs_8bpc</c>):
/// double precision, normalised to sum 1, rounded half away from zero to 22 fractional bits.
/// </summary>
internal sealed class ResamplingWeights
{
    /// <summary>Pillow's PRECISION_BITS: 32 bits less 8 of the pixel less 2 for overshoot.</summary>
    public const int FractionBits = 32 - 8 - 2;

    /// <summary>A weight is split as high · 2^15 + low, so that both halves fit 16-bit multiplications.</summary>
    public const int LowBits = 15;

    private const int CachedTables = 64;
    private const int LargestCachedTable = 1 << 18;

    private static readonly ConcurrentDictionary<Key, ResamplingWeights> Cache = new();

    private ResamplingWeights(int count, int taps, int[] first, int[] lengths, int[] values)
    {
        Count = count;
        Taps = taps;
        First = first;
        Lengths = lengths;
        Values = values;
        Pairs = Pair(values);
    }

    private readonly record struct Key(int Source, int Target, ResamplingFilter Filter, int Start, int Count);

    /// <summary>Output positions.</summary>
    public int Count { get; }

    /// <summary>Weights stored per output position: the longest window, rounded up to a multiple of four, padded with zeros.</summary>
    public int Taps { get; }

    /// <summary>
    /// [Count] first source position of each window. Windows are moved inwards so that all Taps lie inside the source where it is long
    /// enough.
    /// </summary>
    public int[] First { get; }

    /// <summary>[Count] how many of the Taps can be other than zero.</summary>
    public int[] Lengths { get; }

    /// <summary>[Count, Taps] weights with 22 fractional bits.</summary>
    public int[] Values { get; }

    /// <summary>
    /// [Count, Taps / 4, 4] the weights for 16-bit multiply-add: low halves of taps 0 and 1, of taps 2 and 3, high halves of
    /// taps 0 and 1, of taps 2 and 3.
    /// </summary>
    public int[] Pairs { get; }

    /// <summary>First source position that any window needs.</summary>
    public int FirstSource { get; private init; }

    /// <summary>One past the last source position that any window needs.</summary>
    public int EndSource { get; private init; }

    /// <summary>
    /// Weights for output positions <paramref name="start"/> to start + count of a whole axis resized from source to target.
    /// </summary>
    public static ResamplingWeights For(int source, int target, ResamplingFilter filter, int start, int count)
    {
        Key key = new(source, target, filter, start, count);
        if (Cache.TryGetValue(key, out ResamplingWeights? cached))
        {
            return cached;
        }

        ResamplingWeights weights = Compute(key);
        if (weights.Values.Length <= LargestCachedTable)
        {
            if (Cache.Count >= CachedTables)
            {
                // Sizes either repeat or do not; starting over is simpler than tracking the least recently used.
                Cache.Clear();
            }

            Cache[key] = weights;
        }

        return weights;
    }

    private static ResamplingWeights Compute(Key key)
    {
        (double filterSupport, Func<double, double> filter) = Kernel(key.Filter);
        double scale = (double)key.Source / key.Target;
        double filterScale = Math.Max(scale, 1.0);
        double support = filterSupport * filterScale;
        double inverse = 1.0 / filterScale;
        int widest = ((int)Math.Ceiling(support) * 2) + 1;

        int[] first = new int[key.Count];
        int[] lengths = new int[key.Count];
        double[] window = new double[widest];
        List<int> values = new(key.Count * Math.Min(widest, 64));
        for (int i = 0; i < key.Count; i++)
        {
            double center = (key.Start + i + 0.5) * scale;
            int from = Math.Max((int)(center - support + 0.5), 0);
            int length = Math.Min((int)(center + support + 0.5), key.Source) - from;
            double sum = 0;
            for (int x = 0; x < length; x++)
            {
                double weight = filter((x + from - center + 0.5) * inverse);
                window[x] = weight;
                sum += weight;
            }

            for (int x = 0; x < length; x++)
            {
                double weight = sum != 0 ? window[x] / sum : window[x];
                values.Add((int)(weight < 0 ? -0.5 + (weight * (1 << FractionBits)) : 0.5 + (weight * (1 << FractionBits))));
            }

            first[i] = from;
            lengths[i] = length;
        }

        return Pad(key, first, lengths, values);
    }

    private static ResamplingWeights Pad(Key key, int[] first, int[] lengths, List<int> values)
    {
        int taps = (lengths.Max() + 3) & ~3;
        int firstSource = first.Min();
        int endSource = 0;
        int[] padded = new int[key.Count * taps];
        int next = 0;
        for (int i = 0; i < key.Count; i++)
        {
            endSource = Math.Max(endSource, first[i] + lengths[i]);
            int shift = Math.Clamp(first[i] + taps - key.Source, 0, first[i]);
            for (int x = 0; x < lengths[i] && shift + x < taps; x++)
            {
                padded[(i * taps) + shift + x] = values[next + x];
            }

            next += lengths[i];
            first[i] -= shift;
            lengths[i] += shift;
        }

        return new ResamplingWeights(key.Count, taps, first, lengths, padded) { FirstSource = firstSource, EndSource = endSource };
    }

    private static int[] Pair(int[] values)
    {
        const int Mask = (1 << LowBits) - 1;
        int[] pairs = new int[values.Length];
        for (int i = 0; i < values.Length; i += 4)
        {
            for (int half = 0; half < 2; half++)
            {
                int even = values[i + (2 * half)], odd = values[i + (2 * half) + 1];
                pairs[i + half] = (even & Mask) | ((odd & Mask) << 16);
                pairs[i + 2 + half] = ((even >> LowBits) & 0xFFFF) | ((odd >> LowBits) << 16);
            }
        }

        return pairs;
    }

    private static (double Support, Func<double, double> Weight) Kernel(ResamplingFilter filter) => filter switch
    {
        ResamplingFilter.Box => (0.5, x => x is > -0.5 and <= 0.5 ? 1.0 : 0.0),
        ResamplingFilter.Bilinear => (1.0, x => Math.Max(1.0 - Math.Abs(x), 0.0)),
        ResamplingFilter.Hamming => (1.0, Hamming),
        ResamplingFilter.Bicubic => (2.0, Cubic),
        ResamplingFilter.Lanczos => (3.0, x => x is >= -3.0 and < 3.0 ? Sinc(x) * Sinc(x / 3.0) : 0.0),
        _ => throw new ArgumentOutOfRangeException(nameof(filter), filter, "Not a filter with weights."),
    };

    private static double Hamming(double x)
    {
        x = Math.Abs(x);
        if (x == 0.0)
        {
            return 1.0;
        }

        if (x >= 1.0)
        {
            return 0.0;
        }

        x *= Math.PI;
        // The constants are single precision in Pillow.
        return Math.Sin(x) / x * (0.54f + ((double)0.46f * Math.Cos(x)));
    }

    private static double Cubic(double x)
    {
        const double A = -0.5;
        x = Math.Abs(x);
        return x < 1.0 ? ((((A + 2.0) * x) - (A + 3.0)) * x * x) + 1.0
            : x < 2.0 ? ((((x - 5.0) * x) + 8.0) * x - 4.0) * A
            : 0.0;
    }

    private static double Sinc(double x)
    {
        if (x == 0.0)
        {
            return 1.0;
        }

        x *= Math.PI;
        return Math.Sin(x) / x;
    }
}

using System.Diagnostics;

namespace DiffusionClip.Benchmarks;

/// <summary>Interleaved timings: A B A B …, so that a machine that drifts drifts under both; medians are compared.</summary>
internal static class Measure
{
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Seconds of each of two actions, in turn.</summary>
    public static async Task<(double[] First, double[] Second)> InterleavedAsync(int rounds, Func<Task> first, Func<Task> second)
    {
        await first();
        await second();
        double[] a = new double[rounds], b = new double[rounds];
        for (int i = 0; i < rounds; i++)
        {
            a[i] = await SecondsAsync(first);
            b[i] = await SecondsAsync(second);
        }

        return (a, b);
    }

    public static async Task<double> SecondsAsync(Func<Task> action)
    {
        long start = Stopwatch.GetTimestamp();
        await action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Nanoseconds per call of a short action: best of many rounds, each long enough for the clock.</summary>
    public static double Nanoseconds(Action action)
    {
        int calls = 1;
        while (Time(action, calls) < 2_000_000)
        {
            calls *= 2;
        }

        return Median(Enumerable.Range(0, 25).Select(_ => Time(action, calls) / calls));

        static double Time(Action action, int calls)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < calls; i++)
            {
                action();
            }

            return Stopwatch.GetElapsedTime(start).TotalNanoseconds;
        }
    }
}

using System.Diagnostics;
using System.Runtime.Intrinsics;

namespace DiffusionClip.Benchmarks;

/// <summary>What an action took.</summary>
/// <param name="Seconds">By the wall clock.</param>
/// <param name="CpuSeconds">Of all cores together; other programs disturb it less.</param>
internal readonly record struct Cost(double Seconds, double CpuSeconds);

/// <summary>Two actions measured in turn; what counts is the ratio within each pair.</summary>
internal sealed record Pairs(Cost[] First, Cost[] Second)
{
    public double[] Ratios { get; } = [.. First.Zip(Second, (a, b) => a.Seconds / b.Seconds)];

    public double Ratio => Measure.Median(Ratios);

    public double CpuRatio => Measure.Median(First.Zip(Second, (a, b) => a.CpuSeconds / b.CpuSeconds));

    public double FirstSeconds => Measure.Median(First.Select(cost => cost.Seconds));

    public double SecondSeconds => Measure.Median(Second.Select(cost => cost.Seconds));
}

/// <summary>Timings. Pairs are interleaved (A B A B …), so that a machine that drifts drifts under both.</summary>
internal static class Measure
{
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Costs of two actions, in turn; both are warm already.</summary>
    public static async Task<Pairs> InterleavedAsync(int pairs, Func<Task> first, Func<Task> second)
    {
        Cost[] a = new Cost[pairs], b = new Cost[pairs];
        for (int i = 0; i < pairs; i++)
        {
            a[i] = await CostAsync(first);
            b[i] = await CostAsync(second);
        }

        return new Pairs(a, b);
    }

    public static async Task<Cost> CostAsync(Func<Task> action)
    {
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        await action();
        return new Cost(Stopwatch.GetElapsedTime(start).TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds);
    }

    public static double Seconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>
    /// Nanoseconds per call of a short action: the best of 200 rounds, each long enough for the clock and short enough to escape other
    /// programs.
    /// </summary>
    public static double Nanoseconds(Action action)
    {
        // The second compilation comes after some calls and some time.
        int calls = 1;
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalMilliseconds < 200;)
        {
            action();
        }

        while (Time(action, calls) < 100_000)
        {
            calls *= 2;
        }

        return Enumerable.Range(0, 200).Min(_ => Time(action, calls) / calls);

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

    /// <summary>
    /// Fused multiply-adds a second on all cores, in GFLOP/s: shown before and after each benchmark. Where the two differ, or lie
    /// far below the machine's best, somebody else was using it.
    /// </summary>
    public static double Gflops()
    {
        const int rounds = 2_000_000, chains = 10;
        int threads = Environment.ProcessorCount;
        Chain(rounds / 10);
        double seconds = Seconds(() =>
            Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, _ => Chain(rounds)));
        return 2.0 * Vector256<float>.Count * chains * rounds * threads / seconds / 1e9;

        // Ten independent sums hide the latency of one.
        static float Chain(int rounds)
        {
            Vector256<float> x = Vector256.Create(0.999f), y = Vector256.Create(0.001f);
            Vector256<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x;
            for (int round = 0; round < rounds; round++)
            {
                a = Vector256.FusedMultiplyAdd(a, x, y);
                b = Vector256.FusedMultiplyAdd(b, x, y);
                c = Vector256.FusedMultiplyAdd(c, x, y);
                d = Vector256.FusedMultiplyAdd(d, x, y);
                e = Vector256.FusedMultiplyAdd(e, x, y);
                f = Vector256.FusedMultiplyAdd(f, x, y);
                g = Vector256.FusedMultiplyAdd(g, x, y);
                h = Vector256.FusedMultiplyAdd(h, x, y);
                i = Vector256.FusedMultiplyAdd(i, x, y);
                j = Vector256.FusedMultiplyAdd(j, x, y);
            }

            return Vector256.Sum(a + b + c + d + e + f + g + h + i + j);
        }
    }
}

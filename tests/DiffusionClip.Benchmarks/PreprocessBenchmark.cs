using DiffusionClip.Models;
using static DiffusionClip.Benchmarks.Table;

namespace DiffusionClip.Benchmarks;

/// <summary>CLIP's preprocessing (Pillow-exact bicubic, crop, normalise) on one thread against a copy that moves as many bytes.</summary>
internal static class PreprocessBenchmark
{
    public static Task<string> RunAsync(bool _)
    {
        var preprocessing = ClipPreprocessing.Default(224);
        float[] destination = new float[preprocessing.Length];
        var table = new Table("picture", "ms", "copy of as many bytes, ms", "ratio", "bytes allocated");
        foreach ((int width, int height) in new[] { (224, 224), (256, 256), (512, 512), (768, 512), (1024, 1024), (4000, 3000) })
        {
            RgbImage image = Pictures.Make(width, height, 1);
            double time = Measure.Nanoseconds(() => preprocessing.Apply(image, destination));
            long before = GC.GetAllocatedBytesForCurrentThread();
            preprocessing.Apply(image, destination);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

            // A copy of n bytes reads n and writes n.
            byte[] source = new byte[(image.Pixels.Length + (sizeof(float) * destination.Length)) / 2], target = new byte[source.Length];
            double copy = Measure.Nanoseconds(() => source.AsSpan().CopyTo(target));
            table.Add($"{width}×{height} → 224²", F(time / 1e6, 3), F(copy / 1e6, 3), F(time / copy, 1), F(allocated, 0));
        }

        return Task.FromResult($"""
            One thread; goal for 512²: ≤ 1 ms.

            {table}
            """);
    }
}

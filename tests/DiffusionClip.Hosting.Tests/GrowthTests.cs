using System.Diagnostics;

namespace DiffusionClip.Hosting;

/// <summary>What is measured of the whole process is measured while no other test runs in it.</summary>
[CollectionDefinition(nameof(GrowthTests), DisableParallelization = true)]
[Collection(nameof(GrowthTests))]
public sealed class GrowthTests(TestHost host) : IClassFixture<TestHost>
{
    [Fact]
    public async Task A_thousand_runs_do_not_grow()
    {
        ImageRequest tiny = ImageRequest.For("two cats") with
        {
            Model = new() { Id = Golden.PathOf("tiny-models", "sd1-tiny-random") },
            Sampling = new() { NumInferenceSteps = 1, Seed = 1, Width = 16, Height = 16, Scheduler = "Euler" },
            Search = new() { Candidates = 1, Scorer = "emoji-clip" },
        };
        long early = 0;
        for (int run = 0; run < 1000; run++)
        {
            await host.Pipeline.GenerateAsync(tiny);
            if (run == 299)
            {
                early = Memory();
            }
        }

        long grown = Memory() - early;
        Assert.True(grown < 24 << 20, $"{grown / 1024} KiB more after 700 further runs");

        static long Memory()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            using Process process = Process.GetCurrentProcess();
            return process.WorkingSet64;
        }
    }
}

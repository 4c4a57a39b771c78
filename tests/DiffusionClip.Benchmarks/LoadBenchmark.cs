using System.Diagnostics;
using DiffusionClip.Models;
using Microsoft.Extensions.DependencyInjection;
using static DiffusionClip.Benchmarks.Table;

namespace DiffusionClip.Benchmarks;

/// <summary>How long it takes until the embedded models can be used, hashes included.</summary>
internal static class LoadBenchmark
{
    private const int Processes = 5;

    public static async Task<string> RunAsync(bool _)
    {
        var runs = new List<Dictionary<string, double>>();
        for (int i = 0; i < Processes; i++)
        {
            runs.Add(await Child.RunAsync("load"));
        }

        string Milliseconds(string what) => F(1000 * Measure.Median(runs.Select(run => run[what])), 1);
        Table table = new Table("what", "ms")
            .Add("first lease of generator and scorer in a new process, hashes compared", Milliseconds("cold"))
            .Add("the same models leased again while loaded", Milliseconds("leased"))
            .Add("loaded anew by a second store of the process (compiled code, known hashes)", Milliseconds("again"))
            .Add("of that, hashing all files as if they were new", Milliseconds("hashing"))
            .Add("bare sessions of the same five graphs, one after the other", Milliseconds("bare"))
            .Add("first picture of the new process after the lease (1 candidate, 1 step)", Milliseconds("picture"));
        return $"""
            `emoji-sd` and `emoji-clip` from the file system's cache; medians of {Processes} processes.

            {table}
            """;
    }

    /// <summary>In a child: one process's times.</summary>
    public static async Task<Dictionary<string, double>> LoadAsync()
    {
        long start = Stopwatch.GetTimestamp();
        await using ServiceProvider services = Host.Build();
        await LeaseAsync(services);
        double cold = Stopwatch.GetElapsedTime(start).TotalSeconds;

        ImageRequest request = ImageRequest.For("a red fox") with
        {
            Sampling = new() { Seed = 1, NumInferenceSteps = 1 },
            Search = new() { Candidates = 1 },
        };
        double picture = (await Measure.CostAsync(() => services.GetRequiredService<ImagePipeline>().GenerateAsync(request))).Seconds;
        double leased = (await Measure.CostAsync(() => LeaseAsync(services))).Seconds;
        await using ServiceProvider second = Host.Build();
        double again = (await Measure.CostAsync(() => LeaseAsync(second))).Seconds;

        var catalog = services.GetRequiredService<ModelCatalog>();
        GeneratorFolder generator = catalog.ResolveGenerator("emoji-sd");
        ClipFolder scorer = catalog.ScorerOf(generator)!;
        double hashing = Measure.Seconds(() =>
        {
            // Read in full and one after the other: the store knows these files already.
            foreach (string path in new ModelFolder[] { generator, scorer }.SelectMany(folder => folder.Files.Select(folder.PathOf)))
            {
                using FileStream stream = File.OpenRead(path);
                System.Security.Cryptography.SHA256.HashData(stream);
            }
        });
        string[] graphs =
        [
            .. generator.TextEncoders.Select(part => generator.PathOf(part.Graph)),
            generator.PathOf(generator.Denoiser.Graph),
            generator.PathOf(generator.Decoder.Graph),
            scorer.PathOf(scorer.TextGraph),
            scorer.PathOf(scorer.ImageGraph),
        ];
        double bare = Measure.Seconds(() =>
        {
            foreach (string graph in graphs)
            {
                new BareGraph(graph, _ => []).Dispose();
            }
        });
        return new()
        {
            ["cold"] = cold,
            ["picture"] = picture,
            ["leased"] = leased,
            ["again"] = again,
            ["hashing"] = hashing,
            ["bare"] = bare,
        };
    }

    private static async Task LeaseAsync(IServiceProvider services)
    {
        ImageRequest request = services.GetRequiredService<ImagePipeline>().Prepare(new ImageRequest()).Request;
        using Leases models = await Leases.OpenAsync(services, request);
    }
}

using DiffusionClip.Imaging;
using DiffusionClip.Models;
using DiffusionClip.Scoring;
using Microsoft.Extensions.DependencyInjection;
using static DiffusionClip.Benchmarks.Table;

namespace DiffusionClip.Benchmarks;

/// <summary>Pictures to scores on the layers of CLIP ViT-B/32 against the bare vision tower at its best batch size.</summary>
internal static class ScoreBenchmark
{
    private const string Model = "clip-b32-shape";
    private const int Batch = 8, Count = 48, Rounds = 5;
    private static readonly int[] BareBatches = [1, 8, 16];

    public static async Task<string> RunAsync(bool _)
    {
        await using ServiceProvider services = Host.Build();
        ScorerCatalog scorers = services.GetRequiredService<ScorerCatalog>();
        using ClipScorer scorer = await scorers.LeaseClipAsync(Model, null, LongTextPolicy.Truncate, CancellationToken.None);
        var codec = services.GetRequiredService<IImageCodec>();
        ClipFolder folder = scorer.Folder;
        BareGraph[] bare =
        [
            .. BareBatches.Select(rows => new BareGraph(
                folder.PathOf(folder.ImageGraph),
                _ => [rows, 3, folder.Preprocessing.Height, folder.Preprocessing.Width])),
        ];
        string files = Directory.CreateTempSubdirectory("dclip-benchmark-").FullName;
        try
        {
            RgbImage[] images = [.. Enumerable.Range(0, Count).Select(i => Pictures.Make(512, 512, i))];
            string[] paths = [.. Enumerable.Range(0, Count).Select(i => Path.Combine(files, $"{i}.jpg"))];
            long bytes = 0;
            for (int i = 0; i < Count; i++)
            {
                byte[] jpeg = codec.EncodeJpeg(Pictures.Make(1024, 1024, i), 90);
                bytes += jpeg.Length;
                await File.WriteAllBytesAsync(paths[i], jpeg);
            }

            Func<Task>[] sides =
            [
                .. bare.Select((graph, i) => (Func<Task>)(() =>
                {
                    for (int run = 0; run < Count / BareBatches[i]; run++)
                    {
                        graph.Run();
                    }

                    return Task.CompletedTask;
                })),
                () => FromPixelsAsync(scorer, images),
                () => FromFilesAsync(scorers, codec, paths),
            ];
            Cost[][] costs = [.. sides.Select(_ => new Cost[Rounds])];
            foreach (Func<Task> side in sides)
            {
                await side();
            }

            for (int round = 0; round < Rounds; round++)
            {
                for (int side = 0; side < sides.Length; side++)
                {
                    costs[side][round] = await Measure.CostAsync(sides[side]);
                }
            }

            // The rate of the best batch size, and of the others in the same round.
            int best = Enumerable.Range(0, bare.Length).MinBy(side => Measure.Median(costs[side].Select(cost => cost.Seconds)));
            var table = new Table("what", "pictures a second", "÷ best bare", "range", "CPU ms a picture", "goal");
            string[] names =
            [
                .. BareBatches.Select(rows => $"bare vision tower, batches of {rows}"),
                $"512² RGB bytes to score, batches of {Batch} (`ClipScorer`)",
                "1024² JPEG files to score (`ScoringStream`)",
            ];
            for (int side = 0; side < sides.Length; side++)
            {
                double[] ratios = [.. costs[side].Zip(costs[best], (own, other) => other.Seconds / own.Seconds)];
                table.Add(
                    names[side],
                    F(Count / Measure.Median(costs[side].Select(cost => cost.Seconds))),
                    F(Measure.Median(ratios), 3),
                    $"{F(ratios.Min(), 3)} – {F(ratios.Max(), 3)}",
                    F(1000 * Measure.Median(costs[side].Select(cost => cost.CpuSeconds)) / Count, 1),
                    side == bare.Length ? "≥ 0.95" : "");
            }

            (double read, double decode, double prepare) = Preparation(scorer, codec, paths);
            double encoder = 1000 * Measure.Median(costs[best].Select(cost => cost.CpuSeconds)) / Count;
            double all = read + decode + prepare;
            return $"""
                `clip-b32-shape`; {Count} pictures a round, {Rounds} rounds of all rows in turn.

                {table}
                Preparing a JPEG file (1024², {bytes / Count / 1024} KiB) costs one thread {F(all, 1)} ms: reading and hashing {F(
                    read,
                    1
                )}, decoding {F(decode, 1)}, resizing and normalising {F(prepare, 1)}. The tower costs {F(
                    encoder,
                    1
                )} ms of CPU a picture, so preparation is {F(100 * all / (all + encoder), 1)} % of all CPU time (decoding alone {F(
                    100 * decode / (all + encoder),
                    1
                )} %), and where the tower keeps every core busy no overlap can bring files beyond {F(
                    encoder / (all + encoder),
                    3
                )} of its rate.
                """;
        }
        finally
        {
            Directory.Delete(files, recursive: true);
            Array.ForEach(bare, graph => graph.Dispose());
        }
    }

    private static async Task FromPixelsAsync(ClipScorer scorer, RgbImage[] images)
    {
        foreach (RgbImage[] batch in images.Chunk(Batch))
        {
            ScoringResult result = await scorer.ScoreAsync(
                new ScoringBatch { Images = batch, Texts = ["a cat on a mat"] },
                CancellationToken.None);
            Require(result.Images.All(outcome => outcome.Failure is null));
        }
    }

    private static async Task FromFilesAsync(ScorerCatalog scorers, IImageCodec codec, string[] paths)
    {
        // Opened anew, so that no embedding is known.
        var search = new SearchRequest { Scorer = Model, ScoreText = "a cat on a mat" };
        using PictureScoring scoring = await PictureScoring.OpenAsync(
            scorers,
            codec,
            ImageLimits.Default,
            search,
            null,
            null,
            CancellationToken.None);
        int scored = 0;
        await foreach (ScoredItem item in scoring.ScoreAsync(paths.Select(path => new ScoringItem
        {
            Name = path,
            ReadAsync = token => File.ReadAllBytesAsync(path, token),
        })))
        {
            scored += item.Scorers[0].Outcome.Failure is null ? 1 : 0;
        }

        Require(scored == paths.Length);
    }

    /// <summary>Milliseconds a file on one thread, nothing else running.</summary>
    private static (double Read, double Decode, double Prepare) Preparation(ClipScorer scorer, IImageCodec codec, string[] paths)
    {
        double[] read = new double[paths.Length], decode = new double[paths.Length], prepare = new double[paths.Length];
        float[] pixels = new float[scorer.Embedder.Preprocessing.Length];
        for (int i = 0; i < paths.Length; i++)
        {
            byte[] file = [];
            RgbImage? image = null;
            read[i] = Best(() =>
            {
                file = File.ReadAllBytes(paths[i]);
                System.Security.Cryptography.SHA256.HashData(file);
            });
            decode[i] = Best(() => image = codec.Decode(file, ImageLimits.Default));
            prepare[i] = Best(() => scorer.Embedder.Preprocessing.Apply(image!, pixels));
        }

        return (1000 * Measure.Median(read), 1000 * Measure.Median(decode), 1000 * Measure.Median(prepare));

        static double Best(Action action) => Enumerable.Range(0, 3).Min(_ => Measure.Seconds(action));
    }

    private static void Require(bool condition)
    {
        if (!condition)
        {
            throw new InvalidOperationException("a picture was not scored");
        }
    }
}

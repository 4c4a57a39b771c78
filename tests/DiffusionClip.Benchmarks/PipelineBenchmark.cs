using DiffusionClip.Models;
using DiffusionClip.Reporting;
using Microsoft.Extensions.DependencyInjection;
using static DiffusionClip.Benchmarks.Table;

namespace DiffusionClip.Benchmarks;

/// <summary>
/// The whole road (prompt to ranked pictures as PNG bytes with metadata; models loaded) against the sum of its bare runs.
/// </summary>
internal static class PipelineBenchmark
{
    private const string Rest = "between stages", Png = "PNG and metadata";

    private static readonly ImageRequest Embedded = ImageRequest.For("a fox and a purple umbrella on a white background") with
    {
        Sampling = new() { Seed = 1 },
    };

    private static readonly ImageRequest FullSize = FullSizeRequest(512, 4);

    /// <summary>The full-size layers of Stable Diffusion 1.5 and CLIP ViT-B/32.</summary>
    public static ImageRequest FullSizeRequest(int side, int steps, bool scored = true) => ImageRequest.For("a cat on a mat") with
    {
        Model = new() { Id = "sd15-shape" },
        Sampling = new() { Seed = 1, NumInferenceSteps = steps, GuidanceScale = 1, Width = side, Height = side },
        Search = new() { Candidates = 1, Scorer = scored ? "clip-b32-shape" : Scoring.ScorerCatalog.None },
    };

    public static async Task<string> EmbeddedAsync(bool settings)
    {
        await using ServiceProvider services = Host.Build();
        Comparison split = await CompareAsync(services, Embedded, batched: false, pairs: 15, warmUps: 3);
        Comparison batched = await CompareAsync(services, Embedded, batched: true, pairs: 15, warmUps: 3);
        string appendix = settings ? await SettingsAsync() : "";
        return $"""
            The embedded model at its defaults (4 candidates, 128², 20 steps, guidance 2.5; scored). Goal ≤ 1.05, aim 1.02.

            {Overview(("split", split), ("batched", batched))}
            Where the time goes, split guidance, medians in ms:

            {Stages(split)}
            {appendix}
            """;
    }

    public static async Task<string> FullSizeAsync(bool _)
    {
        Comparison comparison;
        await using (ServiceProvider services = Host.Build())
        {
            comparison = await CompareAsync(services, FullSize, batched: false, pairs: 5, warmUps: 0, sharedSessions: true);
        }

        return $"""
            Layers of the sizes of Stable Diffusion 1.5 and CLIP ViT-B/32 (weights made inside the graphs): LCM, 4 steps, 512², no guidance, 1 candidate, scored. Goal ≤ 1.01.

            The bare runs use the pipeline's own sessions: the weights would not fit twice into the memory of a small machine.

            {Overview(("no guidance", comparison))}
            Where the time goes, medians in ms:

            {Stages(comparison)}
            """;
    }

    public static async Task<string> MemoryAsync(bool _)
    {
        Dictionary<string, double> pipeline = await Child.RunAsync("memory", "pipeline");
        Dictionary<string, double> bare = await Child.RunAsync("memory", "bare");
        var memory = new Table("resident memory, MiB", "pipeline", "bare", "ratio", "goal");
        foreach ((string key, string what, string goal) in new[]
        {
            ("loading", "peak while loading (the graphs make their weights then)", ""),
            ("loaded", "after loading", ""),
            ("running", "peak while running", "≤ 1.2"),
            ("peak", "peak of the process", "≤ 1.2"),
        })
        {
            memory.Add(what, F(pipeline[key], 0), F(bare[key], 0), F(pipeline[key] / bare[key], 3), goal);
        }

        return $"""
            The same layers and pictures; each side in a process of its own, 2 steps.

            {memory}
            """;
    }

    /// <summary>In a child: the peak of one side.</summary>
    public static async Task<Dictionary<string, double>> MemoryAsync(string side)
    {
        await using ServiceProvider services = Host.Build();
        var pipeline = services.GetRequiredService<ImagePipeline>();
        ImageRequest request = pipeline.Prepare(FullSizeRequest(512, 2)).Request;
        var memory = new Dictionary<string, double>();
        void Loaded()
        {
            memory["loading"] = Child.Memory("VmHWM");
            GC.Collect();
            memory["loaded"] = Child.Memory("VmRSS");
            Child.ForgetPeak();
        }

        if (side == "pipeline")
        {
            using var models = await Leases.OpenAsync(services, request);
            Loaded();
            await RunAsync(services, request, null, null);
        }
        else
        {
            using BareRun bare = new(request, services.GetRequiredService<ModelCatalog>(), batched: false);
            Loaded();
            bare.Run(new StageLog());
        }

        memory["running"] = Child.Memory("VmHWM");
        memory["peak"] = Math.Max(memory["loading"], memory["running"]);
        return memory;
    }

    /// <summary>In a child: the embedded model under settings of the process.</summary>
    public static async Task<Dictionary<string, double>> SettingAsync(string spinning, string threads, string batched)
    {
        await using ServiceProvider services = Host.Build(("Runtime:Spinning", spinning), ("Runtime:Threads", threads));
        Comparison comparison = await CompareAsync(services, Embedded, bool.Parse(batched), pairs: 7, warmUps: 3);
        return new()
        {
            ["pipeline"] = comparison.Pairs.FirstSeconds,
            ["bare"] = comparison.Pairs.SecondSeconds,
            ["ratio"] = comparison.Pairs.Ratio,
        };
    }

    private static async Task<string> SettingsAsync()
    {
        var table = new Table("spinning", "threads", "guidance", "pipeline, s", "bare, s", "ratio");
        foreach (string spinning in new[] { "false", "true" })
        {
            foreach (string threads in new[] { "2", "1" })
            {
                foreach (string batched in new[] { "false", "true" })
                {
                    Dictionary<string, double> child = await Child.RunAsync("setting", spinning, threads, batched);
                    table.Add(
                        spinning,
                        threads,
                        batched == "true" ? "batched" : "split",
                        F(child["pipeline"], 3),
                        F(child["bare"], 3),
                        F(child["ratio"], 3));
                }
            }
        }

        return $"""

            The same under other settings (`Runtime:Spinning`, `Runtime:Threads`, `Plan:BatchedGuidance`), each in a process of its own (`--settings`):

            {table}
            """;
    }

    private static async Task<Comparison> CompareAsync(
        ServiceProvider services,
        ImageRequest request,
        bool batched,
        int pairs,
        int warmUps,
        bool sharedSessions = false)
    {
        var pipeline = services.GetRequiredService<ImagePipeline>();
        ImageRequest normalized = pipeline.Prepare(request).Request;
        using Leases? models = sharedSessions ? await Leases.OpenAsync(services, normalized) : null;
        using BareRun bare = new(
            normalized,
            services.GetRequiredService<ModelCatalog>(),
            batched,
            models is null ? null : models.SessionOf);
        ExecutionPlan plan = await RunAsync(
            services,
            normalized with
            {
                Sampling = normalized.Sampling with { NumInferenceSteps = 1 },
            },
            null,
            null);
        plan = plan with { BatchedGuidance = batched && bare.IsGuided, RowsPerRun = batched && bare.IsGuided ? 2 : 1 };
        bare.WarmUp();
        Console.Error.WriteLine("loaded; comparing");

        StageLog roadLog = new(), bareLog = new();
        for (int i = 0; i < warmUps; i++)
        {
            await RunAsync(services, request, plan, null);
            bare.Run(new StageLog());
        }

        Pairs timed = await Measure.InterleavedAsync(
            pairs,
            () => RunAsync(services, request, plan, roadLog),
            () =>
            {
                bare.Run(bareLog);
                return Task.CompletedTask;
            });
        return new Comparison(timed, roadLog, bareLog, bare.Evaluations * normalized.Search.Candidates!.Value);
    }

    private static async Task<ExecutionPlan> RunAsync(ServiceProvider services, ImageRequest request, ExecutionPlan? plan, StageLog? log)
    {
        var pipeline = services.GetRequiredService<ImagePipeline>();
        var encoder = services.GetRequiredService<PictureEncoder>();
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        RankedImages result = await pipeline.GenerateAsync(request, new RunControl { Plan = plan });
        double generated = System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (result.Images.Count != result.Report.Request.Search.Candidates || (plan is not null && plan != result.Report.Plan))
        {
            throw new InvalidOperationException(
                $"not the run that was asked for: {string.Join("; ", result.Report.Warnings)} {result.Report.Candidates[^1].Failure}");
        }

        double encoding = Measure.Seconds(() =>
        {
            foreach (RankedImage image in result.Images)
            {
                encoder.Encode(image, result.Report);
            }
        });
        if (log is not null)
        {
            log.Begin();
            foreach (StageReport stage in result.Report.Stages)
            {
                log.Add(stage.Stage.ToString(), stage.Seconds);
            }

            log.Add(Rest, generated - result.Report.Stages.Sum(stage => stage.Seconds));
            log.Add(Png, encoding);
        }

        return result.Report.Plan;
    }

    private static Table Overview(params (string Name, Comparison Comparison)[] rows)
    {
        var table = new Table(
            "plan",
            "pairs",
            "pipeline, s",
            "bare runs, s",
            "ratio",
            "range of ratios",
            "ratio of CPU time",
            "overhead per evaluation, ms");
        foreach ((string name, Comparison comparison) in rows)
        {
            (Pairs pairs, _, _, int evaluations) = comparison;
            double overhead = Measure.Median(pairs.First.Zip(pairs.Second, (a, b) => a.Seconds - b.Seconds));
            table.Add(
                name,
                F(pairs.First.Length, 0),
                F(pairs.FirstSeconds, 3),
                F(pairs.SecondSeconds, 3),
                F(pairs.Ratio, 4),
                $"{F(pairs.Ratios.Min(), 4)} – {F(pairs.Ratios.Max(), 4)}",
                F(pairs.CpuRatio, 4),
                F(1000 * overhead / evaluations, 3));
        }

        return table;
    }

    private static Table Stages(Comparison comparison)
    {
        var table = new Table("stage", "pipeline", "bare", "difference", "of the bare whole");
        double whole = comparison.Pairs.SecondSeconds;
        foreach (string stage in Enum.GetNames<Stage>().Append(Rest).Append(Png))
        {
            double road = comparison.Road.Median(stage),
                bare = comparison.Bare.Median(stage);
            table.Add(
                stage,
                F(1000 * road),
                bare == 0 ? "–" : F(1000 * bare),
                F(1000 * (road - bare)),
                $"{F(100 * (road - bare) / whole)} %");
        }

        return table;
    }

    private sealed record Comparison(Pairs Pairs, StageLog Road, StageLog Bare, int Evaluations);
}

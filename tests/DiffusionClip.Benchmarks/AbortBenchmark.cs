using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using static DiffusionClip.Benchmarks.Table;

namespace DiffusionClip.Benchmarks;

/// <summary>How long an abort takes inside one evaluation at full size, and whether the sessions work afterwards.</summary>
internal static class AbortBenchmark
{
    private static readonly double[] Places = [0.25, 0.5, 0.75];

    public static async Task<string> RunAsync(bool _)
    {
        await using ServiceProvider services = Host.Build();
        var pipeline = services.GetRequiredService<ImagePipeline>();
        ImageRequest request = PipelineBenchmark.FullSizeRequest(512, 1, scored: false);
        await pipeline.GenerateAsync(request);
        Console.Error.WriteLine("loaded; aborting");
        RankedImages whole = await pipeline.GenerateAsync(request);

        var table = new Table("aborted in", "it takes, s", "aborted after, s", "latency, s", "whole run afterwards");
        foreach ((Stage stage, string name) in new[] { (Stage.Denoising, "the UNet's evaluation"), (Stage.Decoding, "the VAE's decode") })
        {
            double length = whole.Report.Stages.Single(report => report.Stage == stage).Seconds;
            foreach (double place in Places)
            {
                double after = place * length;
                double latency = await AbortAsync(pipeline, request, stage, TimeSpan.FromSeconds(after));
                RankedImages next = await pipeline.GenerateAsync(request);
                bool same = next.Best!.Image.Pixels.Span.SequenceEqual(whole.Best!.Image.Pixels.Span);
                table.Add(
                    name,
                    F(length),
                    F(after),
                    double.IsNaN(latency) ? "ended before" : F(latency, 3),
                    same ? "same picture" : "other picture");
            }
        }

        return $"""
            `sd15-shape` at 512²: from `Cancel()` until `GenerateAsync` has thrown; then the whole run on the same sessions. Goal ≤ 1 s.

            {table}
            """;
    }

    private static async Task<double> AbortAsync(ImagePipeline pipeline, ImageRequest request, Stage stage, TimeSpan after)
    {
        using CancellationTokenSource abort = new();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<RankedImages> run = pipeline.GenerateAsync(
            request,
            new RunControl { Abort = abort.Token, Observer = new Waiter(stage, begun) });
        await begun.Task;
        await Task.Delay(after);
        if (run.IsCompleted)
        {
            return double.NaN;
        }

        long start = Stopwatch.GetTimestamp();
        abort.Cancel();
        try
        {
            await run;
            return double.NaN;
        }
        catch (OperationCanceledException)
        {
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }

    private sealed class Waiter(Stage stage, TaskCompletionSource begun) : IRunObserver
    {
        public void OnStage(in StageUpdate update)
        {
            if (update.Stage == stage && update.Elapsed is null)
            {
                begun.TrySetResult();
            }
        }
    }
}

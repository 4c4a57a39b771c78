using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using DiffusionClip.Reporting;
using DiffusionClip.Worker;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using static DiffusionClip.Benchmarks.Table;

namespace DiffusionClip.Benchmarks;

/// <summary>
/// What the queue and HTTP cost: a job through <c>/api/v1</c> against the same job through the library, and jobs accepted a second.
/// </summary>
internal static class WorkerBenchmark
{
    private const int Accepted = 1000;

    public static async Task<string> RunAsync(bool _)
    {
        string data = Directory.CreateTempSubdirectory("diffusionclip-worker-benchmark").FullName;
        try
        {
            await using WebApplication worker = WorkerApplication.Build(
                ["--Worker:Url=http://127.0.0.1:0", $"--Worker:DataFolder={data}", "--Worker:Queue:DrainTimeout=00:00:01"]);
            await worker.StartAsync();
            string address = worker.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
            using var client = new HttpClient { BaseAddress = new Uri(address) };
            var pipeline = worker.Services.GetRequiredService<ImagePipeline>();
            var encoder = worker.Services.GetRequiredService<PictureEncoder>();
            ImageRequest request = ImageRequest.For("a fox and a purple umbrella on a white background") with
            {
                Sampling = new() { Seed = 1 },
            };

            Task Http() => JobAsync(client, request);
            async Task Library()
            {
                RankedImages result = await pipeline.GenerateAsync(request);
                foreach (RankedImage image in result.Images)
                {
                    encoder.Encode(image, result.Report);
                }
            }

            // A worker lives long: its code is compiled for good by then.
            for (int i = 0; i < 12; i++)
            {
                await Http();
                await Library();
            }

            Pairs pairs = await Measure.InterleavedAsync(25, Http, Library);
            Table jobs = new Table(
                "pairs",
                "job through /api/v1, s",
                "through the library, s",
                "ratio",
                "range of ratios",
                "ratio of CPU time",
                "goal"
            ).Add(
                F(pairs.First.Length, 0),
                F(pairs.FirstSeconds, 3),
                F(pairs.SecondSeconds, 3),
                F(pairs.Ratio, 4),
                $"{F(pairs.Ratios.Min(), 4)} – {F(pairs.Ratios.Max(), 4)}",
                F(pairs.CpuRatio, 4),
                "≤ 1.03");

            var accepted = new Table($"{Accepted} jobs from", "accepted in, s", "jobs a second", "goal");
            ulong seed = 0;
            foreach (int clients in new[] { 1, 16 })
            {
                double seconds = await AcceptAsync(client, clients, () => Interlocked.Increment(ref seed));
                accepted.Add(
                    clients == 1 ? "one client, one after the other" : $"{clients} clients",
                    F(seconds, 2),
                    F(Accepted / seconds, 0),
                    "≤ 10 s");
                await CancelAllAsync(client);
            }

            await worker.StopAsync();
            return $"""
                The embedded model at its defaults (4 candidates, 128², 20 steps; scored): submitted, watched by its events to the end, and the best picture fetched; after 12 of them; against `GenerateAsync` and the PNG encoding in the same process.

                {jobs}
                Jobs accepted (each is on disk when its reply is sent) while others run:

                {accepted}
                """;
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    private static async Task JobAsync(HttpClient client, ImageRequest request)
    {
        string id = await SubmitAsync(client, request, "interactive");
        using (HttpResponseMessage events = await client.GetAsync($"/api/v1/jobs/{id}/events", HttpCompletionOption.ResponseHeadersRead))
        {
            // The stream ends with the job.
            await (await events.Content.ReadAsStreamAsync()).CopyToAsync(Stream.Null);
        }

        JsonNode job = (await client.GetFromJsonAsync<JsonNode>($"/api/v1/jobs/{id}"))!;
        if ((string?)job["state"] != "done")
        {
            throw new InvalidOperationException($"the job is {job["state"]}: {job["reason"]}");
        }

        await client.GetByteArrayAsync($"/api/v1/artifacts/{job["result"]!["images"]![0]!["sha256"]}");
    }

    private static async Task<string> SubmitAsync(HttpClient client, ImageRequest request, string priority)
    {
        using HttpResponseMessage reply = await client.PostAsJsonAsync(
            "/api/v1/jobs", new { kind = "generate", priority, cache = "refresh", generate = request }, DiffusionClipJson.Compact);
        return reply.IsSuccessStatusCode
            ? (string)(await reply.Content.ReadFromJsonAsync<JsonNode>())!["id"]!
            : throw new InvalidOperationException(await reply.Content.ReadAsStringAsync());
    }

    private static async Task<double> AcceptAsync(HttpClient client, int clients, Func<ulong> seed)
    {
        ImageRequest request = ImageRequest.For("a red apple");
        long start = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, Accepted),
            new ParallelOptions { MaxDegreeOfParallelism = clients },
            async (_, _) => await SubmitAsync(client, request with { Sampling = new() { Seed = seed() } }, "batch"));
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static async Task CancelAllAsync(HttpClient client)
    {
        while (true)
        {
            JsonNode page = (await client.GetFromJsonAsync<JsonNode>("/api/v1/jobs?limit=200&state=queued&state=running"))!;
            JsonArray jobs = page["jobs"]!.AsArray();
            if (jobs.Count == 0)
            {
                return;
            }

            foreach (JsonNode? job in jobs)
            {
                using HttpResponseMessage _ = await client.DeleteAsync($"/api/v1/jobs/{job!["id"]}");
            }
        }
    }
}

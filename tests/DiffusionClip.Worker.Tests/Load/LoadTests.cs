using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;

namespace DiffusionClip.Worker.Tests.Load;

/// <summary>
/// Row 28 of the fault table: 200 callers at once, each with a key of its own, and one that is greedy. <c>DIFFUSIONCLIP_LOAD</c> says for
/// how many seconds (600 for the full form); the times are judged only there. Without it a quarter of the callers come for a quarter of a
/// minute, so that each still has several turns, and the times are told.
/// </summary>
[Collection(nameof(Alone))]
public sealed class LoadTests
{
    private static readonly int? FullSeconds = int.TryParse(
        Environment.GetEnvironmentVariable("DIFFUSIONCLIP_LOAD"),
        NumberStyles.None,
        CultureInfo.InvariantCulture,
        out int seconds)
        ? seconds
        : null;

    private static readonly bool IsFull = FullSeconds is not null;
    private static readonly int Clients = IsFull ? 200 : 50;
    private static readonly int GreedyJobs = IsFull ? 300 : 75;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Row28_two_hundred_clients()
    {
        TimeSpan duration = TimeSpan.FromSeconds(FullSeconds ?? 15);
        string folder = Directory.CreateTempSubdirectory("dclip-load-").FullName;
        string keys = Path.Combine(folder, "keys");
        await File.WriteAllLinesAsync(keys, Enumerable.Range(0, Clients + 1).Select(i => $"caller{i}: {Key(i)}"), Stop);
        try
        {
            using WorkerProcess worker = await WorkerProcess.StartAsync(Path.Combine(folder, "data"), $"--Worker:Trust:KeyFile={keys}");
            using HttpClient greedy = ClientOf(worker, Clients);
            while ((await greedy.GetAsync("/health/ready", Stop)).StatusCode != HttpStatusCode.OK)
            {
                await Task.Delay(50, Stop);
            }

            var accepted = new ConcurrentDictionary<string, int>();
            var done = new int[Clients];
            var statuses = new ConcurrentDictionary<string, int>();
            var waits = new ConcurrentBag<double>();
            for (int i = 0; i < GreedyJobs; i++)
            {
                await SubmitAsync(greedy, Clients, i, accepted);
            }

            int greedyBefore = await CountAsync(greedy, "done");
            long start = Stopwatch.GetTimestamp();
            using var over = CancellationTokenSource.CreateLinkedTokenSource(Stop);
            over.CancelAfter(duration);
            var residents = new List<long>();
            var live = new List<double>();
            Task watching = Task.Run(() => WatchAsync(worker, live, residents, over.Token), Stop);
            await Task.WhenAll(Enumerable.Range(0, Clients).Select(i => Task.Run(async () =>
            {
                using HttpClient client = ClientOf(worker, i);
                for (int number = 0; !over.IsCancellationRequested; number++)
                {
                    long since = Stopwatch.GetTimestamp();
                    string id = await SubmitAsync(client, i, number, accepted);
                    string state = await EndOfAsync(client, id, over.Token);
                    statuses.AddOrUpdate(state, 1, static (_, count) => count + 1);
                    if (!over.IsCancellationRequested)
                    {
                        done[i]++;
                        waits.Add(Stopwatch.GetElapsedTime(since).TotalSeconds);
                    }
                }
            }, Stop)));
            await watching;
            double took = Stopwatch.GetElapsedTime(start).TotalSeconds;

            // What the greedy one still has waiting is ended; then nothing may be left, and every job has one end.
            int greedyDone = await CountAsync(greedy, "done") - greedyBefore;
            foreach (string id in accepted.Where(job => job.Value == Clients).Select(job => job.Key))
            {
                using HttpResponseMessage gone = await greedy.DeleteAsync($"/api/v1/jobs/{id}", Stop);
            }

            var found = new HashSet<string>(StringComparer.Ordinal);
            for (int i = 0; i <= Clients; i++)
            {
                using HttpClient client = ClientOf(worker, i);
                string? before = null;
                do
                {
                    JsonObject page = (
                        await client.GetFromJsonAsync<JsonObject>(
                            $"/api/v1/jobs?limit=200{(before is null ? "" : "&before=" + before)}",
                            Stop)
                    )!;
                    foreach (JsonNode? job in page["jobs"]!.AsArray())
                    {
                        Assert.True(found.Add(job!["id"]!.GetValue<string>()));
                        string state = job["state"]!.GetValue<string>();
                        Assert.True(
                            state is "done" or "cancelled" || (i == Clients && state == "running"),
                            $"a job of caller {i} is {state}: {job["reason"]}");
                    }

                    before = page["next"]?.GetValue<string>();
                }
                while (before is not null);
            }

            live.Sort();
            double[] sorted = [.. waits.Order()];
            TestContext.Current.TestOutputHelper?.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"load: {Clients} clients and a greedy one, {took:F0} s, {accepted.Count} jobs accepted, {found.Count} found, {done.Sum() + greedyDone} done; jobs of each client {done.Min()} to {done.Max()}, of the greedy one {greedyDone}; wait p50 {Quantile(sorted, 0.5):F2} s, p99 {Quantile(sorted, 0.99):F2} s; health/live {live.Count} times, p50 {Quantile(live, 0.5):F1} ms, p99 {Quantile(live, 0.99):F1} ms, max {live.LastOrDefault():F1} ms; resident {residents.Min() >> 20} to {residents.Max() >> 20} MiB, last {residents[^1] >> 20} MiB; ends {string.Join(", ", statuses)}"
                ));
            Assert.Equal(accepted.Keys.Order(), found.Order());
            Assert.DoesNotContain(statuses.Keys, state => state is not ("done" or "cancelled"));

            // Fair: in as many rounds nobody is more than two ahead of anybody, and the greedy one got no more than the rest.
            Assert.InRange(done.Max() - done.Min(), 0, 2);
            Assert.InRange(greedyDone, 0, done.Max() + 3);
            Assert.InRange(residents[^1] - residents[residents.Count / 4], long.MinValue, 200L << 20);
            if (IsFull)
            {
                Assert.InRange(Quantile(live, 0.99), 0, 100);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Key(int caller) => string.Create(CultureInfo.InvariantCulture, $"key-of-caller-{caller:0000000}");

    private static HttpClient ClientOf(WorkerProcess worker, int caller)
    {
        var client = new HttpClient { BaseAddress = worker.Client.BaseAddress, Timeout = TimeSpan.FromMinutes(15) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Key(caller));
        return client;
    }

    private static async Task<string> SubmitAsync(HttpClient client, int caller, int number, ConcurrentDictionary<string, int> accepted)
    {
        string body = string.Create(CultureInfo.InvariantCulture, $$$$"""{"generate":{"prompt":{"text":"a red apple"},"sampling":{"width":64,"height":64,"num_inference_steps":2,"seed":{{{{(caller * 100_000) + number}}}}},"search":{"candidates":1}}}""");
        using HttpResponseMessage response = await client.PostAsync("/api/v1/jobs", new StringContent(body, Encoding.UTF8, "application/json"), Stop);
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        string id = (await response.Content.ReadFromJsonAsync<JsonObject>(Stop))!["id"]!.GetValue<string>();
        Assert.True(accepted.TryAdd(id, caller));
        return id;
    }

    private static async Task<int> CountAsync(HttpClient client, string state)
    {
        int count = 0;
        string? before = null;
        do
        {
            JsonObject page = (
                await client.GetFromJsonAsync<JsonObject>(
                    $"/api/v1/jobs?limit=200&state={state}{(before is null ? "" : "&before=" + before)}",
                    Stop)
            )!;
            count += page["jobs"]!.AsArray().Count;
            before = page["next"]?.GetValue<string>();
        }
        while (before is not null);
        return count;
    }

    // When the time is over whoever still waits cancels.
    private static async Task<string> EndOfAsync(HttpClient client, string id, CancellationToken over)
    {
        await using CancellationTokenRegistration cancel = over.Register(() => _ = client.DeleteAsync($"/api/v1/jobs/{id}", Stop));
        using HttpResponseMessage response = await client.GetAsync(
            $"/api/v1/jobs/{id}/events",
            HttpCompletionOption.ResponseHeadersRead,
            Stop);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Stop));
        string state = "";
        while (await reader.ReadLineAsync(Stop) is { } line)
        {
            if (line.StartsWith("data: ", StringComparison.Ordinal) && JsonNode.Parse(line[6..])!["state"] is { } changed)
            {
                state = changed.GetValue<string>();
            }
        }

        return state;
    }

    private static async Task WatchAsync(WorkerProcess worker, List<double> live, List<long> residents, CancellationToken over)
    {
        using var client = new HttpClient { BaseAddress = worker.Client.BaseAddress };
        for (int i = 0; !over.IsCancellationRequested; i++)
        {
            long since = Stopwatch.GetTimestamp();
            using HttpResponseMessage response = await client.GetAsync("/health/live", Stop);
            live.Add(Stopwatch.GetElapsedTime(since).TotalMilliseconds);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            if (i % 20 == 0)
            {
                residents.Add(worker.Resident);
            }

            await Task.Delay(25, CancellationToken.None);
        }
    }

    private static double Quantile(IReadOnlyList<double> sorted, double quantile) =>
        sorted.Count == 0 ? 0 : sorted[Math.Min(sorted.Count - 1, (int)(quantile * sorted.Count))];
}

using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DiffusionClip.Imaging;

namespace DiffusionClip.Worker.Tests.Interfaces.Native;

/// <summary>The jobs of <c>/api/v1</c>, on the embedded model.</summary>
public sealed class JobRouteTests(JobRouteTests.Worker worker) : IClassFixture<JobRouteTests.Worker>
{
    private const string Alice = "alice-0123456789abcdef";
    private const string Bob = "bob-0123456789abcdef";

    public sealed class Worker : IAsyncLifetime
    {
        public WorkerHost Host { get; private set; } = null!;

        public HttpClient Alice { get; private set; } = null!;

        public HttpClient Bob { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Host = await WorkerHost.StartAsync(
                null,
                $"--Worker:Trust:Keys:alice={JobRouteTests.Alice}",
                $"--Worker:Trust:Keys:bob={JobRouteTests.Bob}");
            Alice = Host.ClientWith(JobRouteTests.Alice);
            Bob = Host.ClientWith(JobRouteTests.Bob);
        }

        public async ValueTask DisposeAsync()
        {
            Alice.Dispose();
            Bob.Dispose();
            await Host.DisposeAsync();
        }
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static string Small(int seed = 1, int steps = 2, int candidates = 2) =>
        $$$$"""{"kind":"generate","generate":{"prompt":{"text":"a red apple"},"sampling":{"num_inference_steps":{{{{steps}}}},"seed":{{{{seed}}}},"width":64,"height":64},"search":{"candidates":{{{{candidates}}}}}}}""";

    private static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");

    private static async Task<JsonObject> ReadAsync(HttpResponseMessage response) =>
        (await response.Content.ReadFromJsonAsync<JsonObject>(Stop))!;

    private static async Task<JsonObject> EndOfAsync(HttpClient client, string location)
    {
        while (true)
        {
            JsonObject job = (await client.GetFromJsonAsync<JsonObject>(location, Stop))!;
            if (job["state"]!.GetValue<string>() is not ("queued" or "running"))
            {
                return job;
            }

            await Task.Delay(30, Stop);
        }
    }

    [Fact]
    public async Task A_job_runs_from_body_to_picture()
    {
        using HttpResponseMessage accepted = await worker.Alice.PostAsync("/api/v1/jobs", Json(Small()), Stop);
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
        JsonObject job = await ReadAsync(accepted);
        string location = accepted.Headers.Location!.OriginalString;
        Assert.Equal($"/api/v1/jobs/{job["id"]}", location);
        Assert.NotNull(accepted.Headers.RetryAfter);
        Assert.Null(job["caller"]);

        JsonObject done = await EndOfAsync(worker.Alice, location);
        Assert.Equal("done", done["state"]!.GetValue<string>());
        JsonArray images = done["result"]!["images"]!.AsArray();
        Assert.Equal(2, images.Count);
        Assert.Equal(1, images[0]!["rank"]!.GetValue<int>());

        string sha256 = images[0]!["sha256"]!.GetValue<string>();
        using HttpResponseMessage picture = await worker.Alice.GetAsync($"/api/v1/artifacts/{sha256}", Stop);
        Assert.Equal("image/png", picture.Content.Headers.ContentType?.MediaType);
        Assert.Equal("nosniff", Assert.Single(picture.Headers.GetValues("X-Content-Type-Options")));
        Assert.Contains("immutable", picture.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
        Assert.Equal(sha256, OriginRequest.NameOf(await picture.Content.ReadAsByteArrayAsync(Stop)));

        using var again = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/artifacts/{sha256}");
        again.Headers.IfNoneMatch.Add(picture.Headers.ETag!);
        using HttpResponseMessage unchanged = await worker.Alice.SendAsync(again, Stop);
        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);
    }

    [Fact]
    public async Task One_request_to_a_picture()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/generate") { Content = Json("""{"prompt":{"text":"a red apple"},"sampling":{"num_inference_steps":2,"seed":3},"search":{"candidates":1}}""") };
        request.Headers.Accept.ParseAdd("image/png");
        using HttpResponseMessage response = await worker.Alice.SendAsync(request, Stop);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("image/png", response.Content.Headers.ContentType?.MediaType);
        Assert.StartsWith("/api/v1/jobs/", response.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Equal(
            "done",
            (await worker.Alice.GetFromJsonAsync<JsonObject>(response.Headers.Location, Stop))!["state"]!.GetValue<string>());
    }

    [Fact]
    public async Task Row19_other_callers_see_nothing()
    {
        using HttpResponseMessage accepted = await worker.Alice.PostAsync("/api/v1/jobs", Json(Small(seed: 4)), Stop);
        string location = accepted.Headers.Location!.OriginalString;
        JsonObject done = await EndOfAsync(worker.Alice, location);
        string sha256 = done["result"]!["images"]![0]!["sha256"]!.GetValue<string>();
        foreach (
            var (method, path) in new[]
            {
                (HttpMethod.Get, location),
                (HttpMethod.Delete, location),
                (HttpMethod.Get, location + "/events"),
                (HttpMethod.Get, $"/api/v1/artifacts/{sha256}"),
                (HttpMethod.Get, "/api/v1/jobs/nonsense"),
                (HttpMethod.Get, "/api/v1/jobs/..%2f..%2fx"),
            })
        {
            using HttpResponseMessage response = await worker.Bob.SendAsync(new HttpRequestMessage(method, path), Stop);
            Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        }

        JsonObject page = (await worker.Bob.GetFromJsonAsync<JsonObject>("/api/v1/jobs", Stop))!;
        Assert.DoesNotContain(page["jobs"]!.AsArray(), job => location.EndsWith(job!["id"]!.GetValue<string>(), StringComparison.Ordinal));
        string rank = $$$"""{"rank":{"prompt":"x","images":["{{{sha256}}}"]}}""";
        using HttpResponseMessage stolen = await worker.Bob.PostAsync("/api/v1/jobs", Json(rank), Stop);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, stolen.StatusCode);
        Assert.Equal("rank.images[0]", (await ReadAsync(stolen))["field"]!.GetValue<string>());
    }

    [Fact]
    public async Task Row30_cancelled_queued_running_over_and_twice()
    {
        using HttpResponseMessage running = await worker.Alice.PostAsync(
            "/api/v1/jobs",
            Json(Small(seed: 5, steps: 1000, candidates: 8)),
            Stop);
        using HttpResponseMessage queued = await worker.Alice.PostAsync("/api/v1/jobs", Json(Small(seed: 6)), Stop);
        while ((await worker.Alice.GetFromJsonAsync<JsonObject>(running.Headers.Location, Stop))!["state"]!.GetValue<string>() != "running")
        {
            await Task.Delay(20, Stop);
        }

        Assert.Equal(HttpStatusCode.OK, (await worker.Alice.DeleteAsync(queued.Headers.Location, Stop)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await worker.Alice.DeleteAsync(queued.Headers.Location, Stop)).StatusCode);
        Assert.Equal(HttpStatusCode.Accepted, (await worker.Alice.DeleteAsync(running.Headers.Location, Stop)).StatusCode);
        Assert.Equal("cancelled", (await EndOfAsync(worker.Alice, running.Headers.Location!.OriginalString))["state"]!.GetValue<string>());
        Assert.Equal(HttpStatusCode.OK, (await worker.Alice.DeleteAsync(running.Headers.Location, Stop)).StatusCode);

        using HttpResponseMessage quick = await worker.Alice.PostAsync("/api/v1/jobs", Json(Small(seed: 7)), Stop);
        await EndOfAsync(worker.Alice, quick.Headers.Location!.OriginalString);
        Assert.Equal(HttpStatusCode.Conflict, (await worker.Alice.DeleteAsync(quick.Headers.Location, Stop)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await worker.Alice.DeleteAsync("/api/v1/jobs/00000000000000000000000000", Stop)).StatusCode);
    }

    [Fact]
    public async Task Finish_keeps_the_best_so_far()
    {
        using HttpResponseMessage running = await worker.Alice.PostAsync(
            "/api/v1/jobs",
            Json(Small(seed: 8, steps: 20, candidates: 200)),
            Stop);
        JsonObject job;
        do
        {
            await Task.Delay(50, Stop);
            job = (await worker.Alice.GetFromJsonAsync<JsonObject>(running.Headers.Location, Stop))!;
        }
        while (job["progress"]!.GetValue<double>() < 0.01);
        Assert.Equal(HttpStatusCode.Accepted, (await worker.Alice.DeleteAsync(running.Headers.Location + "?finish=true", Stop)).StatusCode);
        JsonObject done = await EndOfAsync(worker.Alice, running.Headers.Location!.OriginalString);
        Assert.Equal("done", done["state"]!.GetValue<string>());
        Assert.InRange(done["result"]!["images"]!.AsArray().Count, 1, 199);
    }

    [Fact]
    public async Task Row29_who_leaves_cancels()
    {
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        Task<HttpResponseMessage> waiting = worker.Bob.PostAsync("/api/v1/generate", Json("""{"prompt":{"text":"x"},"sampling":{"num_inference_steps":1000,"seed":9},"search":{"candidates":8}}"""), leaving.Token);
        JsonNode? job = null;
        while (job is null)
        {
            await Task.Delay(20, Stop);
            job = (await worker.Bob.GetFromJsonAsync<JsonObject>("/api/v1/jobs?state=running&limit=1", Stop))!["jobs"]!
                .AsArray()
                .FirstOrDefault();
        }

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Equal("cancelled", (await EndOfAsync(worker.Bob, $"/api/v1/jobs/{job["id"]}"))["state"]!.GetValue<string>());
    }

    [Fact]
    public async Task Row31_idempotency_keys()
    {
        async Task<HttpResponseMessage> PostAsync(string body)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = Json(body) };
            request.Headers.Add("Idempotency-Key", "the same");
            return await worker.Alice.SendAsync(request, Stop);
        }

        HttpResponseMessage[] replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => PostAsync(Small(seed: 10))));
        Assert.All(replies, reply => Assert.Equal(HttpStatusCode.Accepted, reply.StatusCode));
        Assert.Single(replies.Select(reply => reply.Headers.Location!.OriginalString).Distinct());
        using HttpResponseMessage other = await PostAsync(Small(seed: 11));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, other.StatusCode);
        Assert.Equal("Idempotency-Key", (await ReadAsync(other))["field"]!.GetValue<string>());
        await EndOfAsync(worker.Alice, replies[0].Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task Pages_and_states()
    {
        var ids = new List<string>();
        for (int i = 0; i < 5; i++)
        {
            using HttpResponseMessage accepted = await worker.Bob.PostAsync("/api/v1/jobs", Json(Small(seed: 20 + i)), Stop);
            ids.Insert(0, (await ReadAsync(accepted))["id"]!.GetValue<string>());
        }

        foreach (string id in ids)
        {
            await EndOfAsync(worker.Bob, $"/api/v1/jobs/{id}");
        }

        var seen = new List<string>();
        string? before = null;
        do
        {
            JsonObject page = (
                await worker.Bob.GetFromJsonAsync<JsonObject>(
                    $"/api/v1/jobs?limit=2&state=done{(before is null ? "" : "&before=" + before)}",
                    Stop)
            )!;
            seen.AddRange(page["jobs"]!.AsArray().Select(job => job!["id"]!.GetValue<string>()));
            before = page["next"]?.GetValue<string>();
        }
        while (before is not null);
        Assert.Equal(ids, seen.Where(ids.Contains));
        Assert.Equal(seen.Count, seen.Distinct().Count());
        foreach (string query in new[] { "limit=0", "limit=201", "limit=x", "before=x", "state=gone" })
        {
            using HttpResponseMessage bad = await worker.Bob.GetAsync($"/api/v1/jobs?{query}", Stop);
            Assert.True(bad.StatusCode is HttpStatusCode.UnprocessableEntity or HttpStatusCode.BadRequest, $"{query}: {bad.StatusCode}");
        }
    }

    [Fact]
    public async Task Events_go_on_where_they_were_left()
    {
        using HttpResponseMessage accepted = await worker.Alice.PostAsync("/api/v1/jobs", Json(Small(seed: 12, steps: 4)), Stop);
        string events = accepted.Headers.Location + "/events";
        List<(long Id, string Kind, JsonObject Data)> all = await WatchAsync(events, null);
        Assert.True(all.Zip(all.Skip(1)).All(pair => pair.First.Id < pair.Second.Id));
        Assert.Equal(("state", "done"), (all[^1].Kind, all[^1].Data["state"]!.GetValue<string>()));
        Assert.Contains(all, item => item.Kind == "step");
        Assert.Contains(all, item => item.Kind == "stage");
        Assert.Contains(all, item => item.Kind == "candidate" && item.Data["sha256"] is not null);
        Assert.Contains(all, item => item.Kind == "move");
        Assert.All(all, item => Assert.NotNull(item.Data["at"]));

        int middle = all.Count / 2;
        List<(long Id, string Kind, JsonObject Data)> rest = await WatchAsync(events, all[middle].Id);
        // Steps, stages and previews that newer ones have overtaken are not told again; of the rest nothing is lost.
        long[] later = [.. all.Skip(middle + 1).Select(item => item.Id)];
        Assert.Empty(rest.Select(item => item.Id).Except(later));
        Assert.Empty(
            all.Skip(middle + 1)
                .Where(item => item.Kind is "state" or "candidate" or "move")
                .Select(item => item.Id)
                .Except(rest.Select(item => item.Id)));
        Assert.Equal(rest.Select(item => item.Id), (await WatchAsync(events + $"?after={all[middle].Id}", null)).Select(item => item.Id));

        foreach (string bad in new[] { "?after=-1", "?after=x" })
        {
            using HttpResponseMessage response = await worker.Alice.GetAsync(events + bad, Stop);
            Assert.True((int)response.StatusCode is 400 or 422);
        }
    }

    private async Task<List<(long Id, string Kind, JsonObject Data)>> WatchAsync(string address, long? last)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        if (last is not null)
        {
            request.Headers.Add("Last-Event-ID", $"{last}");
        }

        using HttpResponseMessage response = await worker.Alice.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Stop);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        var events = new List<(long, string, JsonObject)>();
        (long Id, string Kind) at = (0, "");
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Stop));
        while (await reader.ReadLineAsync(Stop) is { } line)
        {
            if (line.StartsWith("id: ", StringComparison.Ordinal))
            {
                at.Id = long.Parse(line[4..], System.Globalization.CultureInfo.InvariantCulture);
            }
            else if (line.StartsWith("event: ", StringComparison.Ordinal))
            {
                at.Kind = line[7..];
            }
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                events.Add((at.Id, at.Kind, JsonNode.Parse(line[6..])!.AsObject()));
            }
        }

        return events;
    }

    [Fact]
    public async Task Pictures_are_uploaded_ranked_and_scored()
    {
        using var painted = new HttpRequestMessage(HttpMethod.Post, "/api/v1/generate") { Content = Json("""{"prompt":{"text":"a red apple"},"sampling":{"num_inference_steps":8,"seed":5},"search":{"candidates":1}}""") };
        painted.Headers.Accept.ParseAdd("image/png");
        byte[] png = await (await worker.Alice.SendAsync(painted, Stop)).Content.ReadAsByteArrayAsync(Stop);

        using var raw = new ByteArrayContent(png);
        raw.Headers.ContentType = new("image/png");
        using HttpResponseMessage uploaded = await worker.Bob.PostAsync("/api/v1/artifacts", raw, Stop);
        Assert.Equal(HttpStatusCode.Created, uploaded.StatusCode);
        JsonObject stored = await ReadAsync(uploaded);
        string sha256 = stored["sha256"]!.GetValue<string>();
        Assert.Equal(OriginRequest.NameOf(png), sha256);
        Assert.Equal(HttpStatusCode.OK, (await worker.Bob.GetAsync(uploaded.Headers.Location, Stop)).StatusCode);

        using var form = new MultipartFormDataContent { { new ByteArrayContent(png), "file", "../../evil.png" } };
        using HttpResponseMessage again = await worker.Bob.PostAsync("/api/v1/artifacts", form, Stop);
        Assert.Equal(sha256, (await ReadAsync(again))["sha256"]!.GetValue<string>());

        string rank = $$$"""{"kind":"rank","rank":{"prompt":"a red apple","images":["{{{sha256}}}","data:image/png;base64,{{{Convert.ToBase64String(png)}}}"]}}""";
        using HttpResponseMessage ranked = await worker.Bob.PostAsync("/api/v1/jobs", Json(rank), Stop);
        JsonObject first = await EndOfAsync(worker.Bob, ranked.Headers.Location!.OriginalString);
        Assert.Equal("done", first["state"]!.GetValue<string>());
        Assert.Equal(2, first["result"]!["images"]!.AsArray().Count);

        string score = $$$"""{"score":{"pairs":[{"image":"{{{sha256}}}","texts":["a red apple","a dog"]}]},"priority":"batch"}""";
        using HttpResponseMessage scored = await worker.Bob.PostAsync("/api/v1/jobs", Json(score), Stop);
        JsonObject second = await EndOfAsync(worker.Bob, scored.Headers.Location!.OriginalString);
        Assert.Equal(2, second["result"]!["scores"]!.AsArray().Count);

        string origin = $$$$"""{"generate":{"prompt":{"text":"a red apple"},"sampling":{"num_inference_steps":4,"seed":1},"search":{"candidates":1},"origin":{"image":"{{{{sha256}}}}","strength":0.5}}}""";
        using HttpResponseMessage started = await worker.Bob.PostAsync("/api/v1/jobs", Json(origin), Stop);
        Assert.Equal("done", (await EndOfAsync(worker.Bob, started.Headers.Location!.OriginalString))["state"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("%2e%2e/%2e%2e/ledger.db")]
    [InlineData("..%2f..%2fledger.db")]
    [InlineData("%5c..%5cledger.db")]
    [InlineData("00")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("ABCDEF0000000000000000000000000000000000000000000000000000000000")]
    [InlineData("x.svg")]
    public async Task Row18_only_artefacts_are_served(string name)
    {
        using HttpResponseMessage response = await worker.Alice.GetAsync(new Uri(worker.Host.Address, $"/api/v1/artifacts/{name}"), Stop);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    [Theory]
    [InlineData("""{"generate":{"sampling":{"width":0}}}""", "width")]
    [InlineData("""{"generate":{"sampling":{"width":-8}}}""", "width")]
    [InlineData("""{"generate":{"sampling":{"height":513}}}""", "height")]
    [InlineData("""{"generate":{"sampling":{"width":1000000000}}}""", "width")]
    [InlineData("""{"generate":{"sampling":{"width":10000000000}}}""", "width")]
    [InlineData("""{"generate":{"sampling":{"width":NaN}}}""", "width")]
    [InlineData("""{"generate":{"sampling":{"width":"512"}}}""", "width")]
    [InlineData("""{"generate":{"sampling":{"num_inference_steps":0}}}""", "num_inference_steps")]
    [InlineData("""{"generate":{"sampling":{"num_inference_steps":1000000}}}""", "num_inference_steps")]
    [InlineData("""{"generate":{"search":{"candidates":2147483647}}}""", "candidates")]
    [InlineData("""{"generate":{"sampling":{"guidance_scale":NaN}}}""", "guidance_scale")]
    [InlineData("""{"generate":{"sampling":{"guidance_scale":1e99}}}""", "guidance_scale")]
    [InlineData("""{"generate":{"sampling":{"seed":18446744073709551616}}}""", "seed")]
    [InlineData("""{"generate":{"sampling":{"seed":-1}}}""", "seed")]
    [InlineData("""{"generate":{"sampling":{"scheduler":"Nonsense"}}}""", "scheduler")]
    [InlineData("""{"generate":{"sampling":{"noise":63}}}""", "noise")]
    [InlineData("""{"generate":{"prompt":{"text":"x","syntax":63}}}""", "syntax")]
    [InlineData("""{"generate":{"search":{"long_text":63}}}""", "long_text")]
    [InlineData("""{"generate":{},"priority":63}""", "priority")]
    [InlineData("""{"generate":{},"cache":63}""", "cache")]
    [InlineData("""{"kind":63,"generate":{}}""", "kind")]
    [InlineData("""{"generate":{"model":{"id":"/etc"}}}""", "model")]
    [InlineData("""{"generate":{"model":{"provider":"tpu"}}}""", "provider")]
    [InlineData("""{"generate":{"model":{"id":"../models"}}}""", "model")]
    [InlineData("""{"generate":{"model":{"id":"nonsense"}}}""", "model")]
    [InlineData("""{"generate":{"search":{"strategy":"nonsense"}}}""", "strategy")]
    [InlineData("""{"generate":{"search":{"scorer":"../models/emoji-clip"}}}""", "scorer")]
    [InlineData("""{"generate":{"origin":{"image":"x"}}}""", "image")]
    [InlineData("""{"generate":{"prompt":null}}""", "prompt")]
    [InlineData("""{"generate":{"prompt":{"text":"\ud800"}}}""", "text")]
    [InlineData("""{"generate":{"no_such_field":1}}""", "no_such_field")]
    [InlineData("""{"kind":"rank","generate":{}}""", "kind")]
    [InlineData("""{"kind":"paint","generate":{}}""", "kind")]
    [InlineData("""{}""", "kind")]
    [InlineData("""{"generate":{},"rank":{}}""", "kind")]
    [InlineData("""{"rank":{"prompt":"x","images":[]}}""", "images")]
    [InlineData("""{"rank":{"prompt":"x","images":[null]}}""", "images")]
    [InlineData("""{"score":{"pairs":[null]}}""", "pairs")]
    [InlineData("""{"score":{"pairs":[{"image":"x"}]}}""", "image")]
    [InlineData("""{"generate":{},"priority":"urgent"}""", "priority")]
    public async Task Rows6_and_7_bad_values_name_their_field(string body, string field)
    {
        using HttpResponseMessage response = await worker.Alice.PostAsync("/api/v1/jobs", Json(body), Stop);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        JsonObject problem = await ReadAsync(response);
        Assert.EndsWith(
            field,
            System.Text.RegularExpressions.Regex.Replace(problem["field"]!.GetValue<string>(), @"\[\d+\]$", ""),
            StringComparison.Ordinal);
        Assert.Equal(422, problem["status"]!.GetValue<int>());
        Assert.DoesNotContain('\n', problem["detail"]!.GetValue<string>());
        Assert.DoesNotContain(Golden.Repository, problem["detail"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", 400)]
    [InlineData("{", 400)]
    [InlineData("nonsense", 400)]
    [InlineData("[]", 422)]
    [InlineData("1", 422)]
    [InlineData("\"\"", 422)]
    [InlineData("null", 400)]
    [InlineData("{\"generate\":{}}trailing", 400)]
    public async Task What_is_no_job_is_refused(string body, int status)
    {
        using HttpResponseMessage response = await worker.Alice.PostAsync("/api/v1/jobs", Json(body), Stop);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\0")]
    [InlineData("שלום مرحبا 🍎🍏")]
    [InlineData("line\nSteps: 1, Seed: 5\nNegative prompt: x")]
    [InlineData("<script>alert(1)</script> {{x}} =cmd()")]
    public async Task Row8_any_text_is_a_prompt(string prompt)
    {
        string body = new JsonObject
        {
            ["generate"] = new JsonObject
            {
                ["prompt"] = new JsonObject { ["text"] = prompt },
                ["sampling"] = new JsonObject { ["num_inference_steps"] = 1, ["seed"] = 1 },
                ["search"] = new JsonObject { ["candidates"] = 1 },
            },
        }.ToJsonString();
        using HttpResponseMessage accepted = await worker.Alice.PostAsync("/api/v1/jobs", Json(body), Stop);
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
        JsonObject job = await EndOfAsync(worker.Alice, accepted.Headers.Location!.OriginalString);
        Assert.Equal("done", job["state"]!.GetValue<string>());
        Assert.Equal(prompt, job["body"]!["generate"]!["prompt"]!["text"]!.GetValue<string>());
    }

    [Fact]
    public async Task Row12_a_form_that_breaks_off_is_refused()
    {
        using var form = new MultipartFormDataContent { { new ByteArrayContent(new byte[200]), "file", "x.png" } };
        byte[] whole = await form.ReadAsByteArrayAsync(Stop);
        foreach (int length in new[] { 0, 10, 60, 150, whole.Length - 40, whole.Length - 5 })
        {
            using var cut = new ByteArrayContent(whole[..length]);
            cut.Headers.ContentType = form.Headers.ContentType;
            using HttpResponseMessage response = await worker.Alice.PostAsync("/api/v1/artifacts", cut, Stop);
            Assert.True((int)response.StatusCode is 400 or 422, $"{length}: {response.StatusCode}");
        }
    }

    [Theory]
    [InlineData("form-data; name=\"file\"; filename*")]
    [InlineData("form-data; name=\"file\"; filename*=")]
    [InlineData("form-data; name; filename=\"x.png\"")]
    [InlineData("form-data; name=\"file\"; filename*=utf-9''%ff%")]
    [InlineData("filename*")]
    public async Task Row12_a_form_with_a_broken_disposition_is_refused(string disposition)
    {
        foreach (string address in new[] { "/api/v1/artifacts", "/v1/images/edits" })
        {
            using var form = new ByteArrayContent(
                System.Text.Encoding.ASCII.GetBytes(
                    $"--b\r\nContent-Disposition: {disposition}\r\nContent-Type: image/png\r\n\r\nx\r\n--b--\r\n"));
            form.Headers.TryAddWithoutValidation("Content-Type", "multipart/form-data; boundary=b");
            using HttpResponseMessage response = await worker.Alice.PostAsync(address, form, Stop);
            Assert.True((int)response.StatusCode is 400 or 422, $"{address}: {response.StatusCode}");
        }
    }

    // Files are named by what is in them; whatever name a request gives leads nowhere.
    [Fact]
    public async Task Row17_names_in_requests_are_no_paths()
    {
        string folder = Path.GetFullPath(worker.Host.Application.Services.GetRequiredService<WorkerOptions>().DataFolder);
        string[] beside =
        [
            .. Directory
                .EnumerateFileSystemEntries(Path.GetDirectoryName(folder)!)
                .Where(path => path.Contains("row17", StringComparison.Ordinal)),
        ];
        byte[] png = worker.Host.Application.Services.GetRequiredService<IImageCodec>().EncodePng(new RgbImage(8, 8, new byte[192]));
        foreach (
            string name in new[]
            {
                "../../row17.png",
                "/tmp/row17.png",
                "..\\row17.png",
                "CON",
                "nul.png",
                new string('x', 300) + ".png",
                "row17\u0001.png",
                "",
            })
        {
            using var content = new MultipartFormDataContent("b");
            var file = new ByteArrayContent(png);
            file.Headers.TryAddWithoutValidation(
                "Content-Disposition",
                $"form-data; name=\"file\"; filename=\"{name.Replace("\\", "\\\\", StringComparison.Ordinal)}\"");
            content.Add(file);
            using HttpResponseMessage response = await worker.Alice.PostAsync("/api/v1/artifacts", content, Stop);
            Assert.True((int)response.StatusCode is 201 or 400 or 422, $"{name}: {response.StatusCode}");
        }

        var asked = new JsonObject
        {
            ["prompt"] = "a red apple", ["steps"] = 1, ["width"] = 64, ["height"] = 64, ["save_images"] = true,
            ["override_settings"] = new JsonObject { ["outdir_samples"] = "/tmp/row17", ["samples_filename_pattern"] = "../../row17" },
        };
        using HttpResponseMessage made = await worker.Alice.PostAsJsonAsync("/sdapi/v1/txt2img", asked, Stop);
        Assert.Equal(HttpStatusCode.OK, made.StatusCode);
        Assert.Contains("outdir_samples", await made.Content.ReadAsStringAsync(Stop), StringComparison.Ordinal);
        Assert.All(
            Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(folder, path)),
            path =>
                Assert.Matches(
                    @"^(artifacts/[0-9a-f]{2}/\.?[0-9a-f]{64}\.(png|jpg|webp|json)(\.\d+-[0-9a-f]{8}\.tmp)?|snapshots/[0-9A-Z]{26}\.snapshot|embeddings/.*|ledger\.db.*|worker\.lock|\.ready-.*)$",
                    path));
        Assert.Equal(
            beside,
            Directory
                .EnumerateFileSystemEntries(Path.GetDirectoryName(folder)!)
                .Where(path => path.Contains("row17", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Row8_long_prompts_are_cut_or_refused()
    {
        JsonObject Body(int length) =>
            new()
            {
                ["generate"] = new JsonObject
                {
                    ["prompt"] = new JsonObject { ["text"] = string.Concat(Enumerable.Repeat("apple ", length / 6)) },
                    ["sampling"] = new JsonObject { ["num_inference_steps"] = 1, ["seed"] = 1 },
                    ["search"] = new JsonObject { ["candidates"] = 1 },
                },
            };
        using HttpResponseMessage refused = await worker.Alice.PostAsync("/api/v1/jobs", Json(Body(1_000_000).ToJsonString()), Stop);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        using HttpResponseMessage accepted = await worker.Alice.PostAsync("/api/v1/jobs", Json(Body(6_000).ToJsonString()), Stop);
        JsonObject job = await EndOfAsync(worker.Alice, accepted.Headers.Location!.OriginalString);
        Assert.Equal("done", job["state"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("models", "emoji-sd")]
    [InlineData("scorers", "emoji-clip")]
    [InlineData("strategies", "best-of-n")]
    [InlineData("samplers", "DPM++ 2M")]
    [InlineData("limits", "body_bytes")]
    public async Task What_there_is(string address, string expected)
    {
        string text = await worker.Alice.GetStringAsync($"/api/v1/{address}", Stop);
        Assert.Contains(expected, text, StringComparison.Ordinal);
        Assert.DoesNotContain(Directory.GetCurrentDirectory(), text, StringComparison.Ordinal);
        using JsonDocument document = JsonDocument.Parse(text);
        Assert.NotEqual(JsonValueKind.Null, document.RootElement.ValueKind);
    }
}

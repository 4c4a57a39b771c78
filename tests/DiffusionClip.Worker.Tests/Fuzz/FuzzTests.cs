using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace DiffusionClip.Worker.Tests.Fuzz;

/// <summary>
/// Hostile requests to every route of a worker of its own, by the schemas of its OpenAPI document. <c>DIFFUSIONCLIP_FUZZ</c> says how
/// many, <c>DIFFUSIONCLIP_FUZZ_SEED</c> from which number on; every failure names its number.
/// </summary>
public sealed class FuzzTests
{
    private const int Senders = 6;

    // Fields that are worth trying beside those that the document names.
    private static readonly string[] _imageFields =
    [
        "prompt",
        "negative_prompt",
        "styles",
        "seed",
        "subseed",
        "subseed_strength",
        "sampler_name",
        "sampler_index",
        "scheduler",
        "batch_size",
        "n_iter",
        "steps",
        "cfg_scale",
        "width",
        "height",
        "eta",
        "override_settings",
        "override_settings_restore_afterwards",
        "enable_hr",
        "denoising_strength",
        "script_name",
        "script_args",
        "alwayson_scripts",
        "send_images",
        "save_images",
        "infotext",
        "init_images",
        "resize_mode",
        "mask",
        "mask_blur",
        "inpainting_fill",
        "inpaint_full_res",
        "include_init_images",
        "image",
        "images",
        "model",
        "n",
        "size",
        "quality",
        "background",
        "output_format",
        "output_compression",
        "response_format",
        "moderation",
        "style",
        "user",
        "stream",
        "partial_images",
        "extra_body",
        "diffusionclip",
        "sd_model_checkpoint",
        "CLIP_stop_at_last_layers",
        "candidates",
        "file",
        "captions",
    ];

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_request_breaks_the_worker()
    {
        int count = NumberFrom("DIFFUSIONCLIP_FUZZ", 800);
        int first = NumberFrom("DIFFUSIONCLIP_FUZZ_SEED", 1);
        string folder = Directory.CreateTempSubdirectory("dclip-fuzz-").FullName;
        try
        {
            using WorkerProcess worker = await WorkerProcess.StartAsync(
                folder,
                "--DiffusionClip:Limits:Steps=3",
                "--DiffusionClip:Limits:Candidates=2",
                "--DiffusionClip:Candidates=1",
                "--DiffusionClip:Limits:Side=128",
                "--Worker:Queue:CallerCapacity=40",
                "--Worker:Trust:BodyBytes=2000000");
            worker.Client.Timeout = TimeSpan.FromMinutes(5);
            JsonObject document = (await worker.Client.GetFromJsonAsync<JsonObject>("/openapi/v1.json", Stop))!;
            (string Method, string Path, JsonObject Operation)[] operations =
            [
                .. document["paths"]!
                    .AsObject()
                    .SelectMany(path =>
                        path.Value!.AsObject()
                            .Where(entry => entry.Key is "get" or "post" or "delete" or "put")
                            .Select(entry => (entry.Key, path.Key, entry.Value!.AsObject()))),
            ];
            JsonObject schemas = document["components"]!["schemas"]!.AsObject();
            var known = new ConcurrentQueue<string>(["01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
            var statuses = new ConcurrentDictionary<int, int>();
            var bad = new ConcurrentBag<string>();
            var resident = new List<long>();
            await WarmUpAsync(worker);
            for (int quarter = 0; quarter < 4; quarter++)
            {
                await SendAsync(quarter * count / 4, (quarter + 1) * count / 4);

                // Whatever was accepted comes to an end; what a running job holds is no growth.
                await RestAsync(worker);
                resident.Add(worker.Resident);
            }

            int jobs = await CountJobsAsync(worker);
            TestContext.Current.TestOutputHelper?.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"fuzz {count} requests to {operations.Length} operations from number {first}: {string.Join(", ", statuses.OrderBy(entry => entry.Key).Select(entry => $"{entry.Value}x{entry.Key}"))}; {jobs} jobs, all over; resident after each quarter {string.Join(", ", resident.Select(bytes => bytes >> 20))} MiB"
                ));
            Assert.True(bad.IsEmpty, string.Join('\n', bad.Take(20)));
            Assert.False(worker.Process.HasExited);

            Assert.InRange(resident[3] - resident[0], long.MinValue, (80L << 20) + (count * 4096L));
            if (count >= 10_000)
            {
                // The first half fills what is kept: models, caches, the collector's generations. After that it is the slope that counts:
                // what a request leaves, beside what a single large one may leave at any time.
                Assert.InRange(resident[3] - resident[1], long.MinValue, (64L << 20) + (count / 2 * 2048L));
            }

            async Task SendAsync(int from, int to)
            {
                int next = from - 1;
                await Task.WhenAll(Enumerable.Range(0, Senders).Select(async _ =>
                {
                    for (int i; (i = Interlocked.Increment(ref next)) < to;)
                    {
                        string name = "";
                        try
                        {
                            using HttpRequestMessage request = Request(new FuzzInput((ulong)(first + i)), operations, schemas, known);
                            name = $"number {first + i}: {request.Method} {request.RequestUri}";
                            using HttpResponseMessage response = await worker.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Stop);
                            int status = (int)response.StatusCode;
                            statuses.AddOrUpdate(status, 1, static (_, number) => number + 1);
                            string text = await response.Content.ReadAsStringAsync(Stop);
                            if (status is >= 500 and not (503 or 507))
                            {
                                bad.Add($"{name}: {status} {text[..Math.Min(text.Length, 300)]}");
                            }

                            if (response.Headers.Location is { } location)
                            {
                                known.Enqueue(location.OriginalString.Split('/')[^1]);
                            }
                        }
                        catch (Exception exception) when (exception is HttpRequestException or IOException && !worker.Process.HasExited)
                        {
                            // A body that is refused before it is read ends the connection: that is an answer.
                            statuses.AddOrUpdate(0, 1, static (_, number) => number + 1);
                        }
                        catch (Exception exception) when (exception is not OperationCanceledException)
                        {
                            bad.Add($"{name}: {exception.Message}");
                        }
                    }
                }));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // What models keep, by the runtime's arenas, for the longest prompt in the largest picture is kept once and is no growth.
    private static async Task WarmUpAsync(WorkerProcess worker)
    {
        JsonObject limits = (await worker.Client.GetFromJsonAsync<JsonObject>("/api/v1/limits", Stop))!;
        int side = limits["side"]!.GetValue<int>();
        var body = new JsonObject
        {
            ["prompt"] = string.Concat(Enumerable.Repeat("a ", limits["prompt_length"]!.GetValue<int>() / 2)),
            ["steps"] = limits["steps"]!.GetValue<int>(),
            ["width"] = side,
            ["height"] = side,
            ["batch_size"] = limits["candidates"]!.GetValue<int>(),
        };
        using HttpResponseMessage picture = await worker.Client.PostAsJsonAsync("/sdapi/v1/txt2img", body, Stop);
        JsonObject answer = (await picture.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonObject>(Stop))!;
        body["init_images"] = new JsonArray(answer["images"]!.AsArray()[0]!.DeepClone());
        using HttpResponseMessage variation = await worker.Client.PostAsJsonAsync("/sdapi/v1/img2img", body, Stop);
        variation.EnsureSuccessStatusCode();
    }

    private static async Task RestAsync(WorkerProcess worker)
    {
        foreach (string state in new[] { "queued", "running" })
        {
            while (
                !worker.Process.HasExited
                && (await worker.Client.GetFromJsonAsync<JsonObject>($"/api/v1/jobs?state={state}", Stop))!["jobs"]!.AsArray()
                    is { Count: > 0 })
            {
                await Task.Delay(200, Stop);
            }
        }
    }

    private static async Task<int> CountJobsAsync(WorkerProcess worker)
    {
        int jobs = 0;
        string? before = null;
        do
        {
            JsonObject page = (
                await worker.Client.GetFromJsonAsync<JsonObject>(
                    $"/api/v1/jobs?limit=200{(before is null ? "" : "&before=" + before)}",
                    Stop)
            )!;
            foreach (JsonNode? job in page["jobs"]!.AsArray())
            {
                string state = job!["state"]!.GetValue<string>();
                Assert.Contains(state, new[] { "done", "failed", "cancelled" });
                Assert.True(state != "failed" || job["reason"] is not null);
                jobs++;
            }

            before = page["next"]?.GetValue<string>();
        }
        while (before is not null);
        return jobs;
    }

    private static HttpRequestMessage Request(
        FuzzInput input,
        (string Method, string Path, JsonObject Operation)[] operations,
        JsonObject schemas,
        ConcurrentQueue<string> known)
    {
        // Three of four where most can go wrong.
        (string method, string path, JsonObject operation) = !input.OneIn(4)
            ? input.Of([.. operations.Where(candidate => candidate.Operation["requestBody"] is not null || candidate.Method == "post")])
            : input.Of(operations);
        string address = System.Text.RegularExpressions.Regex.Replace(
            path,
            @"\{[^}]*\}",
            _ =>
                input.OneIn(3) ? Uri.EscapeDataString(Short(input))
                : known.ToArray() is var names ? input.Of(names)
                : "");
        var query = new List<string>();
        foreach (JsonNode? parameter in operation["parameters"]?.AsArray() ?? [])
        {
            if (parameter!["in"]!.GetValue<string>() == "query" && input.OneIn(2))
            {
                query.Add($"{parameter["name"]}={Uri.EscapeDataString(input.OneIn(3) ? Short(input) : input.Number())}");
            }
        }

        var request = new HttpRequestMessage(
            new HttpMethod(method.ToUpperInvariant()),
            address + (query.Count > 0 ? "?" + string.Join('&', query) : ""));
        foreach (string header in new[] { "Idempotency-Key", "Last-Event-ID", "Accept", "X-API-Key", "If-None-Match", "Range" })
        {
            if (input.OneIn(8))
            {
                string value = new([.. Short(input).Where(character => character is >= ' ' and < (char)127)]);
                request.Headers.TryAddWithoutValidation(header, value);
            }
        }

        if (method is "post" or "put")
        {
            var media = operation["requestBody"]
                ?["content"]?.AsObject()
                .ToDictionary(entry => entry.Key, entry => entry.Value!["schema"]);
            request.Content = input.Body(
                media is { Count: > 0 }
                    ? media
                    : new Dictionary<string, JsonNode?>
                    {
                        [path.EndsWith("/edits", StringComparison.Ordinal) ? "multipart/form-data" : "application/json"] = null,
                    },
                schemas,
                _imageFields);
        }

        return request;
    }

    private static string Short(FuzzInput input) =>
        input.Text() is { Length: > 200 } text ? text[..200]
        : input.Text() is { Length: <= 200 } other ? other
        : "x";

    private static int NumberFrom(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            ? number
            : otherwise;
}

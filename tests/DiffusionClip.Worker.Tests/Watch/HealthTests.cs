using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using DiffusionClip.Worker.Jobs;
using DiffusionClip.Worker.Watch;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace DiffusionClip.Worker.Tests.Watch;

public class HealthTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static async Task<(HttpStatusCode Status, JsonObject Report)> AskAsync(WorkerHost host)
    {
        using HttpResponseMessage response = await host.Client.GetAsync("/health/ready", Stop);
        return (response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonObject>(Stop))!);
    }

    [Fact]
    public async Task It_becomes_ready_once_the_model_is_loaded()
    {
        await using WorkerHost host = await WorkerHost.StartAsync(SharedModels.Leave);
        Assert.Equal("""{"status":"ok"}""", await host.Client.GetStringAsync("/health/live", Stop));
        while ((await AskAsync(host)).Status != HttpStatusCode.OK)
        {
            await Task.Delay(20, Stop);
        }

        Assert.True((await AskAsync(host)).Report["ready"]!.GetValue<bool>());
    }

    [Fact]
    public async Task Row21_a_model_that_is_not_there_is_named()
    {
        await using WorkerHost host = await WorkerHost.StartAsync(null, "--DiffusionClip:DefaultModel=no-such-model");
        JsonObject report;
        do
        {
            (HttpStatusCode status, report) = await AskAsync(host);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        }
        while (report["checks"]!["models"]!.GetValue<string>().Contains("being loaded", StringComparison.Ordinal));
        Assert.Contains("no-such-model", report["checks"]!["models"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.DoesNotContain(Golden.Repository, report["checks"]!["models"]!.GetValue<string>(), StringComparison.Ordinal);

        // The other models serve.
        using var body = new StringContent("""{"model":{"id":"emoji-sd"},"prompt":{"text":"x"},"sampling":{"num_inference_steps":1,"seed":1},"search":{"candidates":1}}""", Encoding.UTF8, "application/json");
        Assert.Equal(HttpStatusCode.OK, (await host.Client.PostAsync("/api/v1/generate", body, Stop)).StatusCode);
    }

    [Fact]
    public async Task Row25_a_full_disk_is_not_ready()
    {
        await using WorkerHost host = await WorkerHost.StartAsync(null, $"--Worker:Retention:FreeBytes={1L << 60}");
        (HttpStatusCode status, JsonObject report) = await AskAsync(host);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Contains("MiB are free", report["checks"]!["disk"]!.GetValue<string>(), StringComparison.Ordinal);
        using var body = new StringContent("""{"generate":{}}""", Encoding.UTF8, "application/json");
        using HttpResponseMessage refused = await host.Client.PostAsync("/api/v1/jobs", body, Stop);
        Assert.Equal(HttpStatusCode.InsufficientStorage, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
    }

    [Fact]
    public async Task Row26_a_folder_that_does_not_answer_is_not_ready_and_holds_up_nothing_else()
    {
        using var answer = new ManualResetEventSlim();
        int asked = 0;
        await using WorkerHost host = await WorkerHost.StartAsync(services => services.AddSingleton(new DiskProbe(_ =>
        {
            Interlocked.Increment(ref asked);
            answer.Wait(CancellationToken.None);
            return 1L << 40;
        })));
        for (int i = 0; i < 3; i++)
        {
            (HttpStatusCode status, JsonObject report) = await AskAsync(host);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
            Assert.Equal("the data folder does not answer", report["checks"]!["queue"]!.GetValue<string>());
            Assert.Equal("""{"status":"ok"}""", await host.Client.GetStringAsync("/health/live", Stop));
        }

        // However often it is asked for, one thread hangs, not one of each.
        Assert.Equal(1, asked);
        answer.Set();
        while ((await AskAsync(host)).Status != HttpStatusCode.OK)
        {
            await Task.Delay(50, Stop);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Row26_where_the_ledger_is_removed_while_the_worker_runs_nothing_is_accepted(bool withItsFolder)
    {
        await using WorkerHost host = await WorkerHost.StartAsync();
        const string Body = """{"generate":{"prompt":{"text":"x"},"sampling":{"num_inference_steps":1,"seed":1},"search":{"candidates":1}}}""";
        using HttpResponseMessage accepted = await PostAsync();
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
        while ((await host.Client.GetFromJsonAsync<JsonObject>(accepted.Headers.Location, Stop))!["state"]!.GetValue<string>() != "done")
        {
            await Task.Delay(20, Stop);
        }

        if (withItsFolder)
        {
            Directory.Delete(host.Folder, recursive: true);
        }
        else
        {
            Array.ForEach(Directory.GetFiles(host.Folder, "ledger.db*"), File.Delete);
        }

        using HttpResponseMessage refused = await PostAsync();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.DoesNotContain(host.Folder, await refused.Content.ReadAsStringAsync(Stop), StringComparison.Ordinal);
        JsonObject report;
        do
        {
            // Asked within a second, it may say what was.
            report = (await AskAsync(host)).Report;
        }
        while (report["ready"]!.GetValue<bool>());
        Assert.NotEqual("ok", report["checks"]!["queue"]!.GetValue<string>());
        Assert.Equal("""{"status":"ok"}""", await host.Client.GetStringAsync("/health/live", Stop));
        Assert.False(File.Exists(Path.Combine(host.Folder, "ledger.db")), "an empty ledger was made in its place");
        Directory.CreateDirectory(host.Folder);

        Task<HttpResponseMessage> PostAsync() =>
            host.Client.PostAsync("/api/v1/jobs", new StringContent(Body, Encoding.UTF8, "application/json"), Stop);
    }

    [Fact]
    public async Task Metrics_hold_numbers_and_no_prompts()
    {
        await using WorkerHost host = await WorkerHost.StartAsync();
        using var body = new StringContent("""{"prompt":{"text":"xyzzyprompt"},"sampling":{"num_inference_steps":2,"seed":1},"search":{"candidates":1}}""", Encoding.UTF8, "application/json");
        Assert.Equal(HttpStatusCode.OK, (await host.Client.PostAsync("/api/v1/generate", body, Stop)).StatusCode);
        string metrics = await host.Client.GetStringAsync("/metrics", Stop);
        foreach (
            string name in new[]
            {
                "diffusionclip_jobs",
                "diffusionclip_queue_length",
                "diffusionclip_queue_wait",
                "diffusionclip_stage_duration",
                "diffusionclip_step_duration",
                "diffusionclip_models_loaded",
                "diffusionclip_clip_score",
                "http_server_request_duration",
            })
        {
            Assert.Contains(name, metrics, StringComparison.Ordinal);
        }

        Assert.Contains("stage=\"denoising\"", metrics, StringComparison.Ordinal);
        Assert.DoesNotContain("xyzzyprompt", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public void Row16_log_lines_are_single()
    {
        var text = new StringWriter();
        new LineFormatter().Write(
            new LogEntry<string>(
                LogLevel.Warning,
                "DiffusionClip.Worker.Watch.X",
                default,
                "a\r\nb\u001b[31mc\u2028d\u202ee",
                new InvalidOperationException("one\ntwo"),
                (state, _) => state),
            null,
            text);
        string line = text.ToString();
        Assert.EndsWith(Environment.NewLine, line, StringComparison.Ordinal);
        Assert.DoesNotContain(line.TrimEnd('\n', '\r'), char.IsControl);
        Assert.Contains(" warn X: a  b [31mc d e | ", line, StringComparison.Ordinal);
    }
}

using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;

namespace DiffusionClip.Worker.Tests.Watch;

/// <summary>Row 32 of the fault table, on a process of its own.</summary>
public sealed class ShutdownTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Row32_SIGTERM_drains_leaves_the_rest_and_exits_with_zero()
    {
        string folder = Directory.CreateTempSubdirectory("dclip-shutdown-").FullName;
        try
        {
            string id;
            using (WorkerProcess first = await WorkerProcess.StartAsync(folder))
            {
                using HttpResponseMessage accepted = await first.Client.PostAsync(
                    "/api/v1/jobs", new StringContent("""{"generate":{"prompt":{"text":"x"},"sampling":{"num_inference_steps":8,"seed":1},"search":{"candidates":1000}}}""", Encoding.UTF8, "application/json"), Stop);
                id = (await accepted.Content.ReadFromJsonAsync<JsonObject>(Stop))!["id"]!.GetValue<string>();
                using HttpResponseMessage waiting = await first.Client.PostAsync(
                    "/api/v1/jobs", new StringContent("""{"generate":{"prompt":{"text":"y"},"sampling":{"num_inference_steps":2,"seed":1},"search":{"candidates":1}}}""", Encoding.UTF8, "application/json"), Stop);
                while ((await first.Client.GetFromJsonAsync<JsonObject>($"/api/v1/jobs/{id}", Stop))!["state"]!.GetValue<string>() != "running" || (await first.Client.GetAsync("/health/ready", Stop)).StatusCode != HttpStatusCode.OK)
                {
                    await Task.Delay(20, Stop);
                }

                // Somebody watches: a stream that is open must not hold up the end.
                using HttpResponseMessage events = await first.Client.GetAsync(
                    $"/api/v1/jobs/{id}/events",
                    HttpCompletionOption.ResponseHeadersRead,
                    Stop);
                first.Terminate();
                HttpStatusCode status;
                do
                {
                    using HttpResponseMessage ready = await first.Client.GetAsync("/health/ready", Stop);
                    status = ready.StatusCode;
                }
                while (status == HttpStatusCode.OK);
                Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
                Assert.Equal(HttpStatusCode.OK, (await first.Client.GetAsync("/health/live", Stop)).StatusCode);
                using HttpResponseMessage refused = await first.Client.PostAsync("/api/v1/jobs", new StringContent("""{"generate":{}}""", Encoding.UTF8, "application/json"), Stop);
                Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
                Assert.NotNull(refused.Headers.RetryAfter);
                await first.Process.WaitForExitAsync(Stop);
                Assert.Equal(0, first.Process.ExitCode);
            }

            // Nothing that was accepted is lost: the next process has both.
            using WorkerProcess second = await WorkerProcess.StartAsync(folder);
            JsonObject page = (await second.Client.GetFromJsonAsync<JsonObject>("/api/v1/jobs", Stop))!;
            Assert.Equal(2, page["jobs"]!.AsArray().Count);
            Assert.All(
                page["jobs"]!.AsArray(),
                job => Assert.Contains(job!["state"]!.GetValue<string>(), new[] { "queued", "running", "done" }));
            Assert.True((await second.Client.DeleteAsync($"/api/v1/jobs/{id}", Stop)).IsSuccessStatusCode);
            second.Terminate();
            await second.Process.WaitForExitAsync(Stop);
            Assert.Equal(0, second.Process.ExitCode);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

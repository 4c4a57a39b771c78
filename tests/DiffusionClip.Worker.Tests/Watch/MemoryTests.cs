using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;

namespace DiffusionClip.Worker.Tests.Watch;

/// <summary>Row 35 of the fault table, on a process that the system gives no more memory.</summary>
public sealed class MemoryTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Row35_a_job_that_needs_too_much_memory_fails_and_smaller_ones_go_on()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the limit is set by ulimit");
        string folder = Directory.CreateTempSubdirectory("dclip-memory-").FullName;
        try
        {
            // The collector reserves addresses by its limit.
            var environment = new Dictionary<string, string>
            {
                ["DOTNET_GCHeapHardLimit"] = "0x18000000",
                ["DOTNET_GCRegionSize"] = "0x100000",
            };
            using WorkerProcess worker = await WorkerProcess.StartAsync(
                folder,
                environment,
                ["--DiffusionClip:Limits:Side=4096"],
                addressSpace: 12_000_000);

            // The attention of 256 x 256 places wants 17 GB.
            (HttpStatusCode status, string reason) = await GenerateAsync(worker, 4096);
            Assert.Equal(HttpStatusCode.InternalServerError, status);
            Assert.Contains("out of memory", reason, StringComparison.Ordinal);
            Assert.Contains("smaller", reason, StringComparison.Ordinal);
            Assert.Equal(HttpStatusCode.OK, (await GenerateAsync(worker, 64)).Status);
            JsonArray jobs = (await worker.Client.GetFromJsonAsync<JsonObject>("/api/v1/jobs", Stop))!["jobs"]!.AsArray();
            Assert.Equal(["done", "failed"], jobs.Select(job => (string)job!["state"]!));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(HttpStatusCode Status, string Text)> GenerateAsync(WorkerProcess worker, int side)
    {
        string body = FormattableString.Invariant($$$"""{"prompt":{"text":"a red apple"},"sampling":{"width":{{{side}}},"height":{{{side}}},"num_inference_steps":1,"seed":1},"search":{"candidates":1}}""");
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await worker.Client.PostAsync("/api/v1/generate", content, Stop);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Stop));
    }
}

using System.Diagnostics;
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
    public async Task Row32_SigTermDrainsLeavesTheRestAndExitsWithZero()
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
                using HttpResponseMessage events = await first.Client.GetAsync($"/api/v1/jobs/{id}/events", HttpCompletionOption.ResponseHeadersRead, Stop);
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
            Assert.All(page["jobs"]!.AsArray(), job => Assert.Contains(job!["state"]!.GetValue<string>(), new[] { "queued", "running", "done" }));
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

/// <summary>The worker as its users start it.</summary>
internal sealed class WorkerProcess : IDisposable
{
    private WorkerProcess(Process process, Uri address)
    {
        Process = process;
        Client = new HttpClient { BaseAddress = address };
    }

    public Process Process { get; }

    public HttpClient Client { get; }

    public static Task<WorkerProcess> StartAsync(string folder, params string[] args) => StartAsync(folder, [], args, null);

    /// <param name="folder">The data folder.</param>
    /// <param name="environment">Variables of the process.</param>
    /// <param name="args">Further settings.</param>
    /// <param name="addressSpace">Most kilobytes of addresses that the system gives it; null: as many as it likes.</param>
    public static async Task<WorkerProcess> StartAsync(string folder, Dictionary<string, string> environment, string[] args, long? addressSpace = null)
    {
        string[] program = addressSpace is { } most ? ["bash", "-c", $"ulimit -v {most}; exec \"$@\"", "bash", "dotnet"] : ["dotnet"];
        var start = new ProcessStartInfo(program[0], [.. program[1..], typeof(WorkerApplication).Assembly.Location, "--Worker:Url=http://127.0.0.1:0", $"--Worker:DataFolder={folder}", "--Worker:Queue:DrainTimeout=00:00:02", "--Logging:LogLevel:Default=Warning", .. args])
        {
            RedirectStandardOutput = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        Process process = Process.Start(start)!;
        string line = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("the worker ended at once");
        return new WorkerProcess(process, new Uri(line[line.IndexOf("http", StringComparison.Ordinal)..]));
    }

    /// <summary>Asks it to end as a service manager does.</summary>
    public void Terminate()
    {
        using Process kill = Process.Start("kill", ["-TERM", Process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public void Dispose()
    {
        Client.Dispose();
        if (!Process.HasExited)
        {
            Process.Kill();
        }

        Process.Dispose();
    }
}

using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using DiffusionClip.Worker.Tests;

namespace DiffusionClip.Worker.Jobs;

/// <summary>
/// A disk that stalls, for real: a small file system is frozen, so that whoever writes to it waits, as with a network file system whose
/// server is gone. Needs the right to mount one.
/// </summary>
public sealed class DiskStallTests : IDisposable
{
    private const string Body = """{"generate":{"prompt":{"text":"two cats"},"sampling":{"num_inference_steps":2},"search":{"candidates":1}}}""";

    private readonly string _folder = Directory.CreateTempSubdirectory("dclip-stall-").FullName;
    private readonly string _disk;
    private readonly bool _mounted;

    public DiskStallTests()
    {
        _disk = Path.Combine(_folder, "disk");
        string image = Path.Combine(_folder, "image");
        Directory.CreateDirectory(_disk);
        using (FileStream file = File.Create(image))
        {
            file.SetLength(256 << 20);
        }

        _mounted = OperatingSystem.IsLinux() && Shell.Run("mkfs.ext4", "-q", "-F", image) && Shell.Run("mount", "-o", "loop", image, _disk);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        if (_mounted)
        {
            Thaw();
            Shell.Run("umount", _disk);
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Row26_while_the_disk_stalls_nothing_is_accepted_the_worker_answers_and_afterwards_it_goes_on()
    {
        Assert.SkipUnless(_mounted, "no file system can be mounted here");
        using WorkerProcess worker = await WorkerProcess.StartAsync(Path.Combine(_disk, "data"));
        while (await ReadyAsync(worker) is not "ok")
        {
            await Task.Delay(50, Stop);
        }

        Assert.Equal(HttpStatusCode.Accepted, (await PostAsync(worker)).Status);
        Assert.SkipUnless(Shell.Run("fsfreeze", "-f", _disk), "no file system can be frozen here");
        string? job;
        try
        {
            // Whatever happens here, the machine gets its disk back.
            using Process guard = Process.Start("sh", ["-c", $"sleep 90; fsfreeze -u {_disk} 2>/dev/null"]);
            while (await ReadyAsync(worker) is "ok")
            {
                await Task.Delay(50, Stop);
            }

            Assert.Equal("the data folder does not answer", await ReadyAsync(worker));
            for (int i = 0; i < 3; i++)
            {
                Assert.Equal(HttpStatusCode.ServiceUnavailable, (await PostAsync(worker)).Status);
                using var file = new ByteArrayContent(PngFile.Of(8, 8, 8, 2, _ => new byte[24]))
                {
                    Headers = { ContentType = new("image/png") },
                };
                using HttpResponseMessage picture = await worker.Client.PostAsync("/api/v1/artifacts", file, Stop);
                Assert.Equal(HttpStatusCode.ServiceUnavailable, picture.StatusCode);
                Assert.Equal("""{"status":"ok"}""", await worker.Client.GetStringAsync("/health/live", Stop));
            }

            guard.Kill();
        }
        finally
        {
            Thaw();
        }

        do
        {
            (_, job) = await PostAsync(worker);
        }
        while (job is null);
        while (true)
        {
            JsonObject now = (await worker.Client.GetFromJsonAsync<JsonObject>($"/api/v1/jobs/{job}", Stop))!;
            string state = now["state"]!.GetValue<string>();
            Assert.NotEqual("failed", state);
            if (state == "done")
            {
                break;
            }

            await Task.Delay(50, Stop);
        }
    }

    private void Thaw() => Shell.Run("fsfreeze", "-u", _disk);

    private static async Task<string> ReadyAsync(WorkerProcess worker)
    {
        using HttpResponseMessage ready = await worker.Client.GetAsync("/health/ready", Stop);
        JsonNode checks = (await ready.Content.ReadFromJsonAsync<JsonObject>(Stop))!["checks"]!;
        return checks["models"]!.GetValue<string>() is "ok" ? checks["queue"]!.GetValue<string>() : "models";
    }

    private static async Task<(HttpStatusCode Status, string? Job)> PostAsync(WorkerProcess worker)
    {
        using var body = new StringContent(Body, Encoding.UTF8, "application/json");
        using HttpResponseMessage reply = await worker.Client.PostAsync("/api/v1/jobs", body, Stop);
        return (
            reply.StatusCode,
            reply.IsSuccessStatusCode ? (await reply.Content.ReadFromJsonAsync<JsonObject>(Stop))!["id"]!.GetValue<string>() : null);
    }
}

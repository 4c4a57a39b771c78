using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace DiffusionClip.Worker.Tests.Watch;

public sealed class HeapTrimTests
{
    private const long Allowed = 256L << 20;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_large_picture_took_is_given_back()
    {
        string folder = Directory.CreateTempSubdirectory("dclip-trim-").FullName;
        try
        {
            using WorkerProcess worker = await WorkerProcess.StartAsync(folder);

            // The first loads and compiles what the second finds.
            await InterrogateAsync(worker, 16, 16);
            long before = worker.Resident;
            await InterrogateAsync(worker, 65_535, 1500);
            var time = Stopwatch.StartNew();
            long after = worker.Resident;
            for (; after > before + Allowed && time.Elapsed < TimeSpan.FromMinutes(1); after = worker.Resident)
            {
                await Task.Delay(500, Stop);
            }

            Assert.InRange(after - before, long.MinValue, Allowed);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // A file of some forty bytes, one painted pixel in a picture of that size.
    private static async Task InterrogateAsync(WorkerProcess worker, ushort width, ushort height)
    {
        byte[] file = Convert.FromBase64String("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7");
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(6), width);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(8), height);
        using HttpResponseMessage reply = await worker.Client.PostAsJsonAsync(
            "/sdapi/v1/interrogate",
            new JsonObject { ["image"] = Convert.ToBase64String(file), ["model"] = "clip" },
            Stop);
        reply.EnsureSuccessStatusCode();
    }
}

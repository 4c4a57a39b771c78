using DiffusionClip.Imaging;
using DiffusionClip.Worker.Jobs.Artifacts;

namespace DiffusionClip.Worker.Jobs;

/// <summary>What goes, what stays, and what is swept away after a crash.</summary>
public sealed class RetentionTests
{
    [Fact]
    public async Task Old_jobs_and_their_files_go_pinned_and_waiting_ones_and_what_they_need_stay()
    {
        var clock = new Clock();
        await using QueueHost host = await QueueHost.StartAsync(
            options => options.Retention.Age = TimeSpan.FromDays(30),
            services => services.AddSingleton<TimeProvider>(clock));
        JobSubmission one = QueueHost.Generate(seed: 1),
            two = QueueHost.Generate(seed: 2);
        Job old = await host.RunAsync(one);
        Job pinned = await host.RunAsync(two with { Body = two.Body with { Pinned = true } });
        Retention retention = host.Get<Retention>();
        Assert.Equal((0, 0), await retention.RunAsync(CancellationToken.None));

        clock.Jump(TimeSpan.FromDays(31));
        Job young = await host.RunAsync(QueueHost.Generate(seed: 3));
        (int jobs, int files) = await retention.RunAsync(CancellationToken.None);
        Assert.Equal((1, 0), (jobs, files));

        // What was put within the hour stays for now; the clock's jump alone does not count, an hour has to pass.
        clock.Pass(TimeSpan.FromHours(2));
        (jobs, files) = await retention.RunAsync(CancellationToken.None);
        Assert.Equal((0, 1), (jobs, files));
        Assert.Null(host.Queue.Find("local", old.Id));
        Assert.Null(await host.Artifacts.FindAsync(Picture(old)));
        Assert.NotNull(await host.Artifacts.FindAsync(Picture(pinned)));
        Assert.NotNull(await host.Artifacts.FindAsync(Picture(young)));
        Assert.Equal(2, host.Queue.List("local").Count);
    }

    [Fact]
    public async Task Beyond_the_total_size_the_oldest_go_first_and_never_what_a_waiting_job_reads()
    {
        var clock = new Clock();
        await using QueueHost host = await QueueHost.StartAsync(
            options => options.Retention.TotalBytes = 1,
            services => services.AddSingleton<TimeProvider>(clock),
            run: false);
        byte[] png = host.Get<IImageCodec>().EncodePng(new RgbImage(64, 64, new byte[3 * 64 * 64])),
            lonely = host.Get<IImageCodec>().EncodePng(new RgbImage(32, 32, new byte[3 * 32 * 32]));
        string needed = await host.Artifacts.PutAsync(png, "image/png"),
            unneeded = await host.Artifacts.PutAsync(lonely, "image/png");
        await host.Artifacts.OwnAsync("local", needed);
        await host.Artifacts.OwnAsync("local", unneeded);
        await host.Queue.SubmitAsync(
            new JobSubmission(
                "local",
                JobKind.Rank,
                new JobBody
                {
                    Rank = new() { Prompt = "x", Images = [needed] },
                }));
        Retention retention = host.Get<Retention>();
        Assert.Equal((0, 0), await retention.RunAsync(CancellationToken.None));
        clock.Pass(TimeSpan.FromHours(2));
        Assert.Equal((0, 1), await retention.RunAsync(CancellationToken.None));
        Assert.NotNull(await host.Artifacts.FindAsync(needed));
        Assert.Null(await host.Artifacts.FindAsync(unneeded));
    }

    [Fact]
    public async Task Leftovers_of_a_crash_are_swept_away_and_links_are_not_followed()
    {
        await using QueueHost host = await QueueHost.StartAsync(run: false);
        byte[] png = host.Get<IImageCodec>().EncodePng(new RgbImage(8, 8, new byte[192]));
        string kept = await host.Artifacts.PutAsync(png, "image/png");
        string artifacts = Path.Combine(host.Folder, "artifacts"), snapshots = Path.Combine(host.Folder, "snapshots");
        Directory.CreateDirectory(Path.Combine(artifacts, "ab"));
        string half = Path.Combine(artifacts, "ab", $"{new string('a', 64)}.png.1-1.tmp"),
            unknown = Path.Combine(artifacts, "ab", "ab" + new string('c', 62) + ".png");
        string secret = Path.Combine(host.Folder, "secret.png"),
            name = "ab" + new string('d', 62),
            link = Path.Combine(artifacts, "ab", name + ".png");
        string snapshot = Path.Combine(snapshots, "01ARZ3NDEKTSV4RRFFQ69G5FAV.snapshot");
        foreach (string path in new[] { half, unknown, secret, snapshot })
        {
            await File.WriteAllBytesAsync(path, png);
        }

        File.CreateSymbolicLink(link, secret);
        Directory.CreateSymbolicLink(Path.Combine(artifacts, "cd"), host.Folder);
        Assert.Null(await host.Artifacts.FindAsync(name));
        Assert.Null(await host.Artifacts.FindAsync("../../secret"));
        await host.Get<Retention>().SweepAsync(CancellationToken.None);
        Assert.False(File.Exists(half) || File.Exists(unknown) || File.Exists(snapshot));
        Assert.True(File.Exists(secret));
        Assert.NotNull(await host.Artifacts.FindAsync(kept));
    }

    [Fact]
    public async Task What_is_no_picture_of_its_type_is_not_kept()
    {
        await using QueueHost host = await QueueHost.StartAsync(run: false);
        await Assert.ThrowsAsync<InvalidRequestException>(() => host.Artifacts.PutAsync("<svg onload=alert(1)>"u8.ToArray(), "image/png"));
        await Assert.ThrowsAsync<InvalidRequestException>(() => host.Artifacts.PutAsync("<html>"u8.ToArray(), "text/html"));
    }

    private static string Picture(Job job) => Assert.Single(job.Result!.Images).Sha256;
}

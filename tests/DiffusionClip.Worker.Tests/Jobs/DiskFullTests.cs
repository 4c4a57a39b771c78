using System.Security.Cryptography;
using DiffusionClip.Worker.Tests;
using Microsoft.Data.Sqlite;

namespace DiffusionClip.Worker.Jobs;

/// <summary>A disk that is full, for real: a small file system of its own. Needs the right to mount one.</summary>
public sealed class DiskFullTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dclip-full-").FullName;
    private readonly bool _mounted;

    public DiskFullTests() => _mounted = OperatingSystem.IsLinux() && Shell.Run("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", _folder);

    public void Dispose()
    {
        if (_mounted)
        {
            Shell.Run("umount", _folder);
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_full_disk_fails_what_it_hits_leaves_nothing_half_written_and_is_over_when_space_is_freed()
    {
        Assert.SkipUnless(_mounted, "no file system can be mounted here");
        using var enter = new SemaphoreSlim(0);
        using var go = new SemaphoreSlim(0);
        bool trapped = false;
        await using (QueueHost host = await QueueHost.StartAsync(
            services: services => services.AddSingleton<ISearchStrategyFactory>(new SearchStrategyFactory(new TrapStrategy("trap", () =>
            {
                trapped = true;
                enter.Release();
                go.Wait();
            }))),
            folder: _folder))
        {
            Assert.Equal(JobState.Done, (await host.RunAsync(QueueHost.Generate())).State);

            // The disk fills while a job runs: it fails with the reason.
            JobSubmission submission = QueueHost.Generate(seed: 5);
            Job running = await host.Queue.SubmitAsync(
                submission with
                {
                    Body = new JobBody
                    {
                        Generate = submission.Body.Generate! with
                        {
                            Search = new() { Strategy = "trap", Candidates = 1 },
                        },
                    },
                });
            await enter.WaitAsync();
            string filler = Path.Combine(_folder, "filler");
            Fill(filler);
            go.Release();
            StorageException refused = await Assert.ThrowsAsync<StorageException>(async () =>
            {
                // The ledger's log may have room for a few.
                for (int i = 0; i < 2000; i++)
                {
                    await host.Queue.SubmitAsync(
                        QueueHost.Generate(seed: (ulong)i, caller: "filler") with
                        {
                            Priority = JobPriority.Batch,
                        });
                }
            });
            Assert.True(refused.IsFull, refused.Message);
            await Task.Delay(500);
            File.Delete(filler);
            Job failed = await host.Queue.WaitAsync("local", running.Id, CancellationToken.None);
            Assert.True(trapped);
            Assert.Equal(JobState.Failed, failed.State);
            Assert.Contains("no space left", failed.Reason, StringComparison.Ordinal);

            // Freed: everything works again.
            foreach (Job waiting in host.Queue.List("filler", limit: 200, states: [JobState.Queued]))
            {
                await host.Queue.CancelAsync("filler", waiting.Id);
            }

            Assert.Equal(JobState.Done, (await host.RunAsync(QueueHost.Generate(seed: 6))).State);
            foreach (string file in Directory.EnumerateFiles(Path.Combine(_folder, "artifacts"), "*", SearchOption.AllDirectories))
            {
                Assert.Equal(
                    Path.GetFileNameWithoutExtension(file),
                    Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(file))));
            }
        }

        using var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = Path.Combine(_folder, "ledger.db"), Pooling = false }.ToString());
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "PRAGMA integrity_check";
        Assert.Equal("ok", command.ExecuteScalar());
    }

    [Fact]
    public async Task Too_little_free_space_accepts_nothing()
    {
        await using QueueHost host = await QueueHost.StartAsync(options => options.Retention.FreeBytes = long.MaxValue / 2, run: false);
        Assert.True((await Assert.ThrowsAsync<StorageException>(() => host.Queue.SubmitAsync(QueueHost.Generate()))).IsFull);
        Assert.Empty(host.Queue.List("local"));
    }

    [Fact]
    public void A_read_only_file_system_is_refused_by_name()
    {
        Assert.SkipUnless(_mounted && Shell.Run("mount", "-o", "remount,ro", _folder), "no file system can be mounted here");
        InvalidRequestException refused = Assert.Throws<InvalidRequestException>(() =>
            new DataFolder(new WorkerOptions { DataFolder = Path.Combine(_folder, "data") }));
        Assert.Contains(_folder, refused.Message, StringComparison.Ordinal);
    }

    private static void Fill(string path)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        foreach (int size in new[] { 1 << 16, 4096, 512, 1 })
        {
            try
            {
                while (true)
                {
                    file.Write(new byte[size]);
                }
            }
            catch (IOException)
            {
                // Full at this size.
            }
        }
    }
}

using DiffusionClip.Worker.Jobs.Ledger;
using DiffusionClip.Worker.Jobs.Running;
using Microsoft.Extensions.Time.Testing;

namespace DiffusionClip.Worker.Jobs;

/// <summary>When a running job is written down.</summary>
public sealed class SnapshotStoreTests
{
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(1);

    [Fact]
    public async Task A_snapshot_is_due_after_the_interval_and_a_hundred_times_the_cost_of_the_last_one()
    {
        var clock = new FakeTimeProvider();
        TimeSpan interval = TimeSpan.FromSeconds(5), cost = TimeSpan.FromMilliseconds(70);
        await using QueueHost host = await QueueHost.StartAsync(
            options => options.Queue.SnapshotInterval = interval, services => services.AddSingleton<TimeProvider>(clock), run: false);
        Job job = await host.Queue.SubmitAsync(QueueHost.Generate());
        using var running = new RunningJob();
        IRunSnapshots snapshots = host.Get<SnapshotStore>().For((await host.Get<JobLedger>().StartAsync(job.Id, _ => { }))!, running);
        Assert.False(snapshots.IsDue());
        clock.Advance(interval - Moment);
        Assert.False(snapshots.IsDue());
        clock.Advance(Moment);
        Assert.True(snapshots.IsDue());

        // From the question to the file it takes its time.
        clock.Advance(cost);
        snapshots.Save([1, 2, 3]);
        Assert.Equal([1, 2, 3], snapshots.Load()!);
        clock.Advance(interval);
        Assert.False(snapshots.IsDue());
        clock.Advance((100 * cost) - interval - Moment);
        Assert.False(snapshots.IsDue());
        clock.Advance(Moment);
        Assert.True(snapshots.IsDue());

        // The next one costs nothing: the interval holds again.
        snapshots.Save([4]);
        clock.Advance(interval - Moment);
        Assert.False(snapshots.IsDue());
        clock.Advance(Moment);
        Assert.True(snapshots.IsDue());
        snapshots.Save([5]);

        // Whoever has to leave is written down at once, and ends with it.
        Assert.False(snapshots.IsDue());
        running.Park();
        Assert.True(snapshots.IsDue());
        Assert.False(running.Abort.IsCancellationRequested);
        snapshots.Save([6]);
        Assert.True(running.Abort.IsCancellationRequested);
        Assert.Equal([6], snapshots.Load()!);
    }
}

using DiffusionClip.Worker.Jobs.Running;
using Microsoft.Extensions.Time.Testing;

namespace DiffusionClip.Worker.Jobs;

/// <summary>Cancel, finish and drain.</summary>
public sealed class JobStopTests
{
    [Fact]
    public async Task Cancel_follows_the_table()
    {
        await using QueueHost host = await QueueHost.StartAsync();
        IJobQueue queue = host.Queue;
        Job running = await queue.SubmitAsync(Long());
        await RunningAsync(host, running);
        Job queued = await queue.SubmitAsync(QueueHost.Generate());

        Assert.Equal(CancelOutcome.Unknown, await queue.CancelAsync("somebody", queued.Id));
        Assert.Equal(CancelOutcome.Unknown, await queue.CancelAsync("local", "01ARZ3NDEKTSV4RRFFQ69G5FAV"));
        Assert.Equal(CancelOutcome.Unknown, await queue.CancelAsync("local", "../ledger.db"));
        Assert.Equal(CancelOutcome.Cancelled, await queue.CancelAsync("local", queued.Id));
        Assert.Equal(CancelOutcome.AlreadyCancelled, await queue.CancelAsync("local", queued.Id));
        Assert.Equal(CancelOutcome.Stopping, await queue.CancelAsync("local", running.Id));
        Job over = await WaitAsync(host, running);
        Assert.Equal((JobState.Cancelled, "cancelled by its caller"), (over.State, over.Reason));
        Assert.Null(over.Result);
        Assert.Equal(CancelOutcome.AlreadyCancelled, await queue.CancelAsync("local", running.Id));

        Job done = await host.RunAsync(QueueHost.Generate());
        Assert.Equal(JobState.Done, done.State);
        Assert.Equal(CancelOutcome.Over, await queue.CancelAsync("local", done.Id));
        Assert.Equal((0, 0), (queue.Status("local").Queued, queue.Status("local").Running));
    }

    [Fact]
    public async Task Finish_keeps_what_is_there()
    {
        using var gate = new Gate();
        await using QueueHost host = await QueueHost.StartAsync(services: services => Strategy(services, HeldAt(2, gate)));
        Job job = await host.Queue.SubmitAsync(Halving());
        await gate.Reached;
        Assert.Equal(CancelOutcome.Stopping, await host.Queue.CancelAsync("local", job.Id, CancelKind.Finish));
        gate.Open();
        Job over = await WaitAsync(host, job);
        Assert.Equal((JobState.Done, null), (over.State, over.Reason));
        Assert.True(over.Result!.Report!.FinishedEarly);
        Assert.NotEmpty(over.Result.Images);
    }

    [Fact]
    public async Task A_drain_refuses_waits_and_leaves_the_rest_to_the_next_process_which_ends_in_the_same_bits()
    {
        string folder = Directory.CreateTempSubdirectory("dclip-drain-").FullName;
        try
        {
            TimeSpan drain = TimeSpan.FromSeconds(20);
            void Options(WorkerOptions options) =>
                (options.Queue.DrainTimeout, options.Queue.SnapshotInterval) = (drain, TimeSpan.FromMinutes(5));
            var clock = new FakeTimeProvider();
            using var gate = new Gate();
            JobSubmission submission = Halving();
            string id, waiting;
            Task<Job> wait;
            Task<List<JobEvent>> watch;
            await using (QueueHost host = await QueueHost.StartAsync(
                Options, services => Strategy(services.AddSingleton<TimeProvider>(clock), HeldAt(2, gate)), folder))
            {
                id = (await host.Queue.SubmitAsync(submission)).Id;
                waiting = (await host.Queue.SubmitAsync(QueueHost.Generate(seed: 3))).Id;
                wait = host.Queue.WaitAsync("local", id, CancellationToken.None);
                watch = host.Queue.WatchAsync("local", id, 0, CancellationToken.None).ToListAsync().AsTask();
                await gate.Reached;
                RunningJob running = Assert.Single(host.Get<JobQueue>().Running);
                Task stop = host.Host.StopAsync();
                await Assert.ThrowsAsync<DrainingException>(async () =>
                {
                    while (true)
                    {
                        await host.Queue.SubmitAsync(QueueHost.Generate());
                        await Task.Delay(10);
                    }
                });
                // So long it may end by itself; then it is written down at its next boundary.
                DateTimeOffset since = clock.GetUtcNow();
                while (!running.IsParking)
                {
                    Assert.False(stop.IsCompleted);
                    clock.Advance(TimeSpan.FromSeconds(1));
                    await Task.Delay(10);
                }

                Assert.True(clock.GetUtcNow() - since >= drain);
                gate.Open();
                await stop;
                Job left = host.Queue.Find("local", id)!;
                Assert.Equal((JobState.Queued, 1), (left.State, left.Attempts));
                await Assert.ThrowsAsync<DrainingException>(() => wait);
                Assert.Equal(JobState.Queued, (await watch)[^1].Data.State);
            }

            await using (QueueHost host = await QueueHost.StartAsync(
                Options, services => Strategy(services, new HalvingStrategy()), folder))
            {
                long lastNumber = (await watch)[^1].Number;
                Task<List<JobEvent>> rest = host.Queue.WatchAsync("local", id, lastNumber, CancellationToken.None).ToListAsync().AsTask();
                Job over = await host.Queue.WaitAsync("local", id, CancellationToken.None);
                Assert.Equal((JobState.Done, null, 2), (over.State, over.Reason, over.Attempts));
                Assert.True(
                    over.Result!.Report!.Resumed is { FromSnapshot: true, EvaluationsSkipped: > 0 },
                    over.Result.Report.Resumed?.Reason);
                Assert.All(await rest, item => Assert.True(item.Number > lastNumber));
                Assert.Equal(JobState.Done, (await rest)[^1].Data.State);
                Assert.Equal(JobState.Done, (await host.Queue.WaitAsync("local", waiting, CancellationToken.None)).State);
                Assert.Empty(Directory.GetFiles(Path.Combine(folder, "snapshots")));

                // Undisturbed it comes out the same, to the last bit of pixels and scores.
                RankedImages alone = await host.Get<ImagePipeline>().GenerateAsync(submission.Body.Generate!);
                Assert.True(over.Result.Report.Candidates.Count > 8, "the population branched");
                Assert.Contains(over.Result.Report.Candidates, candidate => candidate.Stopped is not null);
                await SamePicturesAsync(host, alone, over.Result);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Populations_that_shrink_and_branch_go_through_events_and_result()
    {
        await using QueueHost host = await QueueHost.StartAsync(services: services => Strategy(services, new HalvingStrategy()));
        Job job = await host.Queue.SubmitAsync(Halving(steps: 5));
        List<JobEvent> events = await host.Queue.WatchAsync("local", job.Id, 0, CancellationToken.None).ToListAsync();
        Assert.Equal(
            ["start", "advance", "advance", "advance", "advance", "finish"],
            events.Where(item => item.Kind == JobEventKind.Move).Select(item => item.Data.Move!));
        Assert.Contains(
            events,
            item => item is { Kind: JobEventKind.Candidate, Data: { Event: CandidateEvent.Started, Parent: not null } });
        Assert.Contains(
            events,
            item => item is { Kind: JobEventKind.Candidate, Data: { Event: CandidateEvent.Stopped, Reason: not null } });
        Assert.Contains(
            events,
            item => item is { Kind: JobEventKind.Candidate, Data: { Event: CandidateEvent.Scored, Score: not null } });
        Assert.True(events.Zip(events.Skip(1)).All(pair => (pair.First.Data.Progress ?? 0) <= (pair.Second.Data.Progress ?? 1)));
        JobResult result = host.Queue.Find("local", job.Id)!.Result!;
        Assert.Equal(result.Report!.Candidates.Count(candidate => candidate.Stopped is null), result.Images.Count);
        Assert.Contains(result.Images, image => image.Kept);
    }

    internal static JobSubmission Halving(int steps = 20) =>
        new(
            "local",
            JobKind.Generate,
            new JobBody
            {
                Generate = QueueHost.Request("a red apple", 11, 8, steps) with
                {
                    Search = new SearchRequest
                    {
                        Candidates = 8,
                        Keep = 2,
                        Strategy = "halving",
                    },
                },
            });

    private static JobSubmission Long() => QueueHost.Generate(candidates: 4, steps: 1000);

    internal static async Task SamePicturesAsync(QueueHost host, RankedImages expected, JobResult actual)
    {
        Assert.Equal(
            expected.Images.Select(image => (image.Candidate.Index, image.Score, image.Candidate.Kept)),
            actual.Images.Select(image => (image.Index, image.Score, image.Kept)));
        foreach ((RankedImage image, ResultImage stored) in expected.Images.Zip(actual.Images))
        {
            Artifact file = Assert.IsType<Artifact>(await host.Artifacts.FindAsync(stored.Sha256));
            Assert.Equal(
                image.Image.Pixels.ToArray(),
                host.Get<Imaging.IImageCodec>().Decode(file.Content, Imaging.ImageLimits.Default).Pixels.ToArray());
        }
    }

    private static async Task RunningAsync(QueueHost host, Job job)
    {
        await foreach (JobEvent item in host.Queue.WatchAsync(job.Caller, job.Id, 0, CancellationToken.None))
        {
            if (item.Kind == JobEventKind.Step)
            {
                return;
            }
        }
    }

    private static void Strategy(IServiceCollection services, ISearchStrategy strategy) =>
        services.AddSingleton<ISearchStrategyFactory>(new SearchStrategyFactory(strategy));

    private static HalvingStrategy HeldAt(int rounds, Gate gate) => new(round =>
    {
        if (round == rounds)
        {
            gate.Pass();
        }
    });

    private static async Task<Job> WaitAsync(QueueHost host, Job job)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        return await host.Queue.WaitAsync(job.Caller, job.Id, timeout.Token);
    }
}

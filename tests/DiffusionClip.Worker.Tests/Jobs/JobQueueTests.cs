using DiffusionClip.Imaging;
using DiffusionClip.Worker.Jobs.Ledger;

namespace DiffusionClip.Worker.Jobs;

public sealed class QueueFixture : IAsyncLifetime
{
    internal QueueHost Host { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Host = await QueueHost.StartAsync();

    public ValueTask DisposeAsync() => Host.DisposeAsync();
}

/// <summary>Jobs from submission to result, with the embedded model.</summary>
public sealed class JobQueueTests(QueueFixture fixture) : IClassFixture<QueueFixture>
{
    private readonly QueueHost _host = fixture.Host;

    [Fact]
    public async Task A_generation_ends_as_the_library_alone_would_have_it()
    {
        Job job = await _host.RunAsync(QueueHost.Generate(candidates: 2));
        Assert.Equal((JobState.Done, null), (job.State, job.Reason));
        Assert.Equal(2, job.Result!.Images.Count);
        Assert.NotNull(job.Result.ContactSheet);
        RankedImages alone = await _host.Get<ImagePipeline>().GenerateAsync(QueueHost.Request("a red apple", 1, 2));
        foreach ((ResultImage image, RankedImage expected) in job.Result.Images.Zip(alone.Images))
        {
            Artifact file = Assert.IsType<Artifact>(await _host.Artifacts.FindAsync(image.Sha256));
            RgbImage picture = _host.Get<IImageCodec>().Decode(file.Content, ImageLimits.Default);
            Assert.Equal(expected.Image.Pixels.ToArray(), picture.Pixels.ToArray());
            Assert.Equal((expected.Score, expected.Rank), (image.Score, image.Rank));
            Assert.True(_host.Artifacts.IsVisible("local", image.Sha256));
            Assert.False(_host.Artifacts.IsVisible("somebody", image.Sha256));
        }

        Assert.Equal(
            [(null, JobState.Queued), (JobState.Queued, JobState.Running), (JobState.Running, JobState.Done)],
            _host.Get<JobLedger>().Transitions(job.Id).Select(change => (change.From, change.To)));
    }

    [Fact]
    public async Task Events_tell_of_states_stages_steps_candidates_and_moves_and_can_be_taken_up_again()
    {
        Job job = await _host.Queue.SubmitAsync(QueueHost.Generate(seed: 7, candidates: 2, steps: 5));
        var events = new List<JobEvent>();
        await foreach (JobEvent item in _host.Queue.WatchAsync("local", job.Id, 0, CancellationToken.None))
        {
            events.Add(item);
        }

        Assert.Equal(events.Select(item => item.Number), events.Select(item => item.Number).Distinct().Order());
        Assert.Equal(
            [JobState.Queued, JobState.Running, JobState.Done],
            events.Where(item => item.Kind == JobEventKind.State).Select(item => item.Data.State!.Value));
        Assert.Contains(events, item => item is { Kind: JobEventKind.Stage, Data.Stage: Stage.Denoising });
        Assert.Contains(events, item => item is { Kind: JobEventKind.Step, Data: { Evaluation: not null, Evaluations: not null } });
        Assert.Contains(events, item => item is { Kind: JobEventKind.Preview, Data.Image: not null });
        Assert.Equal(["start", "finish"], events.Where(item => item.Kind == JobEventKind.Move).Select(item => item.Data.Move!));
        Assert.Equal(
            2,
            events.Count(item => item is { Kind: JobEventKind.Candidate, Data: { Event: CandidateEvent.Finished, Sha256: not null } }));
        Assert.True(events.Zip(events.Skip(1)).All(pair => (pair.First.Data.Progress ?? 0) <= (pair.Second.Data.Progress ?? 1)));

        JobEvent last = events[^1];
        List<JobEvent> again = await _host.Queue.WatchAsync("local", job.Id, events[^2].Number, CancellationToken.None).ToListAsync();
        Assert.Equal([last.Number], again.Select(item => item.Number));
    }

    [Fact]
    public async Task Pictures_of_a_job_are_ranked_and_scored()
    {
        Job made = await _host.RunAsync(QueueHost.Generate(candidates: 3));
        string[] images = [.. made.Result!.Images.Select(image => image.Sha256).Reverse()];
        Job ranked = await _host.RunAsync(
            new JobSubmission(
                "local",
                JobKind.Rank,
                new JobBody
                {
                    Rank = new RankBody { Prompt = "a red apple", Images = images },
                }));
        Assert.Equal((JobState.Done, null), (ranked.State, ranked.Reason));
        Assert.Equal(made.Result.Images.Select(image => image.Sha256), ranked.Result!.Images.Select(image => image.Sha256));
        foreach ((ResultImage before, ResultImage after) in made.Result.Images.Zip(ranked.Result.Images))
        {
            Assert.Equal(before.Score!.Value, after.Score!.Value, 1e-5);
        }

        Job scored = await _host.RunAsync(
            new JobSubmission(
                "local",
                JobKind.Score,
                new JobBody { Score = new ScoreBody { Pairs = [new(images[0], ["a red apple", "a dog"]), new(images[1], [])] } }));
        Assert.Equal((JobState.Done, null), (scored.State, scored.Reason));
        Assert.Equal(
            [(images[0], "a red apple"), (images[0], "a dog"), (images[1], "a red apple")],
            scored.Result!.Scores.Select(row => (row.Image, row.Text!)));
        Assert.All(scored.Result.Scores, row => Assert.NotNull(row.Score));
    }
}

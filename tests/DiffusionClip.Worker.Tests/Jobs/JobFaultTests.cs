using System.Diagnostics;
using System.Text.Json;
using DiffusionClip.Imaging;

namespace DiffusionClip.Worker.Jobs;

/// <summary>Whatever is wrong with a job, a model, a picture or the disk costs only what it has to.</summary>
public sealed class JobFaultTests
{
    [Fact]
    public async Task A_submission_is_one_job_however_often_and_at_once_it_is_sent()
    {
        await using QueueHost host = await QueueHost.StartAsync(run: false);
        JobSubmission submission = QueueHost.Generate() with { IdempotencyKey = "key-1" };
        Job[] jobs = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(() => host.Queue.SubmitAsync(submission))));
        Assert.Single(jobs.Select(job => job.Id).Distinct());
        Assert.Equal(1, host.Queue.Status("local").OwnQueued);

        // Also where the seed is left open, which makes each normalized body another one.
        JobSubmission open = new("local", JobKind.Generate, new JobBody { Generate = ImageRequest.For("two cats") })
        {
            IdempotencyKey = "key-2",
        };
        Assert.Equal((await host.Queue.SubmitAsync(open)).Id, (await host.Queue.SubmitAsync(open)).Id);
        await Assert.ThrowsAsync<IdempotencyConflictException>(() => host.Queue.SubmitAsync(submission with { Body = open.Body }));
        await Assert.ThrowsAsync<InvalidRequestException>(() => host.Queue.SubmitAsync(submission with { IdempotencyKey = "naïve" }));
    }

    [Fact]
    public async Task A_thousand_jobs_are_accepted_and_bounds_hold()
    {
        await using QueueHost host = await QueueHost.StartAsync(
            options => (options.Queue.Capacity, options.Queue.CallerCapacity) = (1000, 600),
            run: false);
        long since = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, 1000),
            new ParallelOptions { MaxDegreeOfParallelism = 16 },
            async (i, _) =>
                await host.Queue.SubmitAsync(
                    QueueHost.Generate(seed: (ulong)i, caller: i % 2 == 0 ? "a" : "b") with
                    {
                        Priority = JobPriority.Batch,
                    }));
        TestContext.Current.SendDiagnosticMessage(
            FormattableString.Invariant($"queue: 1000 jobs accepted in {Stopwatch.GetElapsedTime(since).TotalSeconds:F2} s"));
        QueueStatus status = host.Queue.Status("a");
        Assert.Equal((1000, 500, 1000, 600), (status.Queued, status.OwnQueued, status.Capacity, status.CallerCapacity));
        Assert.False(
            (await Assert.ThrowsAsync<QueueFullException>(() => host.Queue.SubmitAsync(QueueHost.Generate(caller: "a")))).OfCaller);
        await using QueueHost small = await QueueHost.StartAsync(options => options.Queue.CallerCapacity = 1, run: false);
        await small.Queue.SubmitAsync(QueueHost.Generate());
        QueueFullException full = await Assert.ThrowsAsync<QueueFullException>(() => small.Queue.SubmitAsync(QueueHost.Generate()));
        Assert.True(full.OfCaller && full.RetryAfter > TimeSpan.Zero);
    }

    [Fact]
    public async Task Bad_submissions_name_their_field_and_leave_no_job()
    {
        await using QueueHost host = await QueueHost.StartAsync(run: false);
        string missing = new('a', 64);
        byte[] png = host.Get<IImageCodec>().EncodePng(new RgbImage(8, 8, new byte[192]));
        string theirs = await host.Artifacts.PutAsync(png, "image/png");
        await host.Artifacts.OwnAsync("somebody", theirs);
        ImageRequest apple = ImageRequest.For("a red apple");
        (string Field, JobSubmission Submission)[] cases =
        [
            ("num_inference_steps", Of(apple with { Sampling = new() { NumInferenceSteps = 1_000_000 } })),
            ("guidance_scale", Of(apple with { Sampling = new() { GuidanceScale = float.NaN } })),
            ("candidates", Of(apple with { Search = new() { Candidates = int.MaxValue } })),
            ("model", Of(apple with { Model = new() { Id = "/etc" } })),
            ("model", Of(apple with { Model = new() { Id = "../../models/emoji-sd" } })),
            ("scorer", Of(apple with { Search = new() { Scorer = "./models/emoji-clip" } })),
            ("init_image", Of(apple with { Origin = new() { Image = missing } })),
            ("init_image", Of(apple with { Origin = new() { Image = theirs } })),
            ("init_image", Of(apple with { Origin = new() { Image = "../../../etc/passwd" } })),
            ("images", Rank(new() { Prompt = "x" })),
            ("images", Rank(new() { Prompt = "x", Images = [theirs] })),
            ("prompt", Rank(new() { Prompt = new string('x', 70_000), Images = [missing] })),
            ("scorer", Rank(new() { Prompt = "x", Scorer = "none", Images = [missing] })),
            ("pairs", new("local", JobKind.Score, new JobBody { Score = new() { Pairs = [new(missing, [])] } })),
            ("texts", new("local", JobKind.Score, new JobBody { Score = new() { Pairs = [new(missing, ["\ud800"])] } })),
            ("body", new("local", JobKind.Rank, new JobBody { Generate = apple })),
        ];
        foreach ((string field, JobSubmission submission) in cases)
        {
            InvalidRequestException refused = await Assert.ThrowsAsync<InvalidRequestException>(() => host.Queue.SubmitAsync(submission));
            Assert.True(field == refused.Field || (field == "scorer" && refused.Field == "images"), $"{field}: {refused.Message}");
        }

        await Assert.ThrowsAsync<ModelFolderException>(() =>
            host.Queue.SubmitAsync(Of(apple with { Model = new() { Id = "no-such-model" } })));
        Assert.Empty(host.Queue.List("local"));

        static JobSubmission Of(ImageRequest request) => new("local", JobKind.Generate, new JobBody { Generate = request });
        static JobSubmission Rank(RankBody body) => new("local", JobKind.Rank, new JobBody { Rank = body });
    }

    [Fact]
    public async Task Pictures_to_start_from_are_checked_before_the_job_is_accepted()
    {
        await using QueueHost host = await QueueHost.StartAsync();
        byte[] png = host.Get<IImageCodec>().EncodePng(new RgbImage(64, 64, new byte[3 * 64 * 64]));
        string good = await PutAsync(png), truncated = await PutAsync(png[..(png.Length / 2)]), bomb = await PutAsync(Bomb());
        string mask = await PutAsync(host.Get<IImageCodec>().EncodePng(new RgbImage(32, 16, new byte[3 * 32 * 16])));
        foreach (string bad in new[] { truncated, bomb })
        {
            InvalidRequestException refused = await Assert.ThrowsAsync<InvalidRequestException>(() =>
                host.Queue.SubmitAsync(From(bad, null)));
            Assert.Equal("init_image", refused.Field);
        }

        // A mask of another size is scaled; a black one paints nothing anew.
        Job job = await host.RunAsync(From(good, mask));
        Assert.Equal((JobState.Done, null), (job.State, job.Reason));
        Assert.True(host.Artifacts.IsVisible("local", good));

        JobSubmission From(string image, string? with) =>
            new(
                "local",
                JobKind.Generate,
                new JobBody
                {
                    Generate = QueueHost.Request("a red apple", 1) with
                    {
                        Origin = new OriginRequest
                        {
                            Image = image,
                            Mask = with,
                            Strength = 0.7,
                        },
                    },
                });

        async Task<string> PutAsync(byte[] file)
        {
            string name = await host.Artifacts.PutAsync(file, "image/png");
            await host.Artifacts.OwnAsync("local", name);
            return name;
        }
    }

    [Fact]
    public async Task What_a_job_throws_fails_that_job_with_its_reason_and_the_next_one_runs()
    {
        await using QueueHost host = await QueueHost.StartAsync(services: services =>
            services
                .AddSingleton<ISearchStrategyFactory>(
                    new SearchStrategyFactory(
                        new TrapStrategy(
                            "memory",
                            () => throw new OutOfMemoryException("Failed to allocate memory for requested buffer of size 68719476736"))))
                .AddSingleton<ISearchStrategyFactory>(
                    new SearchStrategyFactory(
                        new TrapStrategy("bug", () => throw new InvalidOperationException("first line\nsecond line")))));
        Job memory = await host.RunAsync(With("memory"));
        Assert.Equal(JobState.Failed, memory.State);
        Assert.Contains("out of memory", memory.Reason, StringComparison.Ordinal);
        Assert.Contains("smaller", memory.Reason, StringComparison.Ordinal);
        Job bug = await host.RunAsync(With("bug"));
        Assert.Equal((JobState.Failed, "InvalidOperationException: first line second line"), (bug.State, bug.Reason));
        Assert.Equal(JobState.Done, (await host.RunAsync(QueueHost.Generate())).State);

        static JobSubmission With(string strategy) =>
            new(
                "local",
                JobKind.Generate,
                new JobBody
                {
                    Generate = QueueHost.Request("a red apple", 1) with
                    {
                        Search = new() { Strategy = strategy, Candidates = 1 },
                    },
                });
    }

    [Fact]
    public async Task Latents_that_are_no_numbers_are_a_failure_and_no_picture()
    {
        await using QueueHost host = await QueueHost.StartAsync();
        using JsonDocument options = JsonDocument.Parse("""{"beta_start": 0.5, "beta_end": 3.0}""");
        ImageRequest request = QueueHost.Request("a red apple", 1);
        Job job = await host.RunAsync(
            new JobSubmission(
                "local",
                JobKind.Generate,
                new JobBody
                {
                    Generate = request with
                    {
                        Sampling = request.Sampling with
                        {
                            Scheduler = "DDIMScheduler",
                            SchedulerOptions = options
                                .RootElement.EnumerateObject()
                                .ToDictionary(entry => entry.Name, entry => entry.Value),
                        },
                    },
                }));
        Assert.Equal(JobState.Failed, job.State);
        Assert.Contains("none of 1 gave a picture", job.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_scorer_that_is_missing_or_fails_costs_the_scores_unless_it_was_asked_for()
    {
        using var models = new ModelFolders();
        models.Copy("emoji-sd");
        await using (QueueHost host = await QueueHost.StartAsync(services: models.Replace))
        {
            Job job = await host.RunAsync(QueueHost.Generate());
            Assert.Equal((JobState.Done, null), (job.State, job.Reason));
            Assert.Null(Assert.Single(job.Result!.Images).Score);
            Assert.Contains(
                job.Result.Warnings,
                warning =>
                    warning.Contains("no scores", StringComparison.Ordinal) && warning.Contains("emoji-clip", StringComparison.Ordinal));
            Assert.DoesNotContain(job.Result.Warnings, warning => warning.Contains(Path.GetTempPath(), StringComparison.Ordinal));
            JobSubmission asked = QueueHost.Generate();
            await Assert.ThrowsAsync<InvalidRequestException>(() =>
                host.Queue.SubmitAsync(
                    asked with
                    {
                        Body = new JobBody
                        {
                            Generate = asked.Body.Generate! with
                            {
                                Search = new() { Candidates = 1, Scorer = "emoji-clip" },
                            },
                        },
                    }));
        }

        await using (QueueHost host = await QueueHost.StartAsync(services: services => services.AddSingleton<IImageScorer, BrokenScorer>()))
        {
            JobSubmission submission = QueueHost.Generate();
            Job job = await host.RunAsync(
                submission with
                {
                    Body = new JobBody
                    {
                        Generate = submission.Body.Generate! with
                        {
                            Search = new() { Candidates = 1, Scorer = "broken" },
                        },
                    },
                });
            Assert.Equal((JobState.Done, null), (job.State, job.Reason));
            ResultImage image = Assert.Single(job.Result!.Images);
            Assert.Null(image.Score);
            Assert.Contains("it broke", image.Failure, StringComparison.Ordinal);
            Job ranked = await host.RunAsync(
                new JobSubmission(
                    "local",
                    JobKind.Rank,
                    new JobBody
                    {
                        Rank = new()
                        {
                            Prompt = "x",
                            Scorer = "broken",
                            Images = [image.Sha256],
                        },
                    }));
            Assert.Equal(JobState.Failed, ranked.State);
            Assert.Contains("it broke", ranked.Reason, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_damaged_model_fails_its_jobs_by_the_files_name_and_others_serve_and_one_that_is_replaced_shows_by_its_hash()
    {
        using var models = new ModelFolders();
        string damaged = models.Copy("emoji-sd", "damaged"),
            pointer = models.Copy("emoji-sd", "pointer"),
            other = models.Copy("emoji-sd", "other"),
            whole = models.Copy("emoji-sd");
        models.Copy("emoji-clip");
        string unet = Path.Combine(damaged, "unet", "model.onnx");
        byte[] graph = await File.ReadAllBytesAsync(unet);
        await File.WriteAllBytesAsync(unet, graph[..(graph.Length / 2)]);
        await File.WriteAllTextAsync(
            Path.Combine(pointer, "unet", "model.onnx"),
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
        string tokens = Path.Combine(other, "text_encoder", "model.onnx");
        await File.WriteAllBytesAsync(tokens, [.. await File.ReadAllBytesAsync(tokens), 0]);
        await using QueueHost host = await QueueHost.StartAsync(services: models.Replace);
        foreach (
            (string id, string file) in new[]
            {
                ("damaged", unet),
                ("pointer", Path.Combine(pointer, "unet", "model.onnx")),
                ("other", tokens),
            })
        {
            string reason;
            try
            {
                Job job = await host.RunAsync(WithModel(id));
                Assert.Equal(JobState.Failed, job.State);
                reason = job.Reason!;
            }
            catch (ModelFolderException exception)
            {
                // Seen when it was submitted.
                reason = exception.Message;
            }

            Assert.Contains(Path.GetFileName(file), reason, StringComparison.Ordinal);
        }

        Job before = await host.RunAsync(WithModel("emoji-sd"));
        Assert.Equal((JobState.Done, null), (before.State, before.Reason));
        byte[] scheduler = [.. await File.ReadAllBytesAsync(Path.Combine(whole, "scheduler", "scheduler_config.json")), (byte)'\n'];
        ModelFolders.Replace(whole, "scheduler/scheduler_config.json", scheduler);
        Job after = await host.RunAsync(WithModel("emoji-sd"));
        Assert.Equal((JobState.Done, null), (after.State, after.Reason));
        Assert.Null(after.Result!.CachedFrom);
        Assert.NotEqual(before.Result!.Report!.Models[0].Sha256, after.Result.Report!.Models[0].Sha256);
        Assert.Equal(ModelFolders.Hash(scheduler), after.Result.Report.Models[0].Files["scheduler/scheduler_config.json"]);
    }

    [Fact]
    public async Task Row22_graphs_with_operators_or_names_that_are_not_ours_fail_their_jobs_by_name_and_load_nothing()
    {
        using var models = new ModelFolders();
        string alien = models.Copy("emoji-sd", "alien"), renamed = models.Copy("emoji-sd", "renamed");
        models.Copy("emoji-sd");
        models.Copy("emoji-clip");
        object[] shape = ["b", 4, "h", "w"];

        // A library that would say so if it were loaded, by the name that the domain could be taken for.
        await File.WriteAllTextAsync(Path.Combine(alien, "unet", "evil.ops.so"), "no library");
        ModelFolders.Replace(
            alien,
            "unet/model.onnx",
            new TinyGraph()
                .Input("sample", TinyGraph.Float, shape)
                .Input("timestep", TinyGraph.Int64, 1)
                .Input("encoder_hidden_states", TinyGraph.Float, "b", 77, 64)
                .Output("out_sample", TinyGraph.Float, shape)
                .Node("Evil", ["sample"], "out_sample", domain: "evil.ops")
                .ToBytes());
        ModelFolders.Replace(
            renamed,
            "unet/model.onnx",
            new TinyGraph()
                .Input("latents", TinyGraph.Float, shape)
                .Output("noise", TinyGraph.Float, shape)
                .Node("Identity", ["latents"], "noise")
                .ToBytes());
        await using QueueHost host = await QueueHost.StartAsync(services: models.Replace);
        Job job = await host.RunAsync(WithModel("alien"));
        Assert.Equal(JobState.Failed, job.State);
        Assert.Contains("unet/model.onnx", job.Reason, StringComparison.Ordinal);
        Assert.Contains("evil.ops", job.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain(Path.GetTempPath(), job.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain("evil.ops.so", await File.ReadAllTextAsync("/proc/self/maps"), StringComparison.Ordinal);
        job = await host.RunAsync(WithModel("renamed"));
        Assert.Equal(JobState.Failed, job.State);
        Assert.Contains("unet/model.onnx", job.Reason, StringComparison.Ordinal);
        Assert.Contains("latents", job.Reason, StringComparison.Ordinal);
        Assert.Contains("sample", job.Reason, StringComparison.Ordinal);
        Assert.Equal(JobState.Done, (await host.RunAsync(WithModel("emoji-sd"))).State);
    }

    [Fact]
    public async Task Row36_a_black_picture_is_a_failure_and_not_scored()
    {
        using var models = new ModelFolders();
        string dark = models.Copy("emoji-sd", "dark");
        models.Copy("emoji-clip");
        float[] black = new float[3 * 64 * 64];
        Array.Fill(black, -1);
        ModelFolders.Replace(
            dark,
            "vae_decoder/model.onnx",
            new TinyGraph()
                .Input("latent_sample", TinyGraph.Float, 1, 4, 8, 8)
                .Output("sample", TinyGraph.Float, 1, 3, 64, 64)
                .Weight("zero", TinyGraph.Float, new byte[4], 1)
                .Weight(
                    "black",
                    TinyGraph.Float,
                    System.Runtime.InteropServices.MemoryMarshal.AsBytes(black.AsSpan()).ToArray(),
                    1,
                    3,
                    64,
                    64)
                .Node("Mul", ["latent_sample", "zero"], "nothing")
                .Node("ReduceSum", ["nothing"], "sum")
                .Node("Add", ["sum", "black"], "sample")
                .ToBytes());
        await using QueueHost host = await QueueHost.StartAsync(services: models.Replace);
        Job job = await host.RunAsync(WithModel("dark"));
        Assert.Equal(JobState.Failed, job.State);
        Assert.Contains("black", job.Reason, StringComparison.Ordinal);
        Assert.Null(job.Result);
    }

    private static JobSubmission WithModel(string model)
    {
        JobSubmission submission = QueueHost.Generate();
        return submission with { Body = new JobBody { Generate = submission.Body.Generate! with { Model = new() { Id = model } } } };
    }

    [Fact]
    public async Task An_equal_request_is_answered_from_the_store_unless_a_fresh_one_is_wanted()
    {
        await using QueueHost host = await QueueHost.StartAsync();
        Job first = await host.RunAsync(QueueHost.Generate(candidates: 2));
        Job second = await host.RunAsync(QueueHost.Generate(candidates: 2));
        Assert.Equal(first.Id, second.Result!.CachedFrom);
        Assert.Equal(first.Result!.Images, second.Result.Images);
        Job third = await host.RunAsync(QueueHost.Generate(candidates: 2));
        Assert.Equal(first.Id, third.Result!.CachedFrom);
        JobSubmission again = QueueHost.Generate(candidates: 2);
        Job refreshed = await host.RunAsync(again with { Body = again.Body with { Cache = CacheUse.Refresh } });
        Assert.Null(refreshed.Result!.CachedFrom);
        Assert.Null((await host.RunAsync(QueueHost.Generate(candidates: 2, seed: 2))).Result!.CachedFrom);

        // What somebody else made is not this caller's to see.
        Assert.Null((await host.RunAsync(QueueHost.Generate(candidates: 2, caller: "somebody"))).Result!.CachedFrom);

        // Without its files an earlier job is no answer.
        File.Delete(
            Directory
                .EnumerateFiles(
                    Path.Combine(host.Folder, "artifacts"),
                    $"{refreshed.Result.Images[0].Sha256}*",
                    SearchOption.AllDirectories)
                .Single());
        File.Delete(
            Directory
                .EnumerateFiles(Path.Combine(host.Folder, "artifacts"), $"{refreshed.Result.ContactSheet}*", SearchOption.AllDirectories)
                .Single());
        Job remade = await host.RunAsync(QueueHost.Generate(candidates: 2));
        Assert.Null(remade.Result!.CachedFrom);
        Assert.NotNull(await host.Artifacts.FindAsync(remade.Result.Images[0].Sha256));
    }

    [Fact]
    public async Task The_clock_may_jump_while_jobs_run()
    {
        var clock = new Clock();
        await using QueueHost host = await QueueHost.StartAsync(services: services =>
            services
                .AddSingleton<TimeProvider>(clock)
                .AddSingleton<ISearchStrategyFactory>(
                    new SearchStrategyFactory(new TrapStrategy("jump", () => clock.Jump(TimeSpan.FromDays(-400))))));
        JobSubmission submission = QueueHost.Generate();
        Job job = await host.RunAsync(
            submission with
            {
                Body = new JobBody
                {
                    Generate = submission.Body.Generate! with
                    {
                        Search = new() { Strategy = "jump", Candidates = 1 },
                    },
                },
            });
        Assert.Equal((JobState.Done, null), (job.State, job.Reason));
        Assert.True(job.EndedAt < job.StartedAt, "the wall clock went back");
        Assert.InRange(job.Result!.Report!.Seconds, 0, 60);
        Job next = await host.RunAsync(QueueHost.Generate(seed: 2));
        Assert.Equal([next.Id, job.Id], host.Queue.List("local").Select(entry => entry.Id));
        Assert.Equal((0, 0), await host.Get<Artifacts.Retention>().RunAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_second_worker_on_one_folder_a_folder_that_cannot_be_written_and_a_file_in_its_place_are_refused_by_name()
    {
        await using QueueHost host = await QueueHost.StartAsync(run: false);
        _ = host.Queue;
        InvalidRequestException second = Assert.Throws<InvalidRequestException>(() =>
            new DataFolder(new WorkerOptions { DataFolder = host.Folder }));
        Assert.Contains("another worker", second.Message, StringComparison.Ordinal);
        Assert.Contains(host.Folder, second.Message, StringComparison.Ordinal);
        string file = Path.Combine(host.Folder, "file");
        await File.WriteAllTextAsync(file, "");
        foreach (string folder in new[] { file, Path.Combine(file, "below"), "/proc/worker-data" })
        {
            InvalidRequestException refused = Assert.Throws<InvalidRequestException>(() =>
                new DataFolder(new WorkerOptions { DataFolder = folder }));
            Assert.Contains(folder, refused.Message, StringComparison.Ordinal);
        }
    }

    private static byte[] Bomb()
    {
        // 30000 x 30000 pixels by its header alone.
        byte[] png = new byte[64];
        byte[] signature =
        [
            0x89,
            0x50,
            0x4E,
            0x47,
            0x0D,
            0x0A,
            0x1A,
            0x0A,
            0,
            0,
            0,
            13,
            (byte)'I',
            (byte)'H',
            (byte)'D',
            (byte)'R',
            0,
            0,
            0x75,
            0x30,
            0,
            0,
            0x75,
            0x30,
            8,
            2,
            0,
            0,
            0,
        ];
        signature.CopyTo(png, 0);
        return png;
    }

    private sealed class BrokenScorer : IImageScorer
    {
        public ScorerDescriptor Descriptor { get; } = new() { Name = "broken", Version = "1", Scale = ScoreScale.Unbounded };

        public ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("it broke");

        public void Dispose()
        {
        }
    }
}

/// <summary>Copies of the models of the repository.</summary>
internal sealed class ModelFolders : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("dclip-models-").FullName;

    public string Copy(string model, string? name = null)
    {
        string from = Path.Combine(Golden.Repository, "models", model),
            to = Path.Combine(_root, name ?? model);
        foreach (
            string file in Directory
                .EnumerateFiles(from, "*", SearchOption.AllDirectories)
                .Where(file => !file.Contains("expected", StringComparison.Ordinal)))
        {
            string copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        if (name is not null)
        {
            string manifest = Path.Combine(to, "diffusionclip.json");
            File.WriteAllText(manifest, File.ReadAllText(manifest).Replace($"\"{model}\"", $"\"{name}\"", StringComparison.Ordinal));
        }

        return to;
    }

    /// <summary>Puts another file in the place of one, and its hash into the manifest.</summary>
    public static void Replace(string folder, string name, byte[] content)
    {
        string file = Path.Combine(folder, name), manifest = Path.Combine(folder, "diffusionclip.json");
        string before = Hash(File.ReadAllBytes(file));
        File.WriteAllBytes(file, content);
        File.WriteAllText(
            manifest,
            File.ReadAllText(manifest).Replace($"\"{name}\": \"{before}\"", $"\"{name}\": \"{Hash(content)}\"", StringComparison.Ordinal));
    }

    public static string Hash(byte[] content) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content));

    /// <summary>Takes the place of the repository's models.</summary>
    public void Replace(IServiceCollection services)
    {
        services.AddSingleton(Folders.Catalog([_root]));
        Tests.SharedModels.Leave(services);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);
}

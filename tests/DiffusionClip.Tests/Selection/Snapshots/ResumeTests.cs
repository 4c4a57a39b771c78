using System.Text.Json;
using DiffusionClip.Denoising;
using DiffusionClip.Denoising.Schedulers;
using DiffusionClip.Models;
using DiffusionClip.Observing;
using DiffusionClip.Origins;
using DiffusionClip.Reporting;
using DiffusionClip.Runtime;

namespace DiffusionClip.Selection.Snapshots;

public sealed class ResumeTests
{
    public static TheoryData<string> Schedulers => [.. SchedulerCatalog.All.Select(descriptor => descriptor.Label)];

    [Theory]
    [MemberData(nameof(Schedulers))]
    public async Task Every_scheduler_goes_on_in_the_same_bits(string scheduler)
    {
        foreach (NoiseKind noise in Enum.GetValues<NoiseKind>())
        {
            await GoesOnFromEverywhere(() => new ToySearch { Scheduler = scheduler, Noise = noise, Candidates = 3 }, new BestOfN());
            await GoesOnFromEverywhere(() => new ToySearch { Scheduler = scheduler, Noise = noise, Candidates = 4 }, new Branching());
        }
    }

    [Theory]
    [InlineData(1, 1, false)]
    [InlineData(1, 3, false)]
    [InlineData(2, 3, false)]
    [InlineData(2, 16, true)]
    public async Task Batches_of_scores_and_totals_of_populations_go_on(int rows, int batch, bool relative)
    {
        ToySearch Search() => new()
        {
            Scheduler = "Euler a",
            RowsPerRun = rows,
            Candidates = 5,
            Scoring = new() { BatchSize = batch, TotalsAreRelative = relative, Names = ["brightness", "twice"] },
        };
        await GoesOnFromEverywhere(Search, new BestOfN());
        await GoesOnFromEverywhere(Search, new Branching());
    }

    [Fact]
    public async Task Hooks_go_on_with_their_state()
    {
        await GoesOnFromEverywhere(
            () => new ToySearch { Scheduler = "DPM++ 2M SDE", Candidates = 4, Hooks = [new Nudge(0.1f), new Nudge(0)] }, new Branching());
        await GoesOnFromEverywhere(
            () => new ToySearch { Candidates = 4, Guidance = new IntervalGuidance(new GuidanceSettings(2, 0), 2, 5) }, new Branching());
    }

    [Fact]
    public async Task Rounds_of_many_candidates_go_on()
    {
        var log = new SnapshotLog { Due = Every(97) };
        ToySearch Search() => new() { Candidates = 130, Keep = 2, Steps = 2, Scheduler = "Euler a" };
        string whole = Outcome(await Run(Search(), new BestOfN(), new RunControl { Snapshots = log }));
        Assert.True(log.All.Count > 4);
        foreach (byte[] snapshot in log.All)
        {
            ToySearch search = Search();
            Assert.Equal(whole, Outcome(await Run(search, new BestOfN(), new RunControl { Snapshots = new SnapshotLog(snapshot) })));
            Assert.True(search.Resumed!.FromSnapshot, search.Resumed.Reason);
        }

        static Func<bool> Every(int count)
        {
            int asked = 0;
            return () => ++asked % count == 0;
        }
    }

    [Fact]
    public async Task A_strategy_that_reads_the_time_goes_on_by_the_recorded_one()
    {
        // The second move depends on the seconds of the first: replayed elsewhere it is the same.
        ISearchStrategy Timed() => new Scripted(
            _ => SearchMove.Advance.Roots(2, 4),
            state => SearchMove.Advance.On(state.Spent.Seconds % 0.002 < 0.001 ? [new(0), new(1)] : [new(1), new(0)], 8),
            state => new SearchMove.Finish { Kept = [.. Ranking.Order(state.Rounds[^1].Population, true).Take(1)] });
        for (int repeat = 0; repeat < 8; repeat++)
        {
            var log = new SnapshotLog();
            string whole = Outcome(await Run(new ToySearch { Candidates = 2 }, Timed(), new RunControl { Snapshots = log }));
            var search = new ToySearch { Candidates = 2 };
            Assert.Equal(whole, Outcome(await Run(search, Timed(), new RunControl { Snapshots = new SnapshotLog(log.All[^2]) })));
            Assert.True(search.Resumed!.FromSnapshot, search.Resumed.Reason);
        }
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(3, false)]
    [InlineData(4, true)]
    [InlineData(6, true)]
    [InlineData(16, true)]
    public async Task Groups_go_on_with_the_same_members(int rows, bool batched)
    {
        foreach (int[] broken in new int[][] { [], [0], [1, 2], [0, 1, 2, 3, 4] })
        {
            ToySearch Search() => new() { Scheduler = "Euler a", RowsPerRun = rows, Batched = batched, Broken = broken, Candidates = 5 };
            await GoesOnFromEverywhere(Search, new BestOfN());
            if (broken.Length < 5)
            {
                await GoesOnFromEverywhere(Search, new Branching());
            }
        }
    }

    [Theory]
    [InlineData("Euler")]
    [InlineData("Euler a")]
    [InlineData("Heun")]
    [InlineData("DPM2 a")]
    [InlineData("DPM++ 2M")]
    [InlineData("DPM++ 2M SDE")]
    [InlineData("PNDM")]
    [InlineData("DDIM")]
    [InlineData("LCM")]
    [InlineData("UniPC")]
    public async Task Every_origin_goes_on(string scheduler)
    {
        foreach (NoiseKind noise in Enum.GetValues<NoiseKind>())
        {
            foreach (ILatentOrigin origin in new ILatentOrigin[]
            {
                new ImageOrigin(Encoded(0.3f)),
                new InpaintOrigin(Encoded(0.3f), Encoded(0), Mask, seesMask: false, fromNoise: false),
            })
            {
                await GoesOnFromEverywhere(() => new ToySearch { Scheduler = scheduler, Noise = noise, Steps = 10, Strength = 0.8, Origin = origin, Candidates = 4 }, new Branching());
            }
        }
    }

    [Fact]
    public void A_mask_that_the_denoiser_sees_comes_back()
    {
        IScheduler scheduler = new EulerDiscreteConfig().Build(new ScheduleRequest { NumInferenceSteps = 4 });
        var origin = new InpaintOrigin(null, Encoded(0.9f), Mask, seesMask: true, fromNoise: true);
        IOriginState state = origin.Start(new Noise.TorchCpuNoiseSource(7), scheduler, new float[ToySearch.Shape.Length]);
        var bytes = new MemoryStream();
        state.Write(new BinaryWriter(bytes));
        bytes.Position = 0;
        IOriginState again = origin.Read(new BinaryReader(bytes), scheduler, ToySearch.Shape.Length);
        Assert.Equal(state.ExtraChannels.ToArray(), again.ExtraChannels.ToArray());
        Assert.Equal(bytes.Length, bytes.Position);
    }

    [Fact]
    public async Task What_was_done_is_not_done_again()
    {
        var whole = new ToySearch { Candidates = 4 };
        var log = new SnapshotLog();
        await whole.RunAsync(new Branching(), new RunControl { Snapshots = log });
        var skipped = new List<int>();
        foreach (byte[] snapshot in log.All)
        {
            var resumed = new ToySearch { Candidates = 4 };
            await resumed.RunAsync(new Branching(), new RunControl { Snapshots = new SnapshotLog(snapshot) });
            Assert.Equal(whole.Denoiser.Runs, resumed.Denoiser.Runs + (2 * resumed.Resumed!.EvaluationsSkipped));
            skipped.Add(resumed.Resumed.EvaluationsSkipped);
        }

        Assert.Equal(skipped.Order(), skipped);
        Assert.Equal(0, skipped[0]);
        Assert.Equal(2 * skipped[^1], whole.Denoiser.Runs);
    }

    [Fact]
    public async Task A_run_goes_on_as_often_as_it_is_cut()
    {
        string whole = Outcome(await Run(new ToySearch { Candidates = 4, Scheduler = "DPM++ 2M SDE" }, new Branching()));
        byte[]? last = null;
        double before = 0;
        for (int cuts = 0; ; cuts++)
        {
            using var abort = new CancellationTokenSource();
            var log = new SnapshotLog(last) { AfterSave = count => { if (count == 3) { abort.Cancel(); } } };
            var search = new ToySearch { Candidates = 4, Scheduler = "DPM++ 2M SDE" };
            try
            {
                Assert.Equal(whole, Outcome(await Run(search, new Branching(), new RunControl { Abort = abort.Token, Snapshots = log })));
                Assert.True(cuts > 5);
                return;
            }
            catch (OperationCanceledException)
            {
                Assert.True((search.Resumed?.SecondsBefore ?? 0) >= before);
                before = search.Resumed?.SecondsBefore ?? 0;
                last = log.All[^1];
            }
        }
    }

    [Fact]
    public async Task A_run_that_goes_on_can_be_finished()
    {
        var log = new SnapshotLog();
        await new ToySearch { Candidates = 4 }.RunAsync(new Branching(), new RunControl { Snapshots = log });
        using var finish = new CancellationTokenSource();
        await finish.CancelAsync();
        foreach (byte[] snapshot in log.All)
        {
            var own = new SnapshotLog(snapshot);
            var search = new ToySearch { Candidates = 4 };
            IReadOnlyList<Candidate> kept = await search.RunAsync(
                new Branching(),
                new RunControl { Finish = finish.Token, Snapshots = own });
            Assert.True(search.Loop!.FinishedEarly);
            Assert.NotEmpty(kept);
            Assert.All(kept, candidate => Assert.NotNull(candidate.Image));
        }
    }

    [Fact]
    public async Task Nothing_is_written_while_nothing_is_due()
    {
        int asked = 0;
        var log = new SnapshotLog { Due = () => ++asked < 0 };
        await new ToySearch { Candidates = 2 }.RunAsync(new BestOfN(), new RunControl { Snapshots = log });
        Assert.Empty(log.All);

        // After the move, after each evaluation, after each picture, after each score.
        Assert.Equal(1 + (2 * 8) + 2 + 2, asked);
    }

    [Fact]
    public async Task A_run_that_outgrows_its_snapshots_is_written_down_until_then()
    {
        var all = new SnapshotLog();
        await new ToySearch { Candidates = 4 }.RunAsync(new Branching(), new RunControl { Snapshots = all });
        int most = (all.All[0].Length + all.All[^1].Length) / 2;
        var some = new SnapshotLog();
        var search = new ToySearch { Candidates = 4, MaxSnapshot = most };
        string outcome = Outcome(await Run(search, new Branching(), new RunControl { Snapshots = some }));
        Assert.InRange(some.All.Count, 1, all.All.Count - 1);
        Assert.Equal(Outcome(await Run(new ToySearch { Candidates = 4 }, new Branching())), outcome);
    }

    [Fact]
    public async Task Another_run_begins_anew_and_says_why()
    {
        var log = new SnapshotLog();
        ToySearch Search() => new() { Candidates = 2, RowsPerRun = 1 };
        await Search().RunAsync(new BestOfN(), new RunControl { Snapshots = log });
        byte[] snapshot = log.All[9];
        await BeginsAnew(snapshot, new ToySearch { Candidates = 2, Prompt = "another" }, new BestOfN(), "another request");
        await BeginsAnew(snapshot, new ToySearch { Candidates = 2, RowsPerRun = 2 }, new BestOfN(), "another plan");
        await BeginsAnew(snapshot, new ToySearch { Candidates = 2, Model = "1" }, new BestOfN(), "another generator toy: 0, here 1");
        await BeginsAnew(snapshot, Search(), new Halving(4), "halving now makes another move 1");
        await BeginsAnew(snapshot, new ToySearch { Candidates = 2, Scheduler = "DPM++ 2M" }, new BestOfN(), "scheduler state");
    }

    [Fact]
    public async Task Damaged_snapshots_begin_anew()
    {
        var log = new SnapshotLog();
        ToySearch Search() => new() { Candidates = 2, Steps = 3, Scheduler = "Euler a" };
        await Search().RunAsync(new BestOfN(), new RunControl { Snapshots = log });
        string whole = Outcome(await Run(Search(), new BestOfN()));
        byte[] snapshot = log.All[6];
        for (int length = 0; length < snapshot.Length; length += Math.Max(1, length / 40))
        {
            await BeginsAnew(snapshot[..length], Search(), new BestOfN(), null, whole);
        }

        await BeginsAnew([.. snapshot, 0], Search(), new BestOfN(), "bytes of", whole);
        for (int i = 0; i < snapshot.Length; i += Math.Max(1, i / 60))
        {
            byte[] flipped = [.. snapshot];
            flipped[i] ^= (byte)(1 << (i % 8));
            await BeginsAnew(flipped, Search(), new BestOfN(), null, whole);
        }

        byte[] newer = [.. snapshot];
        newer[SnapshotWriter.Magic.Length]++;
        await BeginsAnew(
            newer,
            Search(),
            new BestOfN(),
            FormattableString.Invariant($"version {SnapshotWriter.Version + 1}, this build reads {SnapshotWriter.Version}"));
    }

    /// <summary>
    /// Wrong values under a right checksum: whatever they are, reading them ends in an answer and takes no more memory than the bytes are
    /// worth.
    /// </summary>
    [Fact]
    public async Task Forged_snapshots_end_in_an_answer()
    {
        var log = new SnapshotLog();
        ToySearch Search() => new() { Candidates = 4, Steps = 4, Scheduler = "DPM++ 2M SDE", Broken = [1], RowsPerRun = 2 };
        await Search().RunAsync(new Branching(), new RunControl { Snapshots = log });
        byte[] snapshot = log.All[^5];
        int content = snapshot.Length - System.Security.Cryptography.SHA256.HashSizeInBytes;
        int refused = 0, taken = 0;
        using var abort = new CancellationTokenSource();
        await abort.CancelAsync();
        for (int i = SnapshotWriter.HeaderLength; i < content; i++)
        {
            // Where the noise streams lie every value is as good as any other.
            foreach (byte value in i % 7 == 0 || i > content - 400 ? new byte[] { 0, 1, 0x7f, 0xff } : [(byte)~snapshot[i]])
            {
                byte[] forged = [.. snapshot];
                forged[i] = value;
                System.Security.Cryptography.SHA256.HashData(forged.AsSpan(0, content), forged.AsSpan(content));
                var search = Search();
                long before = GC.GetAllocatedBytesForCurrentThread();

                // An aborted run ends where the first evaluation would begin, or earlier if nothing is left to do.
                try
                {
                    await search.RunAsync(new Branching(), new RunControl { Abort = abort.Token, Snapshots = new SnapshotLog(forged) });
                }
                catch (OperationCanceledException)
                {
                }

                Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4_000_000);
                if (search.Resumed!.FromSnapshot)
                {
                    taken++;
                }
                else
                {
                    Assert.NotNull(search.Resumed.Reason);
                    refused++;
                }
            }
        }

        Assert.True(refused > 100 && taken > 100, $"{refused} refused, {taken} taken");
    }

    [Fact]
    public async Task Asking_costs_no_memory()
    {
        // All on one thread: nothing in the loop waits.
        var allocated = new List<long>();
        var log = new SnapshotLog { Due = () => { allocated.Add(GC.GetAllocatedBytesForCurrentThread()); return false; } };
        allocated.Capacity = 64;
        var silent = new SilentDenoiser();
        IScheduler scheduler = new EulerDiscreteConfig().Build(new ScheduleRequest { NumInferenceSteps = 20 });
        var text = new TextConditioning(new float[1], 1);
        var plan = new ExecutionPlan { Provider = "cpu", RowsPerRun = 1, BatchedGuidance = false, Threads = 1, Runtime = "toy" };
        var control = new RunControl { Observer = new Silence(), Snapshots = log };
        using var denoising = new DenoisingLoop(
            silent,
            ToySearch.Shape,
            scheduler,
            new ConditioningSchedule(text, text),
            new ConstantGuidance(new GuidanceSettings(2, 0)),
            plan,
            control.Observer,
            _ => throw new NotSupportedException(),
            default);
        var scoring = new ToyScoring();
        using var journal = new RunJournal(log, Task.FromResult(new RunIdentity(new ImageRequest(), plan, [])), scoring);
        for (int repeat = 0; repeat < 2; repeat++)
        {
            allocated.Clear();
            var search = new SearchLoop(new SearchSetup
            {
                Strategy = new BestOfN(),
                Budget = new() { Candidates = 1, Keep = 1, Evaluations = 20, Boundaries = [20] },
                Seed = 1,
                Scheduler = scheduler,
                Denoising = denoising,
                CreateRoot = (id, seed) => Candidate.Root(id, seed, NoiseKind.Cpu, ToySearch.Shape.Length, scheduler, TextOrigin.Instance),
                Scoring = scoring,
                Clock = new StageClock(null, TimeProvider.System),
                Control = control,
                Time = TimeProvider.System,
                Origin = TextOrigin.Instance,
                Journal = journal,
            });
            await search.RunAsync();
        }

        // The move, 20 evaluations, the picture, its score.
        Assert.Equal(23, allocated.Count);
        Assert.Equal(allocated[1], allocated[20]);
    }

    private static async Task GoesOnFromEverywhere(Func<ToySearch> create, ISearchStrategy strategy)
    {
        var log = new SnapshotLog();
        var story = new Story();
        var undisturbed = await Run(create(), strategy);
        string whole = Outcome(undisturbed);
        Assert.Equal(whole, Outcome(await Run(create(), strategy, new RunControl { Observer = story, Snapshots = log })));
        Assert.True(log.All.Count >= 4);
        foreach (byte[] snapshot in log.All)
        {
            var again = new Story();
            var search = create();
            (ToySearch Search, IReadOnlyList<Candidate> Kept) resumed = await Run(
                search,
                strategy,
                new RunControl { Observer = again, Snapshots = new SnapshotLog(snapshot) });
            Assert.True(search.Resumed!.FromSnapshot, search.Resumed.Reason);
            Assert.Equal(whole, Outcome(resumed));
            Assert.Equal(story.Lines, again.Lines);
            foreach ((CandidateUpdate first, CandidateUpdate second) in story.Updates.Zip(again.Updates))
            {
                // A picture may be missing only of a candidate that is out.
                bool isOut = search.Loop!.All.Single(candidate => candidate.Id == second.Candidate).Image is null;
                Assert.True(second.Image is not null || first.Image is null || isOut);
                Assert.True(second.Image is null || first.Image!.Pixels.Span.SequenceEqual(second.Image.Pixels.Span));
            }
        }
    }

    private static async Task BeginsAnew(byte[] snapshot, ToySearch search, ISearchStrategy strategy, string? reason, string? whole = null)
    {
        var log = new SnapshotLog(snapshot);
        (ToySearch Search, IReadOnlyList<Candidate> Kept) run = await Run(search, strategy, new RunControl { Snapshots = log });
        Assert.False(search.Resumed!.FromSnapshot);
        Assert.Equal(search.Resumed, log.Report);
        Assert.Equal(0, search.Resumed.EvaluationsSkipped);
        Assert.Contains(reason ?? "the snapshot cannot be used: ", search.Resumed.Reason, StringComparison.Ordinal);
        if (whole is not null)
        {
            Assert.Equal(whole, Outcome(run));
        }
    }

    private static async Task<(ToySearch Search, IReadOnlyList<Candidate> Kept)> Run(
        ToySearch search,
        ISearchStrategy strategy,
        RunControl? control = null) => (search, await search.RunAsync(strategy, control));

    /// <summary>All that comes of a run: ranks, scores, reports, pixels, and the bits of samples and streams.</summary>
    private static string Outcome((ToySearch Search, IReadOnlyList<Candidate> Kept) run)
    {
        (IReadOnlyList<CandidateReport> reports, IReadOnlyList<RankedImage> images) = RankedImagesBuilder.Build(
            run.Search.Loop!.All,
            [.. run.Kept.Select(candidate => candidate.Id)],
            higherIsBetter: true);
        var bits = new MemoryStream();
        using var writer = new BinaryWriter(bits);
        foreach (Candidate candidate in run.Search.Loop.All)
        {
            writer.Write(candidate.Forks);
            if (!candidate.Trajectory.IsReleased)
            {
                candidate.Trajectory.Write(writer);
            }
        }

        return string.Join('\n', [
            JsonSerializer.Serialize(reports, DiffusionClipJson.Indented),
            .. images.Select(image => Convert.ToHexString(image.Image.Pixels.Span)),
            Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(bits.ToArray())),
        ]);
    }

    private static float[] Mask => [1, 0, 0, 1];

    private static EncodedPicture Encoded(float offset)
    {
        int length = ToySearch.Shape.Length;
        var folder = new AutoencoderFolder
        {
            Graph = "vae_encoder/model.onnx",
            ConfigPath = "config.json",
            LatentChannels = 4,
            ScalingFactor = 0.5f,
            SpatialScale = 8,
        };
        return new(
            new LatentEncoding(
                Enumerable.Range(0, length).Select(i => offset + (0.1f * i)).ToArray(),
                Enumerable.Repeat(-2f, length).ToArray(),
                ToySearch.Shape),
            folder);
    }

    private sealed class Silence : IRunObserver;

    /// <summary>Predicts nothing and allocates nothing.</summary>
    private sealed class SilentDenoiser : IDenoiser, IDenoiserBinding
    {
        private readonly float[] _sample = new float[ToySearch.Shape.Length];
        private readonly float[] _output = new float[ToySearch.Shape.Length];

        public DenoiserDescriptor Descriptor { get; } = new() { InChannels = 4, OutChannels = 4, CrossAttentionDim = 1 };

        public IDenoiserBinding Bind(LatentShape shape, int rows, int sequenceLength) => this;

        public void SetConditioning(int row, TextConditioning conditioning)
        {
        }

        public Span<float> Sample(int row) => _sample;

        public ReadOnlySpan<float> ModelOutput(int row) => _output;

        public void Run(float timestep)
        {
        }

        public void Terminate()
        {
        }

        public void Dispose()
        {
        }
    }
}

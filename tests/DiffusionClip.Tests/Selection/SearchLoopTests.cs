using DiffusionClip.Denoising;
using DiffusionClip.Selection.Snapshots;

namespace DiffusionClip.Selection;

public sealed class SearchLoopTests
{
    [Fact]
    public async Task Best_of_n_keeps_the_best_in_two_moves()
    {
        var search = new ToySearch { Candidates = 12, Keep = 3 };
        IReadOnlyList<Candidate> kept = await search.RunAsync(new BestOfN());
        Assert.Equal(search.Loop!.All.OrderByDescending(candidate => candidate.Score).ThenBy(candidate => candidate.Id).Take(3), kept);
        Assert.Single(search.Loop.Rounds);
        Assert.Contains(search.Loop.All, candidate => candidate.Score < 0);
        Assert.Contains(search.Loop.All, candidate => candidate.Score > 0);
    }

    [Theory]
    [InlineData("EulerDiscreteScheduler")]
    [InlineData("EulerAncestralDiscreteScheduler")]
    [InlineData("DPMSolverMultistepScheduler")]
    [InlineData("DDIMScheduler")]
    [InlineData("PNDMScheduler")]
    [InlineData("LCMScheduler")]
    public async Task A_candidate_does_not_depend_on_how_many_there_are(string scheduler)
    {
        var many = new ToySearch { Candidates = 5, Scheduler = scheduler };
        await many.RunAsync(new BestOfN());
        for (int i = 0; i < 5; i++)
        {
            var alone = new ToySearch { Candidates = 1, Keep = 1, Seed = many.Seed + (ulong)i, Scheduler = scheduler };
            await alone.RunAsync(new BestOfN());
            Assert.Equal(alone.Loop!.All.Single().Trajectory.Sample, many.Loop!.All.ElementAt(i).Trajectory.Sample);
        }
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(4, true)]
    [InlineData(4, false)]
    [InlineData(6, true)]
    public async Task Plans_agree(int rows, bool batched)
    {
        var plain = new ToySearch();
        var planned = new ToySearch { RowsPerRun = rows, Batched = batched };
        await plain.RunAsync(new BestOfN());
        await planned.RunAsync(new BestOfN());
        Assert.Equal(
            plain.Loop!.All.Select(candidate => candidate.Trajectory.Sample),
            planned.Loop!.All.Select(candidate => candidate.Trajectory.Sample));
    }

    [Fact]
    public async Task A_survivor_of_pruning_is_the_picture_it_would_have_been()
    {
        var whole = new ToySearch { Scheduler = "EulerAncestralDiscreteScheduler", Candidates = 8 };
        await whole.RunAsync(new BestOfN());
        var pruned = new ToySearch { Scheduler = "EulerAncestralDiscreteScheduler", Candidates = 8 };
        var recorder = new SearchRecorder();
        await pruned.RunAsync(new Halving(3), new RunControl { Observer = recorder });

        Candidate[] survivors = [.. pruned.Loop!.All.Where(candidate => candidate.Image is not null)];
        Assert.Equal(4, survivors.Length);
        Assert.All(
            survivors,
            survivor => Assert.Equal(whole.Loop!.All.ElementAt(survivor.Id.Value).Trajectory.Sample, survivor.Trajectory.Sample));
        Assert.Equal(4, pruned.Loop.All.Count(candidate => candidate.Stopped is not null && candidate.EvaluationsDone == 3));
        Assert.Equal((4 * 3) + (4 * 8), pruned.Loop.All.Sum(candidate => candidate.EvaluationsDone));
        Assert.All(pruned.Loop.All, candidate => Assert.Equal(3, Assert.Single(candidate.Checkpoints).Evaluation));
        Assert.Equal(4, recorder.Of(CandidateEvent.Stopped).Count());
        Assert.Equal(8, recorder.Of(CandidateEvent.Scored).Count());
        Assert.Equal(4, recorder.Of(CandidateEvent.Finished).Count());
    }

    [Fact]
    public async Task Forks_part_and_the_parent_goes_its_own_way()
    {
        var whole = new ToySearch { Scheduler = "EulerAncestralDiscreteScheduler", Candidates = 1, Keep = 1 };
        await whole.RunAsync(new BestOfN());
        var forked = new ToySearch { Scheduler = "EulerAncestralDiscreteScheduler", Candidates = 1, Keep = 1 };
        await forked.RunAsync(new Scripted(
            _ => SearchMove.Advance.Roots(1, 4),
            state => SearchMove.Advance.On([new(0), new(0), new(0)], state.Budget.Evaluations),
            BestOfLast));

        Candidate[] all = [.. forked.Loop!.All];
        Assert.Equal(3, all.Length);
        Assert.Equal(whole.Loop!.All.Single().Trajectory.Sample, all[0].Trajectory.Sample);
        Assert.NotEqual(all[0].Trajectory.Sample, all[1].Trajectory.Sample);
        Assert.NotEqual(all[1].Trajectory.Sample, all[2].Trajectory.Sample);
        Assert.Equal([1], all[1].Lineage);
        Assert.Equal([2], all[2].Lineage);
        Assert.Equal(new CandidateId(0), all[1].Parent);
    }

    [Fact]
    public async Task Noising_back_goes_over_part_of_the_way_again()
    {
        var search = new ToySearch { Candidates = 1, Keep = 1 };
        IReadOnlyList<Candidate> kept = await search.RunAsync(new Scripted(
            _ => SearchMove.Advance.Roots(1, 6),
            state => new SearchMove.Advance
            {
                Branches =
                [
                    new() { Parent = new(0), RenoiseTo = 2, Until = state.Budget.Evaluations },
                    new() { Parent = new(0), RenoiseTo = 4, Until = state.Budget.Evaluations },
                ],
            },
            BestOfLast));
        Candidate[] all = [.. search.Loop!.All];
        Assert.Equal([6, 6 + 6, 6 + 4], all.Select(candidate => candidate.EvaluationsDone));
        Assert.Equal([6, 6, 4], all.Select(candidate => candidate.EvaluationsDone - candidate.EvaluationsInherited));
        Assert.NotNull(all[0].Stopped);
        Assert.All(
            all[1..],
            candidate =>
                Assert.True(Math.Abs(Math.Abs(candidate.Score!.Value) - 1) < 0.2, $"{candidate.Score}: noising back left the world"));
        Assert.Single(kept);
    }

    [Fact]
    public async Task A_finished_parent_is_kept_and_branched()
    {
        var whole = new ToySearch { Candidates = 1, Keep = 1 };
        await whole.RunAsync(new BestOfN());
        RgbImage picture = whole.Loop!.All.Single().Image!;
        float[] latents = whole.Loop.All.Single().Trajectory.Sample;
        var search = new ToySearch { Candidates = 1, Keep = 3 };
        IReadOnlyList<Candidate> kept = await search.RunAsync(new Scripted(
            _ => SearchMove.Advance.Roots(1, 8),
            _ => new SearchMove.Advance { Branches = [Renoised(0, 4)], Held = [new(0)] },
            _ => new SearchMove.Advance { Branches = [Renoised(0, 4), Renoised(1, 2)], Held = [new(0), new(1)] },
            state => new SearchMove.Finish { Kept = [.. state.Rounds[^1].Population.Select(score => score.Candidate).Order().Take(3)] }));

        Candidate[] all = [.. search.Loop!.All];
        Assert.Equal(4, all.Length);
        Assert.Equal(picture.Pixels.ToArray(), all[0].Image!.Pixels.ToArray());
        Assert.Equal(latents, all[0].Trajectory.Sample);
        Assert.Equal([all[0], all[1], all[2]], kept);
        Assert.All(all, candidate => Assert.Null(candidate.Stopped));

        // Two children of one parent in two rounds: other keys, other noise.
        Assert.Equal([1], all[1].Lineage);
        Assert.Equal([2], all[2].Lineage);
        Assert.Equal([1, 1], all[3].Lineage);
        Assert.NotEqual(all[1].Trajectory.Sample, all[2].Trajectory.Sample);
        Assert.Equal([8, 4, 4, 6], all.Select(candidate => candidate.EvaluationsDone - candidate.EvaluationsInherited));
    }

    [Theory]
    [InlineData("EulerAncestralDiscreteScheduler")]
    [InlineData("DPM++ 2M SDE")]
    public async Task Forks_of_one_parent_in_two_rounds_part(string scheduler)
    {
        var search = new ToySearch { Candidates = 1, Keep = 1, Scheduler = scheduler };
        await search.RunAsync(new Scripted(
            _ => SearchMove.Advance.Roots(1, 3),
            _ => new SearchMove.Advance { Branches = [new() { Parent = new(0), RenoiseTo = 1, Until = 3 }], Held = [new(0)] },
            _ => new SearchMove.Advance { Branches = [new() { Parent = new(0), RenoiseTo = 1, Until = 3 }], Held = [new(0), new(1)] },
            _ => SearchMove.Advance.On([new(0), new(1), new(2)], 8),
            BestOfLast));
        Candidate[] all = [.. search.Loop!.All];
        Assert.Equal([2], all[2].Lineage);
        Assert.NotEqual(all[1].Trajectory.Sample, all[2].Trajectory.Sample);
    }

    [Fact]
    public async Task Roots_start_at_any_move_and_stop_where_each_is_told_to()
    {
        var search = new ToySearch
        {
            Candidates = 4,
            Keep = 1,
            RowsPerRun = 2,
        };
        await search.RunAsync(
            new Scripted(
                _ => new SearchMove.Advance { Branches = [new() { Until = 3 }, new() { Until = 5 }] },
                _ => new SearchMove.Advance
                {
                    Branches = [new() { Parent = new(0), Until = 5 }, new() { Until = 5 }, new() { Until = 8 }],
                    Held = [new(1)],
                },
                _ => SearchMove.Advance.On([new(1), new(2), new(0)], 8) with { Held = [new(3)] },
                BestOfLast));
        Candidate[] all = [.. search.Loop!.All];
        Assert.Equal([100UL, 101, 102, 103], all.Select(candidate => candidate.Seed));
        Assert.All(all, candidate => Assert.Equal(8, candidate.EvaluationsDone));
        var whole = new ToySearch { Candidates = 4, Keep = 4 };
        await whole.RunAsync(new BestOfN());
        Assert.Equal(
            whole.Loop!.All.Select(candidate => candidate.Trajectory.Sample),
            all.Select(candidate => candidate.Trajectory.Sample));
        Assert.Equal([3, 5], all[0].Checkpoints.Select(checkpoint => checkpoint.Evaluation));
        Assert.Equal([5], all[1].Checkpoints.Select(checkpoint => checkpoint.Evaluation));
        Assert.Empty(all[3].Checkpoints);
    }

    [Fact]
    public async Task Who_is_out_gives_its_memory_back_and_cannot_come_back()
    {
        var search = new ToySearch { Candidates = 3, Keep = 1 };
        await search.RunAsync(new Scripted(
            _ => new SearchMove.Advance { Branches = [new() { Until = 8 }, new() { Until = 8 }, new() { Until = 4 }] },
            _ => new SearchMove.Advance { Branches = [new() { Until = 8 }], Held = [new(1)] },
            _ => new SearchMove.Finish { Kept = [new(1)] }));
        Candidate[] all = [.. search.Loop!.All];
        (IReadOnlyList<CandidateReport> reports, IReadOnlyList<RankedImage> images) = Reporting.RankedImagesBuilder.Build(
            all,
            search.Kept,
            higherIsBetter: true);
        Assert.True(all[0].Trajectory.IsReleased && all[2].Trajectory.IsReleased);
        Assert.Null(all[0].Image);
        Assert.Empty(all[0].Trajectory.Sample);

        // Finished and let go: it has its score and its rank, and was not cut.
        CandidateReport gone = reports.Single(report => report.Index == 0);
        Assert.NotNull(gone.Score);
        Assert.NotNull(gone.Rank);
        Assert.Null(gone.Stopped);
        Assert.False(gone.Kept);
        Assert.Contains(
            "cut by scripted after evaluation 4 of 8",
            reports.Single(report => report.Index == 2).Stopped,
            StringComparison.Ordinal);
        Assert.Equal([1, 3], images.Select(image => image.Candidate.Index).Order());

        foreach (SearchMove late in new SearchMove[]
        {
            new SearchMove.Finish { Kept = [new(0)] },
            new SearchMove.Advance { Branches = [Renoised(0, 2)] },
            new SearchMove.Advance { Branches = [new() { Until = 8 }], Held = [new(0)] },
        })
        {
            InvalidOperationException exception = await Assert.ThrowsAsync<InvalidOperationException>(() => new ToySearch { Candidates = 3, Keep = 1 }.RunAsync(new Scripted(
                _ => SearchMove.Advance.Roots(2, 8),
                _ => new SearchMove.Advance { Branches = [new() { Until = 8 }], Held = [new(1)] },
                _ => late)));
            Assert.Contains("candidate 0, which is not in the population", exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Many_candidates_stay_bounded()
    {
        var search = new ToySearch { Candidates = 1024, Keep = 1, Steps = 2 };
        IReadOnlyList<Candidate> kept = await search.RunAsync(new BestOfN());
        int most = search.Loop!.Rounds.Max(round => round.Population.Count);
        Assert.Equal(64 + 1, most);
        Assert.InRange(search.Loop.All.Count(candidate => !candidate.Trajectory.IsReleased), 1, most);
        Assert.Equal(search.Loop.All.OrderByDescending(candidate => candidate.Score).ThenBy(candidate => candidate.Id).Take(1), kept);
        Assert.Equal(1024, search.Loop.All.Count(candidate => candidate.IsFinished));
        Assert.Equal(1024 * 2, search.Loop.Rounds[^1].Spent.Evaluations);
    }

    [Fact]
    public async Task Pictures_are_scored_in_batches_over_the_groups()
    {
        var single = new ToySearch { Candidates = 7, Keep = 7 };
        await single.RunAsync(new BestOfN());
        Assert.Equal(Enumerable.Repeat(1, 7), single.Scoring.Batches);
        var batched = new ToySearch { Candidates = 7, Keep = 7, RowsPerRun = 2, Broken = [4], Scoring = new() { BatchSize = 3 } };
        var recorder = new SearchRecorder();
        await batched.RunAsync(new BestOfN(), new RunControl { Observer = recorder });

        // Candidate 4 failed: its place in the batch stays empty.
        Assert.Equal([3, 2, 1], batched.Scoring.Batches);
        Assert.Equal(
            single.Loop!.All.Where(candidate => candidate.Id.Value != 4).Select(candidate => candidate.Score),
            batched.Loop!.All.Where(candidate => candidate.Id.Value != 4).Select(candidate => candidate.Score));
        Assert.Equal(6, recorder.Of(CandidateEvent.Decoded).Count());
        Assert.Equal(6, recorder.Of(CandidateEvent.Finished).Count());
        Assert.All(recorder.Of(CandidateEvent.Finished), update => Assert.NotNull(update.Score));
        Assert.Equal(7 * 8, batched.Loop.Spent.Evaluations + (8 - batched.Loop.All.ElementAt(4).EvaluationsDone));
        Assert.Equal((6, 6), (batched.Loop.Spent.Decodes, batched.Loop.Spent.Scores));
    }

    [Fact]
    public async Task Totals_that_depend_on_the_population_are_set_when_it_is_complete()
    {
        var search = new ToySearch
        {
            Candidates = 70,
            Keep = 2,
            Steps = 2,
            Scoring = new()
            {
                Names = ["brightness", "twice"],
                TotalsAreRelative = true,
                BatchSize = 16,
            },
        };
        var recorder = new SearchRecorder();
        IReadOnlyList<Candidate> kept = await search.RunAsync(new BestOfN(), new RunControl { Observer = recorder });
        Candidate[] all = [.. search.Loop!.All];
        Assert.All(recorder.Of(CandidateEvent.Finished), update => Assert.Null(update.Score));
        Assert.All(all, candidate => Assert.Equal(
            all.Count(other => other.Scores[0].Score < candidate.Scores[0].Score) / 70.0, candidate.Score));
        Assert.All(all, candidate => Assert.Equal(2 * candidate.Scores[0].Score, candidate.Scores[1].Score));
        Assert.Equal(all.OrderByDescending(candidate => candidate.Scores[0].Score).ThenBy(candidate => candidate.Id).Take(2), kept);
    }

    [Fact]
    public async Task A_strategy_draws_from_its_seed_and_reads_what_was_spent()
    {
        var seeds = new List<ulong>();
        var spent = new List<SearchSpent>();
        async Task RunAsync(ulong seed)
        {
            var search = new ToySearch { Candidates = 2, Keep = 1, Seed = seed };
            await search.RunAsync(new Scripted(
                state => Note(state, SearchMove.Advance.Roots(2, 4)),
                state => Note(state, SearchMove.Advance.On([new(0), new(1)], 8)),
                state => Note(state, BestOfLast(state))));
        }

        SearchMove Note(SearchState state, SearchMove move)
        {
            seeds.Add(state.Seed);
            spent.Add(state.Spent);
            return move;
        }

        await RunAsync(100);
        await RunAsync(100);
        await RunAsync(101);
        Assert.Equal(Enumerable.Repeat(seeds[0], 6), seeds[..6]);
        Assert.NotEqual(seeds[0], seeds[6]);
        Assert.NotEqual(100UL, seeds[0]);
        Assert.Equal([0L, 8, 16], spent[..3].Select(one => one.Evaluations));
        Assert.Equal([0L, 2, 4], spent[..3].Select(one => one.Decodes));
        Assert.True(spent[1].Seconds > 0 && spent[2].Seconds >= spent[1].Seconds);
    }

    [Fact]
    public async Task Guidance_in_an_interval_saves_the_other_side()
    {
        foreach (bool batched in new[] { false, true })
        {
            var settings = new GuidanceSettings(2, 0);
            var always = new ToySearch { Candidates = 1, Keep = 1, Batched = batched };
            var interval = new ToySearch { Candidates = 1, Keep = 1, Batched = batched, Guidance = new IntervalGuidance(settings, 2, 6) };
            var whole = new ToySearch { Candidates = 1, Keep = 1, Batched = batched, Guidance = new IntervalGuidance(settings, 0, 8) };
            await always.RunAsync(new BestOfN());
            await interval.RunAsync(new BestOfN());
            await whole.RunAsync(new BestOfN());
            Assert.Equal(batched ? 8 : 16, always.Denoiser.Runs);
            Assert.Equal(batched ? 8 : 12, interval.Denoiser.Runs);
            Assert.Equal(always.Loop!.All.Single().Trajectory.Sample, whole.Loop!.All.Single().Trajectory.Sample);
            Assert.NotEqual(0, interval.Loop!.All.Single().Score);
        }
    }

    [Fact]
    public async Task A_hook_works_after_each_step_on_its_own_state()
    {
        var plain = new ToySearch { Candidates = 1, Keep = 1 };
        await plain.RunAsync(new BestOfN());
        var idle = new ToySearch { Candidates = 1, Keep = 1, Hooks = [new Nudge(0)] };
        await idle.RunAsync(new BestOfN());
        Assert.Equal(plain.Loop!.All.Single().Trajectory.Sample, idle.Loop!.All.Single().Trajectory.Sample);

        var hooked = new ToySearch
        {
            Candidates = 1,
            Keep = 1,
            Hooks = [new Nudge(0.5f)],
        };
        await hooked.RunAsync(
            new Scripted(_ => SearchMove.Advance.Roots(1, 4), _ => SearchMove.Advance.On([new(0), new(0)], 8), BestOfLast));
        Candidate[] all = [.. hooked.Loop!.All];
        Assert.True(all[0].Score > plain.Loop.All.Single().Score);
        Assert.Equal([8, 8], all.Select(candidate => ((Nudge.State)candidate.Trajectory.Hooks[0]).Steps));
        Assert.NotSame(all[0].Trajectory.Hooks[0], all[1].Trajectory.Hooks[0]);
    }

    [Fact]
    public async Task The_log_of_moves_replays_a_run()
    {
        var first = new ToySearch { Candidates = 8, Scheduler = "EulerAncestralDiscreteScheduler" };
        var recorder = new SearchRecorder();
        IReadOnlyList<Candidate> kept = await first.RunAsync(new Halving(3), new RunControl { Observer = recorder });
        var second = new ToySearch { Candidates = 8, Scheduler = "EulerAncestralDiscreteScheduler" };
        IReadOnlyList<Candidate> again = await second.RunAsync(
            new Scripted([.. recorder.Moves.Select(move => (Func<SearchState, SearchMove>)(_ => move))]));
        Assert.Equal(kept.Select(candidate => candidate.Trajectory.Sample), again.Select(candidate => candidate.Trajectory.Sample));
    }

    [Fact]
    public async Task A_candidate_without_finite_latents_fails_alone()
    {
        var search = new ToySearch { Candidates = 4, Keep = 4, Broken = [1], RowsPerRun = 2 };
        IReadOnlyList<Candidate> kept = await search.RunAsync(new BestOfN());
        Candidate failed = search.Loop!.All.ElementAt(1);
        Assert.Contains("not finite", failed.Failure, StringComparison.Ordinal);
        Assert.Null(failed.Score);
        Assert.Null(failed.Image);
        Assert.Equal(3, kept.Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(11)]
    [InlineData(16)]
    public async Task Finishing_early_returns_the_best_so_far(int afterSteps)
    {
        using var finish = new CancellationTokenSource();
        var search = new ToySearch { Candidates = 6, Keep = 6 };
        var recorder = new SearchRecorder { AfterStep = step => { if (step == afterSteps) { finish.Cancel(); } } };
        IReadOnlyList<Candidate> kept = await search.RunAsync(new BestOfN(), new RunControl { Finish = finish.Token, Observer = recorder });
        Assert.True(search.Loop!.FinishedEarly);
        Assert.Equal(Math.Max(1, afterSteps / 8), kept.Count);
        Assert.All(kept, candidate => Assert.NotNull(candidate.Image));
        Assert.All(search.Loop.All.Except(kept), candidate => Assert.NotNull(candidate.Stopped));
    }

    [Fact]
    public async Task Finishing_at_a_checkpoint_takes_the_most_promising_to_its_end()
    {
        using var finish = new CancellationTokenSource();
        var search = new ToySearch { Candidates = 6, Keep = 2 };
        var recorder = new SearchRecorder
        {
            AfterCandidate = update =>
            {
                if (update.Event == CandidateEvent.Scored && update.Candidate.Value == 5)
                {
                    finish.Cancel();
                }
            },
        };
        IReadOnlyList<Candidate> kept = await search.RunAsync(
            new Halving(4),
            new RunControl { Finish = finish.Token, Observer = recorder });
        Candidate best = search.Loop!.All.MaxBy(candidate => candidate.Checkpoints[0].Score)!;
        Assert.Equal([best], kept);
    }

    [Fact]
    public async Task Abort_ends_the_run()
    {
        using var abort = new CancellationTokenSource();
        var search = new ToySearch();
        search.Denoiser.BeforeRun = () =>
        {
            if (search.Denoiser.Runs == 5)
            {
                abort.Cancel();
            }
        };
        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            search.RunAsync(new BestOfN(), new RunControl { Abort = abort.Token }));
        Assert.Equal(abort.Token, exception.CancellationToken);
        Assert.Equal(5, search.Denoiser.Runs);
    }

    [Fact]
    public async Task Previews_come_on_request()
    {
        var recorder = new SearchRecorder { Previews = true };
        await new ToySearch { Candidates = 1, Keep = 1 }.RunAsync(new BestOfN(), new RunControl { Observer = recorder });
        Assert.Equal(8, recorder.PreviewCount);
    }

    [Fact]
    public async Task A_strategy_that_breaks_the_rules_is_named()
    {
        Func<SearchState, SearchMove> start = _ => SearchMove.Advance.Roots(2, 4);
        (Func<SearchState, SearchMove> Move, string Problem)[] broken =
        [
            (_ => new SearchMove.Advance { Branches = [] }, "advances no candidate"),
            (_ => SearchMove.Advance.On([new(7)], 8), "advances candidate 7, which is not in the population"),
            (_ => SearchMove.Advance.On([new(0)], 4), "runs candidate 0 from evaluation 4 until 4"),
            (_ => SearchMove.Advance.On([new(0)], 9), "runs candidate 0 from evaluation 4 until 9"),
            (_ => new SearchMove.Advance { Branches = [Renoised(0, 5)] }, "noises candidate 0 back from evaluation 4 to 5"),
            (_ => new SearchMove.Advance { Branches = [new() { Until = 8, RenoiseTo = 0 }] }, "noises a root back"),
            (
                _ => SearchMove.Advance.On([new(0)], 8) with { Held = [new(0)] },
                "holds candidate 0, which it also advances or holds already"),
            (
                _ => SearchMove.Advance.On([new(0)], 8) with { Held = [new(1), new(1)] },
                "holds candidate 1, which it also advances or holds already"),
            (_ => new SearchMove.Finish { Kept = [new(0)] }, "keeps candidate 0, which is not in the population with a picture"),
        ];
        foreach ((Func<SearchState, SearchMove> move, string problem) in broken)
        {
            InvalidOperationException exception = await Assert.ThrowsAsync<InvalidOperationException>(() =>
                new ToySearch { Candidates = 2 }.RunAsync(new Scripted(start, move)));
            Assert.Equal($"The search strategy scripted broke the rules: it {problem}.", exception.Message);
        }

        await Assert.ThrowsAsync<InvalidOperationException>(() =>
            new ToySearch().RunAsync(new Scripted(_ => new SearchMove.Finish { Kept = [] })));
    }

    private static SearchMove BestOfLast(SearchState state) =>
        new SearchMove.Finish { Kept = [.. Ranking.Order(state.Rounds[^1].Population, true).Take(1)] };

    private static Branch Renoised(int parent, int to) => new() { Parent = new(parent), RenoiseTo = to, Until = 8 };

    private sealed class SearchRecorder : IRunObserver
    {
        public List<SearchMove> Moves { get; } = [];

        public Action<int>? AfterStep { get; init; }

        public Action<CandidateUpdate>? AfterCandidate { get; init; }

        public bool Previews { get; init; }

        public int PreviewCount { get; private set; }

        private readonly List<CandidateUpdate> _updates = [];
        private int _steps;

        public IEnumerable<CandidateUpdate> Of(CandidateEvent what) => _updates.Where(update => update.Event == what);

        public void OnMove(SearchMove move) => Moves.Add(move);

        public void OnCandidate(CandidateUpdate update)
        {
            _updates.Add(update);
            AfterCandidate?.Invoke(update);
        }

        public void OnStep(in StepUpdate update)
        {
            AfterStep?.Invoke(++_steps);
            if (Previews && update.DecodePreview() is not null)
            {
                PreviewCount++;
            }
        }
    }
}

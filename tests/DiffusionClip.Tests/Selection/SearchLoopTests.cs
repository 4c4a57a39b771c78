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
            Assert.Equal(alone.Loop!.All.Single().Sample, many.Loop!.All.ElementAt(i).Sample);
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
        Assert.Equal(plain.Loop!.All.Select(candidate => candidate.Sample), planned.Loop!.All.Select(candidate => candidate.Sample));
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
        Assert.All(survivors, survivor => Assert.Equal(whole.Loop!.All.ElementAt(survivor.Id.Value).Sample, survivor.Sample));
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
            _ => new SearchMove.Start(1, 4),
            state => new SearchMove.Advance([new(new(0)), new(new(0)), new(new(0))], state.Budget.Evaluations),
            state => new SearchMove.Finish([.. Ranking.Order(state.Rounds[^1].Population, true).Take(1)])));

        Candidate[] all = [.. forked.Loop!.All];
        Assert.Equal(3, all.Length);
        Assert.Equal(whole.Loop!.All.Single().Sample, all[0].Sample);
        Assert.NotEqual(all[0].Sample, all[1].Sample);
        Assert.NotEqual(all[1].Sample, all[2].Sample);
        Assert.Equal([1], all[1].Lineage);
        Assert.Equal([2], all[2].Lineage);
        Assert.Equal(new CandidateId(0), all[1].Parent);
    }

    [Fact]
    public async Task Noising_back_goes_over_part_of_the_way_again()
    {
        var search = new ToySearch { Candidates = 1, Keep = 1 };
        IReadOnlyList<Candidate> kept = await search.RunAsync(new Scripted(
            _ => new SearchMove.Start(1, 6),
            state => new SearchMove.Advance([new(new(0), RenoiseTo: 2), new(new(0), RenoiseTo: 4)], state.Budget.Evaluations),
            state => new SearchMove.Finish([.. Ranking.Order(state.Rounds[^1].Population, true).Take(1)])));
        Candidate[] all = [.. search.Loop!.All];
        Assert.Equal(6 + 6, all[0].EvaluationsDone);
        Assert.Equal(6 + 4, all[1].EvaluationsDone);
        Assert.All(all, candidate => Assert.True(Math.Abs(Math.Abs(candidate.Score!.Value) - 1) < 0.2, $"{candidate.Score}: noising back left the world"));
        Assert.Single(kept);
    }

    [Fact]
    public async Task The_log_of_moves_replays_a_run()
    {
        var first = new ToySearch { Candidates = 8, Scheduler = "EulerAncestralDiscreteScheduler" };
        var recorder = new SearchRecorder();
        IReadOnlyList<Candidate> kept = await first.RunAsync(new Halving(3), new RunControl { Observer = recorder });
        var second = new ToySearch { Candidates = 8, Scheduler = "EulerAncestralDiscreteScheduler" };
        IReadOnlyList<Candidate> again = await second.RunAsync(new Scripted([.. recorder.Moves.Select(move => (Func<SearchState, SearchMove>)(_ => move))]));
        Assert.Equal(kept.Select(candidate => candidate.Sample), again.Select(candidate => candidate.Sample));
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
        var recorder = new SearchRecorder { AfterCandidate = update => { if (update.Event == CandidateEvent.Scored && update.Candidate.Value == 5) { finish.Cancel(); } } };
        IReadOnlyList<Candidate> kept = await search.RunAsync(new Halving(4), new RunControl { Finish = finish.Token, Observer = recorder });
        Candidate best = search.Loop!.All.MaxBy(candidate => candidate.Checkpoints[0].Score)!;
        Assert.Equal([best], kept);
    }

    [Fact]
    public async Task Abort_ends_the_run()
    {
        using var abort = new CancellationTokenSource();
        var search = new ToySearch();
        search.Denoiser.BeforeRun = () => { if (search.Denoiser.Runs == 5) { abort.Cancel(); } };
        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => search.RunAsync(new BestOfN(), new RunControl { Abort = abort.Token }));
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
        Func<SearchState, SearchMove> start = _ => new SearchMove.Start(2, 4);
        Func<SearchState, SearchMove>[] broken =
        [
            _ => new SearchMove.Start(2, 4),
            _ => new SearchMove.Advance([], 8),
            _ => new SearchMove.Advance([new(new(7))], 8),
            _ => new SearchMove.Advance([new(new(0))], 4),
            _ => new SearchMove.Advance([new(new(0))], 9),
            _ => new SearchMove.Advance([new(new(0), RenoiseTo: 5)], 8),
            _ => new SearchMove.Finish([new(0)]),
        ];
        foreach (Func<SearchState, SearchMove> move in broken)
        {
            InvalidOperationException exception = await Assert.ThrowsAsync<InvalidOperationException>(() => new ToySearch { Candidates = 2 }.RunAsync(new Scripted(start, move)));
            Assert.Contains("scripted", exception.Message, StringComparison.Ordinal);
        }
    }

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

using DiffusionClip.Denoising;
using DiffusionClip.Reporting;
using DiffusionClip.Selection.Snapshots;

namespace DiffusionClip.Selection;

/// <summary>
/// The one loop of every search: asks the strategy for a move, runs the population to where the move wants it, has it
/// decoded and scored, and asks again.
/// </summary>
/// <remarks>
/// What a survivor is: a parent named once goes on as itself, with its own noise stream. Named again it is forked, and each
/// fork gets a number and a stream of its own.
/// </remarks>
internal sealed partial class SearchLoop(
    ISearchStrategy strategy,
    SearchBudget budget,
    IScheduler scheduler,
    DenoisingLoop denoising,
    Func<int, Candidate> createRoot,
    Func<Candidate, ScoringPhase, ValueTask> look,
    StageClock clock,
    RunControl control,
    RunJournal? journal = null)
{
    // A strategy that never finishes is a bug of the strategy, not a reason to run forever.
    private const int MaxRounds = 10_000;

    private readonly Dictionary<CandidateId, Candidate> _all = [];
    private readonly List<SearchRound> _rounds = [];
    private List<Candidate> _population = [];
    private int _nextId;

    // Where the move being made stands: everybody before the group has been looked at, the group stands at one evaluation,
    // and some of it have been looked at. No group: it begins with the next one.
    private SearchMove? _move;
    private int _groupStart;
    private int _groupCount;
    private int _groupEvaluation;
    private int _groupLooked;

    /// <summary>Every candidate there was, by number.</summary>
    public IEnumerable<Candidate> All => _all.Values.OrderBy(candidate => candidate.Id);

    /// <summary>The moves made.</summary>
    public IReadOnlyList<SearchRound> Rounds => _rounds;

    /// <summary>Whether the caller's finish ended the search before the strategy did.</summary>
    public bool FinishedEarly { get; private set; }

    /// <summary>Runs the search to its end and returns the candidates kept, best first.</summary>
    public async Task<IReadOnlyList<CandidateId>> RunAsync()
    {
        bool isResumed = _move is not null;
        if (isResumed)
        {
            TellAgain();
        }

        while (_rounds.Count < MaxRounds)
        {
            if (!isResumed)
            {
                using (clock.Measure(Stage.Selection))
                {
                    _move = strategy.Next(new SearchState(budget, [.. _rounds]));
                }

                control.Observer?.OnMove(_move);
                if (_move is SearchMove.Finish finish && _rounds.Count > 0)
                {
                    return Finish(finish.Kept);
                }

                Begin(_move);
                AtBoundary();
            }

            isResumed = false;
            await RunPopulationAsync(UntilOf(_move!)).ConfigureAwait(false);
            _rounds.Add(new SearchRound(_move!, [.. _population.Select(candidate => candidate.ToScore())]));
            if (control.Finish.IsCancellationRequested)
            {
                return await FinishEarlyAsync().ConfigureAwait(false);
            }
        }

        throw Broken($"makes more than {MaxRounds} moves");
    }

    /// <summary>Makes the population of a move.</summary>
    private void Begin(SearchMove move)
    {
        switch (move)
        {
            case SearchMove.Start start when _rounds.Count == 0:
                Require(start.Roots >= 1, $"starts {start.Roots} candidates");
                using (clock.Measure(Stage.Origins))
                {
                    _population = [.. Enumerable.Range(0, start.Roots).Select(AddRoot)];
                }

                break;
            case SearchMove.Advance advance when _rounds.Count > 0:
                _population = Branch(advance.Branches);
                break;
            default:
                throw Broken($"{move.GetType().Name} cannot be move {_rounds.Count + 1}");
        }

        int until = UntilOf(move);
        Require(until <= budget.Evaluations && scheduler.IsBoundary(until), $"runs until evaluation {until}");
        (_groupStart, _groupCount, _groupLooked) = (0, 0, 0);
    }

    private static int UntilOf(SearchMove move) => move switch
    {
        SearchMove.Start start => start.Until,
        SearchMove.Advance advance => advance.Until,
        _ => throw new ArgumentOutOfRangeException(nameof(move), move, "Nobody runs in it."),
    };

    /// <summary>The best so far; where nothing is complete yet, the most promising candidate is taken to its end.</summary>
    private async Task<IReadOnlyList<CandidateId>> FinishEarlyAsync()
    {
        FinishedEarly = true;
        if (!_all.Values.Any(IsComplete) && MostPromising() is { } candidate)
        {
            _population = [candidate];
            _groupLooked = 0;
            await RunGroupAsync([candidate], candidate.Evaluation, budget.Evaluations, ScoringPhase.Final).ConfigureAwait(false);
        }

        foreach (Candidate left in All.Where(candidate => candidate.Failure is null && candidate.Stopped is null && !IsComplete(candidate)))
        {
            Stop(left, $"the run was finished after evaluation {left.Evaluation} of {budget.Evaluations}");
        }

        return [.. Ranking.Order(All.Where(IsComplete).Select(candidate => candidate.ToScore()), budget.HigherIsBetter).Take(budget.Keep)];
    }

    private Candidate? MostPromising()
    {
        List<Candidate> alive = [.. All.Where(candidate => candidate.Failure is null && candidate.Stopped is null)];
        int furthest = alive.Count > 0 ? alive.Max(candidate => candidate.Evaluation) : 0;
        IEnumerable<CandidateId> best = Ranking.Order(alive.Where(candidate => candidate.Evaluation == furthest).Select(candidate => candidate.ToScore()), budget.HigherIsBetter);
        return alive.Count > 0 ? _all[best.First()] : null;
    }

    private Candidate AddRoot(int index)
    {
        Candidate root = createRoot(index);
        Add(root);
        _nextId = Math.Max(_nextId, index + 1);
        return root;
    }

    private void Add(Candidate candidate)
    {
        _all.Add(candidate.Id, candidate);
        control.Observer?.OnCandidate(new CandidateUpdate(candidate.Id, CandidateEvent.Started, candidate.Seed, candidate.Evaluation) { Parent = candidate.Parent });
    }

    private List<Candidate> Branch(IReadOnlyList<Branch> branches)
    {
        Require(branches.Count > 0, "advances nobody");
        var named = new Dictionary<CandidateId, int>();
        var next = new List<Candidate>(branches.Count);

        // Forks are taken before anybody is noised back, so that all start from the same state.
        foreach (Branch branch in branches)
        {
            Require(_population.Exists(candidate => candidate.Id == branch.Parent), $"advances candidate {branch.Parent}, which is not in the population");
            Candidate parent = _all[branch.Parent];
            Require(parent.Failure is null, $"advances candidate {branch.Parent}, which failed");
            int copies = named.GetValueOrDefault(branch.Parent);
            named[branch.Parent] = copies + 1;
            if (copies == 0)
            {
                next.Add(parent);
                continue;
            }

            Candidate fork = parent.Fork(new CandidateId(_nextId++), copies, scheduler);
            Add(fork);
            next.Add(fork);
        }

        for (int i = 0; i < next.Count; i++)
        {
            if (branches[i].RenoiseTo is { } evaluation)
            {
                Require(evaluation >= scheduler.FirstEvaluation && evaluation < next[i].Evaluation && scheduler.IsBoundary(evaluation), $"noises back to evaluation {evaluation}");
                next[i].Renoise(scheduler, evaluation);
            }
        }

        foreach (Candidate stopped in _population.Where(candidate => candidate.Failure is null && !named.ContainsKey(candidate.Id)))
        {
            Stop(stopped, $"cut by {strategy.Name} after evaluation {stopped.Evaluation} of {budget.Evaluations}");
        }

        return next;
    }

    private async Task RunPopulationAsync(int until)
    {
        ScoringPhase phase = until == budget.Evaluations ? ScoringPhase.Final : ScoringPhase.Checkpoint;
        while (_groupStart < _population.Count)
        {
            if (_groupCount == 0)
            {
                int from = _population[_groupStart].Evaluation;
                Require(from < until, $"runs candidate {_population[_groupStart].Id} from evaluation {from} until {until}");
                int count = 1;
                while (count < denoising.GroupSize && _groupStart + count < _population.Count && _population[_groupStart + count].Evaluation == from)
                {
                    count++;
                }

                if (control.Finish.IsCancellationRequested)
                {
                    return;
                }

                (_groupCount, _groupEvaluation, _groupLooked) = (count, from, 0);
            }

            await RunGroupAsync([.. _population.Skip(_groupStart).Take(_groupCount)], _groupEvaluation, until, phase).ConfigureAwait(false);
            (_groupStart, _groupCount, _groupLooked) = (_groupStart + _groupCount, 0, 0);
        }
    }

    private async Task RunGroupAsync(Candidate[] group, int from, int until, ScoringPhase phase)
    {
        bool ran = true;
        if (from < until)
        {
            using (clock.Measure(Stage.Denoising, phase))
            {
                // Asked to finish, a run is worth its time only while there is no picture yet.
                ran = denoising.Run(group, from, until, () => control.Finish.IsCancellationRequested && _all.Values.Any(IsComplete), journal is null ? null : GroupAtBoundary);
            }
        }

        if (!ran)
        {
            return;
        }

        // Also where all failed on the way.
        _groupEvaluation = until;

        while (_groupLooked < group.Length)
        {
            Candidate candidate = group[_groupLooked];
            candidate.Score = null;
            if (candidate.Failure is null)
            {
                await look(candidate, phase).ConfigureAwait(false);
            }

            Tell(candidate, phase);
            _groupLooked++;
            AtBoundary();
        }
    }

    private void GroupAtBoundary(int evaluation)
    {
        _groupEvaluation = evaluation;
        AtBoundary();
    }

    // What a caller finishes early depends on when he does it: that part is not written down.
    private void AtBoundary()
    {
        if (journal is not null && !FinishedEarly && journal.IsDue())
        {
            journal.Save(this);
        }
    }

    private void Stop(Candidate candidate, string reason)
    {
        candidate.Stopped = reason;
        control.Observer?.OnCandidate(new CandidateUpdate(candidate.Id, CandidateEvent.Stopped, candidate.Seed, candidate.Evaluation) { Reason = reason, Score = candidate.Score });
    }

    private void Tell(Candidate candidate, ScoringPhase phase)
    {
        CandidateEvent what = candidate.Failure is not null ? CandidateEvent.Failed : phase == ScoringPhase.Final ? CandidateEvent.Finished : CandidateEvent.Scored;
        if (phase == ScoringPhase.Checkpoint && candidate.Failure is null)
        {
            candidate.Checkpoints.Add(new CheckpointScore { Evaluation = candidate.Evaluation, Score = candidate.Score });
        }

        control.Observer?.OnCandidate(new CandidateUpdate(candidate.Id, what, candidate.Seed, candidate.Evaluation)
        {
            Parent = candidate.Parent,
            Score = candidate.Score,
            Reason = candidate.Failure,
            Image = candidate.Image,
        });
    }

    private bool IsComplete(Candidate candidate) => candidate.Image is not null && candidate.Evaluation == budget.Evaluations && candidate.Failure is null;

    private IReadOnlyList<CandidateId> Finish(IReadOnlyList<CandidateId> kept)
    {
        foreach (CandidateId id in kept)
        {
            Require(_all.TryGetValue(id, out Candidate? candidate) && IsComplete(candidate), $"keeps candidate {id}, which has no picture");
        }

        Require(kept.Distinct().Count() == kept.Count, "keeps a candidate twice");
        return kept;
    }

    private void Require(bool condition, string what)
    {
        if (!condition)
        {
            throw Broken(what);
        }
    }

    private InvalidOperationException Broken(string what) => new($"The search strategy {strategy.Name} broke the rules: it {what}.");
}

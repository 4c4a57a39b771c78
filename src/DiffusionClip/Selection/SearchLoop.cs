using DiffusionClip.Denoising;
using DiffusionClip.Noise;
using DiffusionClip.Observing;
using DiffusionClip.Selection.Snapshots;

namespace DiffusionClip.Selection;

/// <summary>What a search is made of.</summary>
internal sealed record SearchSetup
{
    public required ISearchStrategy Strategy { get; init; }

    public required SearchBudget Budget { get; init; }

    /// <summary>Seed of the first root; root i has seed + i.</summary>
    public required ulong Seed { get; init; }

    public required IScheduler Scheduler { get; init; }

    public required DenoisingLoop Denoising { get; init; }

    /// <summary>Makes a root from its number and its seed.</summary>
    public required Func<CandidateId, ulong, Candidate> CreateRoot { get; init; }

    public required ICandidateScoring Scoring { get; init; }

    public required StageClock Clock { get; init; }

    public required RunControl Control { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Where candidates start from, and what works on them after each step: snapshots are read with their help.</summary>
    public required ILatentOrigin Origin { get; init; }

    public IReadOnlyList<IStepHook> Hooks { get; init; } = [];

    public RunJournal? Journal { get; init; }
}

/// <summary>
/// The one loop of every search: asks the strategy for a move, runs the population to where the move wants it, has it
/// decoded and scored, and asks again.
/// </summary>
internal sealed partial class SearchLoop(SearchSetup setup)
{
    // A strategy that never finishes is a bug of the strategy, not a reason to run forever.
    private const int MaxRounds = 10_000;

    private readonly ISearchStrategy _strategy = setup.Strategy;
    private readonly SearchBudget _budget = setup.Budget;
    private readonly IScheduler _scheduler = setup.Scheduler;
    private readonly DenoisingLoop _denoising = setup.Denoising;
    private readonly ICandidateScoring _scoring = setup.Scoring;
    private readonly StageClock _clock = setup.Clock;
    private readonly RunControl _control = setup.Control;
    private readonly RunJournal? _journal = setup.Journal;
    private readonly ulong _strategySeed = NoiseSource.ForkSeed(setup.Seed, -1);
    private readonly long _start = setup.Time.GetTimestamp();

    private readonly Dictionary<CandidateId, Candidate> _all = [];
    private readonly List<SearchRound> _rounds = [];

    // Pictures of checkpoints between decoding and scoring.
    private readonly Dictionary<CandidateId, RgbImage> _previews = [];
    private int _roots;
    private long _decodes;
    private long _scores;

    // The move in progress: its members, from which evaluation, to which (null: held), in which steps, and how far it has come.
    private SearchMove.Advance? _move;
    private List<Candidate> _population = [];
    private List<int> _from = [];
    private List<int?> _until = [];
    private IReadOnlyList<MoveStep> _steps = [];
    private int _step;
    private int _groupEvaluation;

    /// <summary>Every candidate there was, by number.</summary>
    public IEnumerable<Candidate> All => _all.Values.OrderBy(candidate => candidate.Id);

    /// <summary>The moves made.</summary>
    public IReadOnlyList<SearchRound> Rounds => _rounds;

    /// <summary>Whether the caller's finish ended the search before the strategy did.</summary>
    public bool FinishedEarly { get; private set; }

    /// <summary>Seconds that the runs before this one took until their snapshot.</summary>
    public double SecondsBefore { get; private set; }

    /// <summary>Evaluations done, over all candidates.</summary>
    public long EvaluationsDone => _all.Values.Sum(candidate => (long)candidate.EvaluationsDone - candidate.EvaluationsInherited);

    /// <summary>What was spent so far.</summary>
    public SearchSpent Spent =>
        new()
        {
            Evaluations = EvaluationsDone,
            Decodes = _decodes,
            Scores = _scores,
            Seconds = Math.Round(Seconds, 6),
        };

    private double Seconds => SecondsBefore + setup.Time.GetElapsedTime(_start).TotalSeconds;

    /// <summary>Runs the search to its end and returns the candidates kept, best first.</summary>
    public async Task<IReadOnlyList<CandidateId>> RunAsync()
    {
        bool isResumed = _move is not null;
        if (isResumed)
        {
            ReplayEvents();
        }

        while (_rounds.Count < MaxRounds)
        {
            if (!isResumed)
            {
                SearchMove move;
                using (_clock.Measure(Stage.Selection))
                {
                    move = _strategy.Next(StateAfter(_rounds, _rounds.Count));
                }

                _control.Observer?.OnMove(move);
                if (move is SearchMove.Finish finish)
                {
                    return Finish(finish.Kept);
                }

                Begin((SearchMove.Advance)move);
                AtBoundary();
            }

            isResumed = false;
            await RunStepsAsync(() => _control.Finish.IsCancellationRequested).ConfigureAwait(false);
            EndRound();
            if (_control.Finish.IsCancellationRequested)
            {
                return await FinishEarlyAsync().ConfigureAwait(false);
            }
        }

        throw Broken($"makes more than {MaxRounds} moves");
    }

    /// <summary>What the strategy sees after so many rounds.</summary>
    private SearchState StateAfter(List<SearchRound> rounds, int count) => new()
    {
        Budget = _budget,
        Rounds = new RoundsView(rounds, count),
        Spent = count > 0 ? rounds[count - 1].Spent : new(),
        Seed = _strategySeed,
    };

    /// <summary>Makes the population of a move: branches first, then held members; all others are out.</summary>
    private void Begin(SearchMove.Advance move)
    {
        Require(move.Branches.Count > 0, "advances no candidate");
        HashSet<CandidateId> before = [.. _population.Select(candidate => candidate.Id)];
        HashSet<CandidateId> staying = [];
        var next = new List<Candidate>(move.Branches.Count + move.Held.Count);
        var until = new List<int?>(next.Capacity);
        foreach (Branch branch in move.Branches)
        {
            Candidate candidate = branch.Parent is { } parent
                ? BranchOff(Member(before, parent, "advances"), branch, staying)
                : AddRoot(branch);
            bool isAhead =
                branch.Until > candidate.Evaluation && branch.Until <= _budget.Evaluations && _scheduler.IsBoundary(branch.Until);
            Require(isAhead, $"runs candidate {candidate.Id} from evaluation {candidate.Evaluation} until {branch.Until}");
            next.Add(candidate);
            until.Add(branch.Until);
        }

        foreach (CandidateId id in move.Held)
        {
            Candidate held = Member(before, id, "holds");
            Require(staying.Add(id), $"holds candidate {id}, which it also advances or holds already");
            next.Add(held);
            until.Add(null);
        }

        foreach (Candidate candidate in _population.Where(candidate => !staying.Contains(candidate.Id)))
        {
            if (candidate is { Failure: null, IsFinished: false })
            {
                Stop(candidate, $"cut by {_strategy.Name} after evaluation {candidate.Evaluation} of {_budget.Evaluations}");
            }

            candidate.Release();
        }

        (_move, _population) = (move, next);
        Plan([.. next.Select(candidate => candidate.Evaluation)], until);
        (_step, _groupEvaluation) = (0, _steps[0].From);
    }

    private void Plan(List<int> from, List<int?> until)
    {
        (_from, _until) = (from, until);
        _steps = StepsOf(from, until);
    }

    private IReadOnlyList<MoveStep> StepsOf(IReadOnlyList<int> from, IReadOnlyList<int?> until) =>
        MoveStep.Of(from, until, _budget.Evaluations, _denoising.GroupSize, _scoring.BatchSize);

    private Candidate Member(HashSet<CandidateId> population, CandidateId id, string does)
    {
        Require(population.Contains(id), $"{does} candidate {id}, which is not in the population");
        Candidate candidate = _all[id];
        Require(candidate.Failure is null, $"{does} candidate {id}, which failed");
        return candidate;
    }

    private Candidate BranchOff(Candidate parent, Branch branch, HashSet<CandidateId> staying)
    {
        if (branch.RenoiseTo is null && staying.Add(parent.Id))
        {
            return parent;
        }

        Candidate child = parent.Fork(new CandidateId(_all.Count), _scheduler);
        if (branch.RenoiseTo is { } to)
        {
            bool isBack = to >= _scheduler.FirstEvaluation && to < parent.Evaluation && _scheduler.IsBoundary(to);
            Require(isBack, $"noises candidate {parent.Id} back from evaluation {parent.Evaluation} to {to}");
            child.Trajectory.Renoise(_scheduler, to);
        }

        Add(child);
        return child;
    }

    private Candidate AddRoot(Branch branch)
    {
        Require(branch.RenoiseTo is null, "noises a root back");
        Candidate root;
        using (_clock.Measure(Stage.Origins))
        {
            root = setup.CreateRoot(new CandidateId(_all.Count), unchecked(setup.Seed + (ulong)_roots));
        }

        _roots++;
        Add(root);
        return root;
    }

    private void Add(Candidate candidate)
    {
        _all.Add(candidate.Id, candidate);
        _control.Observer?.OnCandidate(Started(candidate, candidate.Evaluation));
    }

    /// <summary>Runs the steps of the move that are left.</summary>
    /// <param name="isFinishing">Whether no further group is to begin.</param>
    private async Task RunStepsAsync(Func<bool> isFinishing)
    {
        while (_step < _steps.Count)
        {
            MoveStep step = _steps[_step];
            switch (step.Kind)
            {
                case MoveStepKind.Denoise:
                    if ((_groupEvaluation == step.From && isFinishing()) || !Denoise(step, isFinishing))
                    {
                        await ScoreWhatIsDecodedAsync().ConfigureAwait(false);
                        return;
                    }

                    break;
                case MoveStepKind.Decode:
                    Decode(_population[step.Members[0]], step.Phase);
                    break;
                default:
                    await ScoreAsync([.. step.Members.Select(place => _population[place])], step.Phase).ConfigureAwait(false);
                    break;
            }

            _step++;
            _groupEvaluation = _step < _steps.Count ? _steps[_step].From : 0;
            if (step.Kind != MoveStepKind.Denoise)
            {
                AtBoundary();
            }
        }
    }

    private bool Denoise(MoveStep step, Func<bool> isFinishing)
    {
        Trajectory[] group = [.. step.Members.Select(place => _population[place].Trajectory)];
        if (_groupEvaluation < step.Until && Array.Exists(group, trajectory => trajectory.Failure is null))
        {
            using (_clock.Measure(Stage.Denoising, step.Phase))
            {
                // Asked to finish, a run is worth its time only while there is no picture yet.
                return _denoising.Run(
                    group,
                    _groupEvaluation,
                    step.Until,
                    () => isFinishing() && _all.Values.Any(candidate => candidate.IsFinished),
                    _journal is null ? null : GroupAtBoundary);
            }
        }

        return true;
    }

    private void GroupAtBoundary(int evaluation)
    {
        _groupEvaluation = evaluation;
        AtBoundary();
    }

    private void Decode(Candidate candidate, ScoringPhase phase)
    {
        (candidate.Score, candidate.Scores, candidate.ScoringFailure) = (null, [], null);
        if (candidate.Failure is null)
        {
            RgbImage image = DecodeLatents(candidate, phase, out string? failure);
            _decodes++;
            candidate.Failure = failure;
            if (failure is null && phase == ScoringPhase.Final)
            {
                candidate.Image = image;
                candidate.IsFinished = true;
            }
            else if (failure is null)
            {
                _previews[candidate.Id] = image;
            }
        }

        if (DecodedUpdate(candidate, candidate.ToScore(), phase) is { } update)
        {
            _control.Observer?.OnCandidate(update);
        }
    }

    private RgbImage DecodeLatents(Candidate candidate, ScoringPhase phase, out string? failure)
    {
        using (_clock.Measure(Stage.Decoding, phase))
        {
            float[] latents = phase == ScoringPhase.Final ? candidate.Trajectory.Sample : candidate.Trajectory.Original!;
            return _scoring.Decode(latents, phase, out failure);
        }
    }

    private async Task ScoreAsync(Candidate[] batch, ScoringPhase phase)
    {
        Candidate[] alive = [.. batch.Where(candidate => candidate.Failure is null)];
        int scorers = _scoring.ScorersIn(phase);
        if (alive.Length > 0 && scorers > 0)
        {
            // A run that goes on decodes again what its snapshot does not hold.
            RgbImage[] images =
            [
                .. alive.Select(candidate =>
                    candidate.Image ?? _previews.GetValueOrDefault(candidate.Id) ?? DecodeLatents(candidate, phase, out _)),
            ];
            IReadOnlyList<IReadOnlyList<ScorerScore>> scores;
            using (_clock.Measure(Stage.Scoring, phase))
            {
                scores = await _scoring.ScoreAsync(images, phase).ConfigureAwait(false);
            }

            _scores += (long)scorers * alive.Length;
            for (int i = 0; i < alive.Length; i++)
            {
                alive[i].Scores = scores[i];
                alive[i].ScoringFailure = _scoring.FailureOf(scores[i]);
                alive[i].Score = _scoring.TotalsAreRelative ? null : _scoring.Totals([scores[i]], phase)[0];
            }
        }

        foreach (Candidate candidate in alive)
        {
            _previews.Remove(candidate.Id);
            _control.Observer?.OnCandidate(ScoredUpdate(candidate, candidate.ToScore(), phase));
        }
    }

    /// <summary>Asked to finish, scores the pictures that still wait for their batch: the best so far is among them.</summary>
    private async Task ScoreWhatIsDecodedAsync()
    {
        HashSet<int> decoded = [];
        foreach (MoveStep step in _steps.Take(_step))
        {
            decoded.UnionWith(step.Kind == MoveStepKind.Decode ? step.Members : []);
            decoded.ExceptWith(step.Kind == MoveStepKind.Score ? step.Members : []);
        }

        foreach (
            IGrouping<ScoringPhase, int> phase in decoded
                .Order()
                .GroupBy(place => _until[place] == _budget.Evaluations ? ScoringPhase.Final : ScoringPhase.Checkpoint))
        {
            foreach (int[] batch in phase.Chunk(_scoring.BatchSize))
            {
                await ScoreAsync([.. batch.Select(place => _population[place])], phase.Key).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Sets the totals of the population and writes the move into the log.</summary>
    private void EndRound()
    {
        SetTotals();
        for (int place = 0; place < _population.Count; place++)
        {
            Candidate candidate = _population[place];
            if (candidate.Failure is null && _until[place] is { } until && until < _budget.Evaluations && candidate.Evaluation == until)
            {
                candidate.Checkpoints.Add(new()
                {
                    Evaluation = candidate.Evaluation,
                    Score = candidate.Score,
                    Scores = candidate.Scores.Count > 1 ? candidate.Scores : [],
                });
            }
        }

        _rounds.Add(
            new SearchRound
            {
                Move = _move!,
                Population = [.. _population.Select(candidate => candidate.ToScore())],
                Spent = Spent,
            });
    }

    /// <summary>
    /// Totals that depend on a population are set among all finished pictures of the run, and at checkpoints among the candidates that
    /// stand at the same evaluation.
    /// </summary>
    private void SetTotals()
    {
        if (!_scoring.TotalsAreRelative)
        {
            return;
        }

        Candidate[] finished = [.. All.Where(candidate => candidate.IsFinished)];
        IEnumerable<Candidate> underWay = _population.Where(candidate => candidate is { IsFinished: false, Failure: null });
        foreach (
            Candidate[] cohort in underWay.GroupBy(candidate => candidate.Evaluation).Select(group => group.ToArray()).Prepend(finished))
        {
            ScoringPhase phase = cohort == finished ? ScoringPhase.Final : ScoringPhase.Checkpoint;
            IReadOnlyList<double?> totals = _scoring.Totals([.. cohort.Select(candidate => candidate.Scores)], phase);
            for (int i = 0; i < cohort.Length; i++)
            {
                cohort[i].Score = totals[i];
            }
        }
    }

    /// <summary>The best so far; where nothing is finished yet, the most promising candidate is taken to its end.</summary>
    private async Task<IReadOnlyList<CandidateId>> FinishEarlyAsync()
    {
        FinishedEarly = true;
        if (!_all.Values.Any(candidate => candidate.IsFinished) && MostPromising() is { } candidate)
        {
            _population = [candidate];
            Plan([candidate.Evaluation], [_budget.Evaluations]);
            (_step, _groupEvaluation) = (0, candidate.Evaluation);
            await RunStepsAsync(() => false).ConfigureAwait(false);
            SetTotals();
        }

        foreach (Candidate left in All.Where(candidate => candidate is { Failure: null, Stopped: null, IsFinished: false }))
        {
            Stop(left, $"the run was finished after evaluation {left.Evaluation} of {_budget.Evaluations}");
        }

        return
        [
            .. Ranking
                .Order(
                    All.Where(candidate => candidate.Image is not null).Select(candidate => candidate.ToScore()),
                    _budget.HigherIsBetter)
                .Take(_budget.Keep),
        ];
    }

    private Candidate? MostPromising()
    {
        List<Candidate> alive = [.. _population.Where(candidate => candidate is { Failure: null, IsFinished: false })];
        int furthest = alive.Count > 0 ? alive.Max(candidate => candidate.Evaluation) : 0;
        IEnumerable<CandidateScore> scores = alive
            .Where(candidate => candidate.Evaluation == furthest)
            .Select(candidate => candidate.ToScore());
        return alive.Count > 0 ? _all[Ranking.Order(scores, _budget.HigherIsBetter).First()] : null;
    }

    // The result of an early finish depends on its time: that part is not in snapshots.
    private void AtBoundary()
    {
        if (_journal is not null && !FinishedEarly && _journal.IsDue())
        {
            _journal.Save(this);
        }
    }

    private void Stop(Candidate candidate, string reason)
    {
        candidate.Stopped = reason;
        _control.Observer?.OnCandidate(StoppedUpdate(candidate, candidate.ToScore()));
    }

    private IReadOnlyList<CandidateId> Finish(IReadOnlyList<CandidateId> kept)
    {
        Require(_rounds.Count > 0, "finishes before it began");
        HashSet<CandidateId> population = [.. _population.Select(candidate => candidate.Id)];
        foreach (CandidateId id in kept)
        {
            Require(population.Contains(id) && _all[id].IsFinished, $"keeps candidate {id}, which is not in the population with a picture");
        }

        Require(kept.Distinct().Count() == kept.Count, "keeps a candidate twice");
        foreach (Candidate left in _population.Where(candidate => candidate is { Failure: null, IsFinished: false }))
        {
            Stop(left, $"cut by {_strategy.Name} after evaluation {left.Evaluation} of {_budget.Evaluations}");
        }

        return kept;
    }

    private void Require(bool condition, string what)
    {
        if (!condition)
        {
            throw Broken(what);
        }
    }

    private InvalidOperationException Broken(string what) => new($"The search strategy {_strategy.Name} broke the rules: it {what}.");

    /// <summary>The first rounds of the log, without a copy of it for each move.</summary>
    private sealed class RoundsView(List<SearchRound> rounds, int count) : IReadOnlyList<SearchRound>
    {
        public int Count => count;

        public SearchRound this[int index]
        {
            get
            {
                ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)count, nameof(index));
                return rounds[index];
            }
        }

        public IEnumerator<SearchRound> GetEnumerator() => rounds.Take(count).GetEnumerator();

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }
}

namespace DiffusionClip.Selection;

/// <summary>Candidate events for the observer: as they happen, and once more when an interrupted run continues.</summary>
internal sealed partial class SearchLoop
{
    private static CandidateUpdate Started(Candidate candidate, int evaluation) => new()
    {
        Candidate = candidate.Id,
        Event = CandidateEvent.Started,
        Seed = candidate.Seed,
        Evaluation = evaluation,
        Parent = candidate.Parent,
    };

    private static CandidateUpdate StoppedUpdate(Candidate candidate, CandidateScore score) => new()
    {
        Candidate = candidate.Id,
        Event = CandidateEvent.Stopped,
        Seed = candidate.Seed,
        Evaluation = score.Evaluation,
        Parent = candidate.Parent,
        Score = score.Total,
        Scores = score.Scores,
        Reason = candidate.Stopped,
    };

    /// <summary>A picture is there, or there will be none; checkpoints are reported once they are scored.</summary>
    private static CandidateUpdate? DecodedUpdate(Candidate candidate, CandidateScore score, ScoringPhase phase) =>
        score.Failure is null && phase == ScoringPhase.Checkpoint
            ? null
            : new()
            {
                Candidate = candidate.Id,
                Event = score.Failure is null ? CandidateEvent.Decoded : CandidateEvent.Failed,
                Seed = candidate.Seed,
                Evaluation = score.Evaluation,
                Parent = candidate.Parent,
                Reason = score.Failure,
                Image = score.Failure is null ? candidate.Image : null,
            };

    private CandidateUpdate ScoredUpdate(Candidate candidate, CandidateScore score, ScoringPhase phase) => new()
    {
        Candidate = candidate.Id,
        Event = phase == ScoringPhase.Final ? CandidateEvent.Finished : CandidateEvent.Scored,
        Seed = candidate.Seed,
        Evaluation = score.Evaluation,
        Parent = candidate.Parent,
        Score = _scoring.TotalsAreRelative ? null : score.Total,
        Scores = score.Scores,
        Image = phase == ScoringPhase.Final ? candidate.Image : null,
    };

    /// <summary>
    /// Replays the events before the snapshot to the observer, from the log and the candidates. Pictures of candidates that are out are
    /// gone.
    /// </summary>
    private void ReplayEvents()
    {
        if (_control.Observer is not { } observer)
        {
            return;
        }

        var reported = new HashSet<CandidateId>();
        var before = new Dictionary<CandidateId, CandidateScore>();
        foreach (SearchRound round in _rounds)
        {
            var move = (SearchMove.Advance)round.Move;
            List<int> from = ReplayMove(move, [.. round.Population.Select(score => score.Candidate)]);
            ReplaySteps(
                StepsOf(from, [.. move.Branches.Select(branch => (int?)branch.Until), .. move.Held.Select(_ => (int?)null)]),
                round.Population);
            before = round.Population.ToDictionary(score => score.Candidate);
        }

        ReplayMove(_move!, [.. _population.Select(candidate => candidate.Id)]);
        ReplaySteps([.. _steps.Take(_step)], [.. _population.Select(candidate => candidate.ToScore())]);

        // Returns where the population stood before it ran.
        List<int> ReplayMove(SearchMove.Advance move, IReadOnlyList<CandidateId> population)
        {
            observer.OnMove(move);
            var from = new List<int>(population.Count);
            for (int place = 0; place < population.Count; place++)
            {
                Branch? branch = place < move.Branches.Count ? move.Branches[place] : null;
                CandidateId standing = branch?.Parent ?? population[place];
                from.Add(branch?.RenoiseTo ?? before.GetValueOrDefault(standing)?.Evaluation ?? _scheduler.FirstEvaluation);
                if (reported.Add(population[place]))
                {
                    observer.OnCandidate(Started(_all[population[place]], from[place]));
                }
            }

            bool IsCut(CandidateScore score) =>
                score.Failure is null && score.Evaluation < _budget.Evaluations && !population.Contains(score.Candidate);
            foreach (CandidateScore cut in before.Values.Where(IsCut))
            {
                observer.OnCandidate(StoppedUpdate(_all[cut.Candidate], cut));
            }

            return from;
        }

        void ReplaySteps(IReadOnlyList<MoveStep> steps, IReadOnlyList<CandidateScore> population)
        {
            foreach (MoveStep step in steps.Where(step => step.Kind != MoveStepKind.Denoise))
            {
                foreach (CandidateScore score in step.Members.Select(place => population[place]))
                {
                    Candidate candidate = _all[score.Candidate];
                    CandidateUpdate? update = step.Kind == MoveStepKind.Score
                        ? score.Failure is null ? ScoredUpdate(candidate, score, step.Phase) : null
                        : DecodedUpdate(candidate, score, step.Phase);
                    if (update is not null)
                    {
                        observer.OnCandidate(update);
                    }
                }
            }
        }
    }
}

using DiffusionClip.Denoising;
using DiffusionClip.Selection.Snapshots;

namespace DiffusionClip.Selection;

/// <summary>
/// The search written down and brought back. A snapshot always stands inside a move: between two moves there is nothing to lose.
/// </summary>
internal sealed partial class SearchLoop
{
    private const byte AdvanceMove = 1;
    private const int Held = -1;

    /// <summary>Writes down every candidate, the log of moves, and where the move being made stands.</summary>
    /// <returns>False if that is more than a snapshot takes.</returns>
    public bool Write(SnapshotWriter writer)
    {
        var origins = new Dictionary<IOriginState, int>(ReferenceEqualityComparer.Instance);
        foreach (Candidate candidate in All.Where(candidate => !candidate.Trajectory.IsReleased))
        {
            origins.TryAdd(candidate.Trajectory.Origin, origins.Count);
        }

        writer.Write(Seconds);
        writer.Write(_roots);
        writer.Write(_decodes);
        writer.Write(_scores);
        writer.Write(origins.Count);
        foreach (IOriginState origin in origins.OrderBy(entry => entry.Value).Select(entry => entry.Key))
        {
            origin.Write(writer);
        }

        writer.Write(_all.Count);
        foreach (Candidate candidate in All)
        {
            if (writer.IsFull)
            {
                return false;
            }

            candidate.Write(writer, candidate.Trajectory.IsReleased ? null : origins[candidate.Trajectory.Origin]);
        }

        writer.Write(_rounds.Count);
        foreach (SearchRound round in _rounds)
        {
            Write(writer, (SearchMove.Advance)round.Move);
            writer.Write(round.Population.Count);
            foreach (CandidateScore score in round.Population)
            {
                writer.Write(score.Candidate.Value);
                writer.Write(score.Evaluation);
                writer.WriteOptional(score.Total);
                writer.WriteScores(score.Scores);
                writer.WriteText(score.Failure);
            }

            writer.Write(round.Spent.Evaluations);
            writer.Write(round.Spent.Decodes);
            writer.Write(round.Spent.Scores);
            writer.Write(round.Spent.Seconds);
        }

        Write(writer, _move!);
        writer.Write(_population.Count);
        for (int place = 0; place < _population.Count; place++)
        {
            writer.Write(_population[place].Id.Value);
            writer.Write(_from[place]);
            writer.Write(_until[place] ?? Held);
        }

        writer.Write(_step);
        writer.Write(_groupEvaluation);
        return true;
    }

    /// <summary>
    /// Brings a fresh search to where <see cref="Write(SnapshotWriter)"/> was called; <see cref="RunAsync"/> goes on from there.
    /// </summary>
    /// <param name="reader">The bytes.</param>
    /// <returns>Why the search does not go on from there, in which case it is as fresh as before; null if it does.</returns>
    /// <exception cref="InvalidDataException">The bytes are not a search.</exception>
    /// <exception cref="DiffusionClipException">The state is that of another scheduler.</exception>
    /// <exception cref="EndOfStreamException">The bytes end too early.</exception>
    public string? Read(SnapshotReader reader)
    {
        int length = _denoising.Shape.Length;
        double seconds = reader.ReadDouble();
        int roots = reader.ReadInt32(1, int.MaxValue, "the number of roots");
        long decodes = reader.ReadInt64(), scoresGiven = reader.ReadInt64();
        var origins = new List<IOriginState>();
        for (int count = reader.ReadInt32(1, int.MaxValue, "the number of origins"); origins.Count < count;)
        {
            // An origin may write nothing: more of them than bytes are as wrong as bytes that end too early.
            Check(reader.Remaining > count - origins.Count, "there are more origins than candidates");
            origins.Add(setup.Origin.Read(reader, _scheduler, length));
        }

        var all = new Dictionary<CandidateId, Candidate>();
        for (int count = reader.ReadCount(sizeof(long), "candidates"); all.Count < count;)
        {
            Candidate candidate = Candidate.Read(reader, _scheduler, length, origins, setup.Hooks);
            Check(
                candidate.Id.Value < count && all.TryAdd(candidate.Id, candidate),
                $"candidate {candidate.Id} is there twice, or not yet due");
            Check(IsWhole(candidate.Scores), $"candidate {candidate.Id} has {candidate.Scores.Count} scores");
        }

        Check(roots <= all.Count, $"{roots} of {all.Count} candidates are roots");
        var rounds = new List<SearchRound>();
        for (int count = reader.ReadCount(1, "rounds"); rounds.Count < count;)
        {
            rounds.Add(ReadRound(reader, all));
        }

        SearchMove.Advance move = ReadMove(reader);
        int members = reader.ReadCount(3 * sizeof(int), "candidates of the population");
        Check(
            members == move.Branches.Count + move.Held.Count && move.Branches.Count > 0,
            $"the population has {members} candidates, the move another number");
        var population = new List<Candidate>(members);
        var from = new List<int>(members);
        var until = new List<int?>(members);
        for (int place = 0; place < members; place++)
        {
            population.Add(Known(reader, all));
            from.Add(reader.ReadInt32(_scheduler.FirstEvaluation, _budget.Evaluations, "where a candidate stood"));
            int to = reader.ReadInt32(Held, _budget.Evaluations, "where a candidate runs to");
            until.Add(to == Held ? null : to);
            bool isHeld = place >= move.Branches.Count;
            Check(isHeld == (to == Held), $"candidate {population[place].Id} is not where the move has it");
            Check(
                isHeld || (move.Branches[place].Until == to && to > from[place] && _scheduler.IsBoundary(to)),
                $"a candidate runs from {from[place]} to {to}");
        }

        Check(population.Distinct().Count() == population.Count, "a candidate is in the population twice");
        Check(population.All(candidate => candidate.IsFinished == (candidate.Image is not null)), "a finished candidate has no picture");
        IReadOnlyList<MoveStep> steps = StepsOf(from, until);
        int step = reader.ReadInt32(0, steps.Count, "the step");
        int groupEvaluation = reader.ReadInt32(0, _budget.Evaluations, "the group's evaluation");
        Check(reader.Remaining == 0, $"{reader.Remaining} bytes follow the end");
        CheckSteps(population, steps, step, groupEvaluation);
        Check(
            population.All(candidate => !candidate.Trajectory.IsReleased)
                && all.Values.Except(population).All(candidate => candidate.Trajectory.IsReleased),
            "the candidates that are out are not those that have no latents");

        // The log replays a run; a strategy that decides otherwise than it did is another strategy.
        for (int i = 0; i <= rounds.Count; i++)
        {
            SearchMove now = _strategy.Next(StateAfter(rounds, i));
            if (!IsSame(now, i < rounds.Count ? rounds[i].Move : move))
            {
                return FormattableString.Invariant($"the strategy {_strategy.Name} now makes another move {i + 1} than it did");
            }
        }

        foreach ((CandidateId id, Candidate candidate) in all)
        {
            _all.Add(id, candidate);
        }

        _rounds.AddRange(rounds);
        SecondsBefore = double.IsFinite(seconds) ? Math.Max(0, seconds) : 0;
        (_roots, _decodes, _scores) = (roots, Math.Max(0, decodes), Math.Max(0, scoresGiven));
        (_move, _population, _from, _until, _steps) = (move, population, from, until, steps);
        (_step, _groupEvaluation) = (step, groupEvaluation);
        return null;
    }

    private SearchRound ReadRound(SnapshotReader reader, Dictionary<CandidateId, Candidate> all)
    {
        SearchMove.Advance move = ReadMove(reader);
        var scores = new CandidateScore[reader.ReadCount(4 * sizeof(int), "scores")];
        Check(scores.Length == move.Branches.Count + move.Held.Count, $"a round has {scores.Length} scores, its move another number");
        foreach (ref CandidateScore score in scores.AsSpan())
        {
            score = new()
            {
                Candidate = Known(reader, all).Id,
                Evaluation = reader.ReadInt32(_scheduler.FirstEvaluation, _budget.Evaluations, "where a candidate stood"),
                Total = reader.ReadOptionalDouble(),
                Scores = reader.ReadScores(),
                Failure = reader.ReadText(),
            };
            Check(IsWhole(score.Scores), $"candidate {score.Candidate} had {score.Scores.Count} scores");
        }

        Check(scores.DistinctBy(score => score.Candidate).Count() == scores.Length, "a candidate is in a round twice");
        var spent = new SearchSpent
        {
            Evaluations = reader.ReadInt64(),
            Decodes = reader.ReadInt64(),
            Scores = reader.ReadInt64(),
            Seconds = reader.ReadDouble(),
        };
        return new() { Move = move, Population = scores, Spent = spent };
    }

    private bool IsWhole(IReadOnlyList<ScorerScore> scores) => scores.Count == 0 || scores.Count == _scoring.Scorers;

    /// <summary>Whether the candidates stand where the steps made so far have brought them.</summary>
    private void CheckSteps(List<Candidate> population, IReadOnlyList<MoveStep> steps, int made, int groupEvaluation)
    {
        for (int i = 0; i < steps.Count; i++)
        {
            MoveStep step = steps[i];
            int stands = i < made ? step.Until : i == made ? groupEvaluation : step.From;
            foreach (Candidate candidate in step.Members.Select(place => population[place]))
            {
                bool mayHaveFailed = step.Kind != MoveStepKind.Denoise || i <= made;
                Check(mayHaveFailed || candidate.Failure is null, $"candidate {candidate.Id} failed before it ran");
                if (candidate.Failure is not null)
                {
                    continue;
                }

                Check(
                    step.Kind != MoveStepKind.Denoise || candidate.Evaluation == stands,
                    $"candidate {candidate.Id} stands at {candidate.Evaluation}, not where its steps have brought it");
                bool isThere = candidate.Evaluation == step.Until;
                Check(
                    !isThere || step.Phase == ScoringPhase.Final || candidate.Trajectory.Original is not null,
                    $"candidate {candidate.Id} has nothing to decode");
                Check(
                    step.Kind != MoveStepKind.Decode
                        || step.Phase == ScoringPhase.Checkpoint
                        || (i < made) == (candidate.Image is not null),
                    $"candidate {candidate.Id} has no picture, or one too early");
            }
        }

        if (made < steps.Count && steps[made].Kind == MoveStepKind.Denoise)
        {
            MoveStep step = steps[made];
            Check(
                groupEvaluation >= step.From && groupEvaluation <= step.Until && _scheduler.IsBoundary(groupEvaluation),
                $"the group stands at {groupEvaluation}, which is no boundary of its way");
        }
    }

    private static void Write(SnapshotWriter writer, SearchMove.Advance move)
    {
        writer.Write(AdvanceMove);
        writer.Write(move.Branches.Count);
        foreach (Branch branch in move.Branches)
        {
            writer.WriteOptional(branch.Parent?.Value);
            writer.Write(branch.Until);
            writer.WriteOptional(branch.RenoiseTo);
        }

        writer.Write(move.Held.Count);
        foreach (CandidateId id in move.Held)
        {
            writer.Write(id.Value);
        }
    }

    private static SearchMove.Advance ReadMove(SnapshotReader reader)
    {
        byte kind = reader.ReadByte();
        Check(kind == AdvanceMove, $"a move of kind {kind} is unknown");
        Branch[] branches = new Branch[reader.ReadCount((3 * sizeof(int)) + 2, "branches")];
        foreach (ref Branch branch in branches.AsSpan())
        {
            int? parent = reader.ReadOptionalInt32();
            branch = new()
            {
                Parent = parent is { } id ? new CandidateId(id) : null,
                Until = reader.ReadInt32(),
                RenoiseTo = reader.ReadOptionalInt32(),
            };
        }

        CandidateId[] held = new CandidateId[reader.ReadCount(sizeof(int), "candidates held")];
        foreach (ref CandidateId id in held.AsSpan())
        {
            id = new(reader.ReadInt32());
        }

        return new() { Branches = branches, Held = held };
    }

    private static bool IsSame(SearchMove a, SearchMove b) =>
        a is SearchMove.Advance first
        && b is SearchMove.Advance second
        && first.Branches.SequenceEqual(second.Branches)
        && first.Held.SequenceEqual(second.Held);

    private static Candidate Known(SnapshotReader reader, Dictionary<CandidateId, Candidate> all)
    {
        var id = new CandidateId(reader.ReadInt32());
        return all.TryGetValue(id, out Candidate? candidate) ? candidate : throw new InvalidDataException($"there is no candidate {id}");
    }

    private static void Check(bool condition, string problem)
    {
        if (!condition)
        {
            throw new InvalidDataException(problem);
        }
    }
}

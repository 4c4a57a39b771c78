using DiffusionClip.Origins;
using DiffusionClip.Selection.Snapshots;

namespace DiffusionClip.Selection;

/// <summary>The search written down and brought back. A snapshot always stands inside a move: between two moves there is nothing to lose.</summary>
internal sealed partial class SearchLoop
{
    private const byte StartMove = 0;
    private const byte AdvanceMove = 1;

    /// <summary>Evaluations done, over all candidates.</summary>
    public int EvaluationsDone => _all.Values.Sum(candidate => candidate.EvaluationsDone - candidate.EvaluationsInherited);

    /// <summary>Writes down every candidate, the log of moves, and where the move being made stands.</summary>
    /// <returns>False if that is more than a snapshot takes.</returns>
    public bool Write(SnapshotWriter writer)
    {
        var origins = new Dictionary<IOriginState, int>(ReferenceEqualityComparer.Instance);
        foreach (Candidate candidate in All)
        {
            origins.TryAdd(candidate.Origin, origins.Count);
        }

        writer.Write(origins.Count);
        foreach (IOriginState origin in origins.OrderBy(entry => entry.Value).Select(entry => entry.Key))
        {
            origin.Write(writer);
        }

        writer.Write(_nextId);
        writer.Write(_all.Count);
        foreach (Candidate candidate in All)
        {
            if (writer.IsFull)
            {
                return false;
            }

            candidate.Write(writer, origins[candidate.Origin]);
        }

        writer.Write(_rounds.Count);
        foreach (SearchRound round in _rounds)
        {
            Write(writer, round.Move);
            writer.Write(round.Population.Count);
            foreach (CandidateScore score in round.Population)
            {
                writer.Write(score.Candidate.Value);
                writer.Write(score.Evaluation);
                writer.WriteOptional(score.Total);
                writer.WriteText(score.Failure);
            }
        }

        Write(writer, _move!);
        writer.Write(_population.Count);
        foreach (Candidate candidate in _population)
        {
            writer.Write(candidate.Id.Value);
        }

        writer.Write(_groupStart);
        writer.Write(_groupCount);
        writer.Write(_groupEvaluation);
        writer.Write(_groupLooked);
        return true;
    }

    /// <summary>Brings a fresh search to where <see cref="Write(SnapshotWriter)"/> was called; <see cref="RunAsync"/> goes on from there.</summary>
    /// <param name="reader">The bytes.</param>
    /// <param name="origin">Where candidates start from.</param>
    /// <returns>Why the search does not go on from there, in which case it is as fresh as before; null if it does.</returns>
    /// <exception cref="InvalidDataException">The bytes are no search.</exception>
    /// <exception cref="DiffusionClipException">A scheduler's memory is another's.</exception>
    /// <exception cref="EndOfStreamException">The bytes end too early.</exception>
    public string? Read(SnapshotReader reader, ILatentOrigin origin)
    {
        int length = denoising.Shape.Length;
        var origins = new List<IOriginState>();
        for (int count = reader.ReadInt32(1, int.MaxValue, "the number of origins"); origins.Count < count;)
        {
            // An origin may write nothing: more of them than bytes are as wrong as bytes that end too early.
            Check(reader.Remaining > count - origins.Count, "there are more origins than candidates");
            origins.Add(origin.Read(reader, scheduler, length));
        }

        int nextId = reader.ReadInt32(1, int.MaxValue, "the next candidate");
        var all = new Dictionary<CandidateId, Candidate>();
        for (int count = reader.ReadCount(sizeof(float) * length, "candidates"); all.Count < count;)
        {
            Candidate candidate = Candidate.Read(reader, scheduler, length, origins);
            Check(candidate.Id.Value < nextId && all.TryAdd(candidate.Id, candidate), $"candidate {candidate.Id} is there twice, or not yet due");
        }

        var rounds = new List<SearchRound>();
        for (int count = reader.ReadCount(1, "rounds"); rounds.Count < count;)
        {
            SearchMove made = ReadMove(reader);
            var scores = new CandidateScore[reader.ReadCount(2 * sizeof(int), "scores")];
            foreach (ref CandidateScore score in scores.AsSpan())
            {
                score = new(Known(reader, all).Id, reader.ReadInt32(scheduler.FirstEvaluation, budget.Evaluations, "where a candidate stood"), reader.ReadOptionalDouble(), reader.ReadText());
            }

            rounds.Add(new SearchRound(made, scores));
        }

        SearchMove move = ReadMove(reader);
        int until = UntilOf(move);
        Check(until > scheduler.FirstEvaluation && until <= budget.Evaluations && scheduler.IsBoundary(until), $"the move runs until {until}");
        var population = new List<Candidate>();
        for (int count = reader.ReadCount(sizeof(int), "candidates of the population"); population.Count < count;)
        {
            population.Add(Known(reader, all));
        }

        Check(population.Distinct().Count() == population.Count, "a candidate is in the population twice");
        int groupStart = reader.ReadInt32(0, population.Count, "the group's beginning");
        int groupCount = reader.ReadInt32(0, Math.Min(denoising.GroupSize, population.Count - groupStart), "the group's size");
        int groupEvaluation = reader.ReadInt32(0, until, "the group's evaluation");
        int groupLooked = reader.ReadInt32(0, groupCount, "the looks at the group");
        Check(reader.Remaining == 0, $"{reader.Remaining} bytes follow the end");
        CheckGroup(population, until, groupStart, groupCount, groupEvaluation, groupLooked);

        // The log replays a run; a strategy that decides otherwise than it did is another strategy.
        for (int i = 0; i <= rounds.Count; i++)
        {
            SearchMove now = strategy.Next(new SearchState(budget, [.. rounds.Take(i)]));
            if (!IsSame(now, i < rounds.Count ? rounds[i].Move : move))
            {
                return FormattableString.Invariant($"the strategy {strategy.Name} now makes another move {i + 1} than it did");
            }
        }

        foreach ((CandidateId id, Candidate candidate) in all)
        {
            _all.Add(id, candidate);
        }

        _rounds.AddRange(rounds);
        (_nextId, _move, _population) = (nextId, move, population);
        (_groupStart, _groupCount, _groupEvaluation, _groupLooked) = (groupStart, groupCount, groupEvaluation, groupLooked);
        return null;
    }

    /// <summary>Tells the observer what happened before the snapshot, as the log and the candidates say it.</summary>
    private void TellAgain()
    {
        if (control.Observer is not { } observer)
        {
            return;
        }

        var told = new HashSet<CandidateId>();
        var pictured = new HashSet<CandidateId>();
        IReadOnlyList<CandidateScore> before = [];
        foreach (SearchRound round in _rounds)
        {
            TellMove(round.Move, [.. round.Population.Select(score => _all[score.Candidate])]);
            foreach (CandidateScore score in round.Population)
            {
                TellScore(score);
            }

            before = round.Population;
        }

        TellMove(_move!, _population);
        foreach (Candidate candidate in _population.Take(_groupStart + _groupLooked))
        {
            TellScore(candidate.ToScore());
        }

        void TellMove(SearchMove move, IReadOnlyList<Candidate> population)
        {
            observer.OnMove(move);
            foreach (Candidate candidate in population.Where(candidate => told.Add(candidate.Id)))
            {
                int evaluation = before.FirstOrDefault(score => score.Candidate == candidate.Parent)?.Evaluation ?? scheduler.FirstEvaluation;
                observer.OnCandidate(new CandidateUpdate(candidate.Id, CandidateEvent.Started, candidate.Seed, evaluation) { Parent = candidate.Parent });
            }

            foreach (CandidateScore cut in before.Where(score => score.Failure is null && !population.Any(candidate => candidate.Id == score.Candidate)))
            {
                Candidate candidate = _all[cut.Candidate];
                observer.OnCandidate(new CandidateUpdate(cut.Candidate, CandidateEvent.Stopped, candidate.Seed, cut.Evaluation) { Reason = candidate.Stopped, Score = cut.Total });
            }
        }

        void TellScore(CandidateScore score)
        {
            Candidate candidate = _all[score.Candidate];
            CandidateEvent what = score.Failure is not null ? CandidateEvent.Failed : score.Evaluation == budget.Evaluations ? CandidateEvent.Finished : CandidateEvent.Scored;
            if (what == CandidateEvent.Finished)
            {
                pictured.Add(score.Candidate);
            }

            observer.OnCandidate(new CandidateUpdate(score.Candidate, what, candidate.Seed, score.Evaluation)
            {
                Parent = candidate.Parent,
                Score = score.Total,
                Reason = score.Failure,
                Image = pictured.Contains(score.Candidate) ? candidate.Image : null,
            });
        }
    }

    private void CheckGroup(List<Candidate> population, int until, int start, int count, int evaluation, int looked)
    {
        Check(population.Take(start).All(IsThere), "somebody before the group has not come to the move's end");
        Check(population.Skip(start + count).All(candidate => candidate.Failure is null && candidate.Evaluation < until), "somebody after the group has no way to go");
        if (count == 0)
        {
            return;
        }

        Check(evaluation > scheduler.FirstEvaluation && scheduler.IsBoundary(evaluation), $"the group stands at {evaluation}, which is no boundary");
        Candidate[] group = [.. population.Skip(start).Take(count)];
        Check(group.All(candidate => candidate.Failure is not null || candidate.Evaluation == evaluation), "the group has parted");
        Check(evaluation == until || (looked == 0 && group.Any(candidate => candidate.Failure is null)), "the group was looked at on its way");
        Check(
            evaluation < until || until == budget.Evaluations || group.All(candidate => candidate.Failure is not null || candidate.Original is not null),
            "the group has nothing to look at");

        bool IsThere(Candidate candidate) => candidate.Failure is not null || candidate.Evaluation == until;
    }

    private static void Write(SnapshotWriter writer, SearchMove move)
    {
        switch (move)
        {
            case SearchMove.Start start:
                writer.Write(StartMove);
                writer.Write(start.Until);
                writer.Write(start.Roots);
                break;
            case SearchMove.Advance advance:
                writer.Write(AdvanceMove);
                writer.Write(advance.Until);
                writer.Write(advance.Branches.Count);
                foreach (Branch branch in advance.Branches)
                {
                    writer.Write(branch.Parent.Value);
                    writer.WriteOptional(branch.RenoiseTo);
                }

                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(move), move, "Nobody runs in it.");
        }
    }

    private static SearchMove ReadMove(SnapshotReader reader)
    {
        byte kind = reader.ReadByte();
        int until = reader.ReadInt32();
        if (kind == StartMove)
        {
            return new SearchMove.Start(reader.ReadInt32(), until);
        }

        Check(kind == AdvanceMove, $"a move of kind {kind} is unknown");
        Branch[] branches = new Branch[reader.ReadCount((2 * sizeof(int)) + 1, "branches")];
        foreach (ref Branch branch in branches.AsSpan())
        {
            branch = new(new CandidateId(reader.ReadInt32()), reader.ReadOptionalInt32());
        }

        return new SearchMove.Advance(branches, until);
    }

    private static bool IsSame(SearchMove a, SearchMove b) => (a, b) switch
    {
        (SearchMove.Start first, SearchMove.Start second) => first == second,
        (SearchMove.Advance first, SearchMove.Advance second) => first.Until == second.Until && first.Branches.SequenceEqual(second.Branches),
        _ => false,
    };

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

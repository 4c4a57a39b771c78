using System.Globalization;

namespace DiffusionClip.Selection.Snapshots;

/// <summary>Keeps every snapshot of a run, and gives a run the one it is to go on from.</summary>
internal sealed class SnapshotLog(byte[]? from = null) : IRunSnapshots
{
    public List<byte[]> All { get; } = [];

    public ResumeReport? Report { get; private set; }

    /// <summary>Whether it is time; null: always.</summary>
    public Func<bool>? Due { get; init; }

    public Action<int>? AfterSave { get; init; }

    public byte[]? Load() => from;

    public void OnResumed(ResumeReport report) => Report = report;

    public bool IsDue() => Due?.Invoke() ?? true;

    public void Save(ReadOnlySpan<byte> snapshot)
    {
        All.Add(snapshot.ToArray());
        AfterSave?.Invoke(All.Count);
    }
}

/// <summary>What an observer is told of moves and candidates, a line each.</summary>
internal sealed class Story : IRunObserver
{
    public List<string> Lines { get; } = [];

    public List<CandidateUpdate> Updates { get; } = [];

    public void OnMove(SearchMove move) => Lines.Add(move switch
    {
        SearchMove.Advance advance => $"advance {string.Join(' ', advance.Branches)} holding {string.Join(' ', advance.Held)}",
        SearchMove.Finish finish => $"finish {string.Join(' ', finish.Kept)}",
        _ => move.ToString(),
    });

    public void OnCandidate(CandidateUpdate update)
    {
        Updates.Add(update);
        Lines.Add(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{update.Event} {update.Candidate} of {update.Parent} seed {update.Seed} at {update.Evaluation} score {update.Score:R} {string.Join(' ', update.Scores)} {update.Reason}"
            ));
    }
}

/// <summary>
/// Cuts, forks in two rounds, noises back, holds a finished picture and takes it up again, starts roots late, and draws: every kind of
/// move.
/// </summary>
internal sealed class Branching : ISearchStrategy
{
    public string Name => "branching";

    public SearchMove Next(SearchState state)
    {
        IReadOnlyList<int> boundaries = state.Budget.Boundaries;
        int early = boundaries[(boundaries.Count - 1) / 3],
            late = boundaries[2 * (boundaries.Count - 1) / 3],
            end = state.Budget.Evaluations;
        CandidateId[] best = state.Rounds.Count == 0 ? [] : [.. Ranking.Order(state.Rounds[^1].Population, state.Budget.HigherIsBetter)];
        CandidateId first = best.Length > 0 ? best[0] : default, second = best.Length > 1 ? best[1] : first;
        return state.Rounds.Count switch
        {
            0 => SearchMove.Advance.Roots(state.Budget.Candidates, early),
            1 => SearchMove.Advance.On(best.Length > 1 ? [first, second, first] : [first, first], late),
            2 => new SearchMove.Advance
            {
                Branches =
                [
                    On(first, end),
                    Back(first, early, late),
                    Back(second, early, end),
                    .. second == first ? [] : new[] { On(second, end) },
                    new() { Until = late },
                ],
            },
            3 => new SearchMove.Advance
            {
                // Which one is branched is drawn.
                Branches =
                [
                    Back(Finished(state)[(int)(state.Seed % (ulong)Finished(state).Length)], late, end),
                    .. Unfinished(state).Select(id => On(id, end)),
                ],
                Held = Finished(state),
            },
            4 => new SearchMove.Advance { Branches = [Back(first, late, end), Back(first, early, end)], Held = [.. best.Take(2)] },
            _ => new SearchMove.Finish { Kept = [.. best.Take(state.Budget.Keep)] },
        };
    }

    private static Branch On(CandidateId parent, int until) => new() { Parent = parent, Until = until };

    private static Branch Back(CandidateId parent, int to, int until) => new() { Parent = parent, RenoiseTo = to, Until = until };

    private static CandidateId[] Finished(SearchState state) =>
        [.. Alive(state).Where(score => score.Evaluation == state.Budget.Evaluations).Select(score => score.Candidate)];

    private static CandidateId[] Unfinished(SearchState state) =>
        [.. Alive(state).Where(score => score.Evaluation < state.Budget.Evaluations).Select(score => score.Candidate)];

    private static IEnumerable<CandidateScore> Alive(SearchState state) =>
        state.Rounds[^1].Population.Where(score => score.Failure is null);
}

/// <summary>Moves every sample by a constant after each step, and counts.</summary>
internal sealed class Nudge(float by) : Denoising.IStepHook
{
    public string Identity => string.Create(CultureInfo.InvariantCulture, $"nudge {by}");

    public Denoising.IStepHookState Start(int length) => new State(by, 0);

    public Denoising.IStepHookState Read(BinaryReader reader, int length) => new State(by, reader.ReadInt32());

    public sealed class State(float by, int steps) : Denoising.IStepHookState
    {
        public int Steps { get; private set; } = steps;

        public bool WantsOriginal(int evaluation) => evaluation % 2 == 0;

        public void AfterStep(in Denoising.CompletedStep step)
        {
            Steps++;
            Assert.Equal(WantsOriginal(step.Evaluation) ? step.Sample.Length : 0, step.Original.Length);
            foreach (ref float value in step.Sample)
            {
                value += by * step.Level.Alpha;
            }
        }

        public Denoising.IStepHookState Fork() => new State(by, Steps);

        public void Write(BinaryWriter writer) => writer.Write(Steps);
    }
}

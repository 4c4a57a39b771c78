namespace DiffusionClip.Selection;

/// <summary>What is done in a step of a move.</summary>
internal enum MoveStepKind
{
    /// <summary>A group runs through the denoiser.</summary>
    Denoise,

    /// <summary>One candidate is decoded.</summary>
    Decode,

    /// <summary>A batch of pictures is scored.</summary>
    Score,
}

/// <summary>
/// One step of a move. The steps follow from the move alone, so a run that goes on from a snapshot makes the same groups and batches, and
/// the log of moves tells in which order everything happened.
/// </summary>
internal sealed record MoveStep
{
    public required MoveStepKind Kind { get; init; }

    /// <summary>Places in the population.</summary>
    public required IReadOnlyList<int> Members { get; init; }

    /// <summary>The evaluation at which the members stand before the move.</summary>
    public required int From { get; init; }

    /// <summary>The evaluation to which they are run.</summary>
    public required int Until { get; init; }

    /// <summary>Whether the members come to their end or to a checkpoint.</summary>
    public required ScoringPhase Phase { get; init; }

    /// <summary>
    /// The steps of a move: candidates that go the same way share runs of the denoiser, each is decoded as soon as it is there, and
    /// pictures are scored in batches.
    /// </summary>
    /// <param name="from">By place in the population, where the candidate stands.</param>
    /// <param name="until">By place in the population, where it is run to; null: it is held.</param>
    /// <param name="evaluations">Where a finished candidate stands.</param>
    /// <param name="groupSize">Candidates that share a run.</param>
    /// <param name="batchSize">Pictures that are scored at once.</param>
    public static IReadOnlyList<MoveStep> Of(
        IReadOnlyList<int> from,
        IReadOnlyList<int?> until,
        int evaluations,
        int groupSize,
        int batchSize)
    {
        IEnumerable<IGrouping<(int From, int Until), int>> ways = Enumerable.Range(0, until.Count)
            .Where(place => until[place] is not null)
            .OrderBy(place => from[place])
            .ThenBy(place => until[place])
            .GroupBy(place => (from[place], until[place]!.Value));
        int[][] groups = [.. ways.SelectMany(way => way.Chunk(groupSize))];
        var steps = new List<MoveStep>();
        var pending = new List<int>();
        for (int i = 0; i < groups.Length; i++)
        {
            int[] group = groups[i];
            Add(MoveStepKind.Denoise, group);
            foreach (int place in group)
            {
                Add(MoveStepKind.Decode, [place]);
            }

            pending.AddRange(group);
            bool isLast = i + 1 == groups.Length || Phase(groups[i + 1][0]) != Phase(group[0]);
            while (pending.Count >= batchSize || (isLast && pending.Count > 0))
            {
                int count = Math.Min(batchSize, pending.Count);
                Add(MoveStepKind.Score, [.. pending.Take(count)]);
                pending.RemoveRange(0, count);
            }
        }

        return steps;

        void Add(MoveStepKind kind, IReadOnlyList<int> members) => steps.Add(new()
        {
            Kind = kind,
            Members = members,
            From = from[members[0]],
            Until = until[members[0]]!.Value,
            Phase = Phase(members[0]),
        });

        ScoringPhase Phase(int place) => until[place] == evaluations ? ScoringPhase.Final : ScoringPhase.Checkpoint;
    }
}

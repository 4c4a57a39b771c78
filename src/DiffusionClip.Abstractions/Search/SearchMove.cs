namespace DiffusionClip;

/// <summary>One move of a search.</summary>
public abstract record SearchMove
{
    private SearchMove()
    {
    }

    /// <summary>
    /// Runs candidates on. The next population is what the branches give and what is held; a candidate in neither is out, and cannot come
    /// back: an unfinished candidate is cut, a finished one keeps its score but not its picture.
    /// </summary>
    public sealed record Advance : SearchMove
    {
        /// <summary>What runs, and how far.</summary>
        public required IReadOnlyList<Branch> Branches { get; init; }

        /// <summary>Members of the population that stay as they are and run nothing.</summary>
        public IReadOnlyList<CandidateId> Held { get; init; } = [];

        /// <summary>Starts the next roots.</summary>
        /// <param name="count">How many.</param>
        /// <param name="until">The evaluation at which they stop: a boundary.</param>
        public static Advance Roots(int count, int until) =>
            new() { Branches = [.. Enumerable.Repeat(new Branch { Until = until }, count)] };

        /// <summary>Runs members of the population on.</summary>
        /// <param name="candidates">Which; one named again is forked.</param>
        /// <param name="until">The evaluation at which they stop: a boundary.</param>
        public static Advance On(IEnumerable<CandidateId> candidates, int until)
        {
            ArgumentNullException.ThrowIfNull(candidates);
            return new() { Branches = [.. candidates.Select(candidate => new Branch { Parent = candidate, Until = until })] };
        }
    }

    /// <summary>Ends the search.</summary>
    public sealed record Finish : SearchMove
    {
        /// <summary>Finished members of the population, best first.</summary>
        public required IReadOnlyList<CandidateId> Kept { get; init; }
    }
}

/// <summary>
/// One candidate that runs. A branch never alters its parent: the first branch of a move that names a candidate without
/// <see cref="RenoiseTo"/> is that candidate going on; every other makes a child, a copy with a noise stream of its own.
/// </summary>
public sealed record Branch
{
    /// <summary>
    /// The member of the population whose state it takes; null: the next root, which starts from noise with the next seed.
    /// </summary>
    public CandidateId? Parent { get; init; }

    /// <summary>The evaluation at which it stops to be decoded and scored: a boundary; the number of evaluations for the end.</summary>
    public required int Until { get; init; }

    /// <summary>An earlier boundary to noise the child back to; null: on from where the parent stands.</summary>
    public int? RenoiseTo { get; init; }
}

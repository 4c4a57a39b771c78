namespace DiffusionClip;

/// <summary>
/// Decides which candidates continue. Pure: the same state gives the same move, so the log of moves replays a run. Random numbers come
/// from <see cref="SearchState.Seed"/>, measurements from <see cref="SearchState.Spent"/>.
/// </summary>
public interface ISearchStrategy
{
    /// <summary>Name as asked for in a request, e.g. <c>best-of-n</c>.</summary>
    string Name { get; }

    /// <summary>
    /// The next move. The first is a <see cref="SearchMove.Advance"/> of roots, the last a <see cref="SearchMove.Finish"/>.
    /// </summary>
    /// <param name="state">The budget and the rounds so far.</param>
    SearchMove Next(SearchState state);
}

/// <summary>Makes strategies of one name. Registered with the host; a request names it and gives its options.</summary>
public interface ISearchStrategyFactory
{
    /// <summary>Name as asked for in a request, e.g. <c>best-of-n</c>.</summary>
    string Name { get; }

    /// <summary>Makes the strategy of one run.</summary>
    /// <param name="options">
    /// The request's options. One that is not asked for by the time the strategy is made is refused as unknown.
    /// </param>
    /// <param name="budget">What the run may spend.</param>
    /// <exception cref="InvalidRequestException">An option cannot be used.</exception>
    ISearchStrategy Create(SearchOptions options, SearchBudget budget);
}

/// <summary>A factory from a function, or from a strategy that takes no options.</summary>
/// <param name="name">Name as asked for in a request.</param>
/// <param name="create">Makes the strategy of one run.</param>
public sealed class SearchStrategyFactory(string name, Func<SearchOptions, SearchBudget, ISearchStrategy> create) : ISearchStrategyFactory
{
    /// <summary>Makes the factory of a strategy that takes no options; all runs share it, since it is pure.</summary>
    /// <param name="strategy">The strategy.</param>
    public SearchStrategyFactory(ISearchStrategy strategy)
        : this((strategy ?? throw new ArgumentNullException(nameof(strategy))).Name, (_, _) => strategy)
    {
    }

    /// <inheritdoc/>
    public string Name { get; } = name;

    /// <inheritdoc/>
    public ISearchStrategy Create(SearchOptions options, SearchBudget budget) => create(options, budget);
}

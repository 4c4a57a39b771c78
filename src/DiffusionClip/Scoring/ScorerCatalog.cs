using System.Globalization;
using DiffusionClip.Models;
using DiffusionClip.Naming;
using DiffusionClip.Runtime;

namespace DiffusionClip.Scoring;

/// <summary>Finds scorers: CLIP folders of the model catalogue, and scorers that the host registered. Thread-safe.</summary>
public sealed class ScorerCatalog
{
    /// <summary>Asks for no scores.</summary>
    public const string None = "none";

    /// <summary>The most scorers of a request.</summary>
    public const int MaxScorers = 16;

    /// <summary>The largest weight.</summary>
    public const double MaxWeight = 1000;

    private readonly IModelStore _store;
    private readonly ModelCatalog _catalog;
    private readonly CheckedScorer[] _registered;
    private readonly PipelineOptions _options;
    private readonly TimeProvider _time;

    /// <summary>Composes the catalogue; the host's <c>AddDiffusionClip</c> does it for you.</summary>
    /// <exception cref="InvalidRequestException">
    /// Two registered scorers have one name, or one describes itself in a way that cannot be.
    /// </exception>
    public ScorerCatalog(
        IModelStore store, ModelCatalog catalog, IEnumerable<IImageScorer> registered, PipelineOptions options, TimeProvider time)
    {
        _store = store;
        _catalog = catalog;
        _options = options;
        _time = time;
        _registered = [.. registered.Select(scorer => scorer as CheckedScorer ?? new CheckedScorer(scorer, options.Scoring.Timeout, time))];
        if (Doubled(_registered.Select(scorer => scorer.Descriptor.Name)) is { } twice)
        {
            throw new InvalidRequestException("scorers", twice, "two registered scorers have this name; rename one");
        }
    }

    /// <summary>The scorers that the host registered.</summary>
    public IReadOnlyList<CheckedScorer> Registered => _registered;

    /// <summary>A scorer that the host registered, by name; null where there is none.</summary>
    public CheckedScorer? FindRegistered(string? name) =>
        Array.Find(_registered, scorer => string.Equals(scorer.Descriptor.Name, name, StringComparison.OrdinalIgnoreCase));

    /// <summary>
    /// Finds the scorers of a run: those asked for, else the scorer that goes with the generator, else the configured one. Only those that
    /// were asked for have to exist; of an optional one that does not there is a warning.
    /// </summary>
    /// <param name="search">What is asked for.</param>
    /// <param name="generator">The generator; null: none.</param>
    /// <param name="warnings">Takes what the reader should know.</param>
    /// <param name="missing">Takes the optional scorers that were not found.</param>
    /// <returns>The scorers in the request's order; empty: no scores.</returns>
    /// <exception cref="InvalidRequestException">
    /// A scorer is unknown, named twice, or asked for what it cannot do; or the scores cannot be combined.
    /// </exception>
    /// <exception cref="ModelFolderException">A scorer's folder is damaged.</exception>
    public IReadOnlyList<ScorerChoice> Choose(
        SearchRequest search, GeneratorFolder? generator, List<string> warnings, List<ScorerRequest>? missing = null)
    {
        ArgumentNullException.ThrowIfNull(search);
        ArgumentNullException.ThrowIfNull(warnings);
        IReadOnlyList<ScorerRequest> asked = Asked(search)
            ?? ((generator?.Scorer ?? _options.DefaultScorer) is { } name && name != None ? [new() { Id = name, Optional = true }] : []);
        var choices = new List<ScorerChoice>(asked.Count);
        foreach (ScorerRequest scorer in asked)
        {
            try
            {
                choices.Add(Find(scorer, generator, search));
            }
            catch (DiffusionClipException exception) when (scorer.Optional)
            {
                warnings.Add(NotLoaded(scorer, asked.Count, exception));
                missing?.Add(scorer);
            }
        }

        CheckTogether(choices, search.Combination, FieldOf(search));
        return choices;
    }

    /// <summary>
    /// Finds the scorers of existing pictures: those asked for, else the configured scorer, else the one that goes with the default
    /// generator. All have to exist and to score finished pictures.
    /// </summary>
    /// <param name="search">What is asked for.</param>
    /// <param name="toRank">
    /// Whether pictures are put in order: then the scores have to combine, and one scorer at least has a weight. Else every score stands
    /// for itself, and pictures have texts of their own.
    /// </param>
    /// <inheritdoc cref="Choose" path="/exception"/>
    public IReadOnlyList<ScorerChoice> ChooseForPictures(SearchRequest search, bool toRank)
    {
        ArgumentNullException.ThrowIfNull(search);
        string field = FieldOf(search);
        IReadOnlyList<ScorerChoice> choices = Asked(search) switch
        {
            null => [Of(new() { Id = DefaultClip().Id }, DefaultClip(), field)],
            [] => throw new InvalidRequestException(field, None, "ranking and scoring need a scorer; leave it out for the configured one"),
            var asked => [.. asked.Select(scorer => Find(scorer with { Optional = false }, null, search))],
        };
        if (choices.FirstOrDefault(choice => !choice.Request.Phases!.Contains(ScoringPhase.Final)) is { } blind)
        {
            throw new InvalidRequestException(
                field, blind.Request.Id, "it is not to score finished pictures; name another, or leave phases out");
        }

        if (toRank && choices.All(choice => choice.Request.Weight == 0))
        {
            throw new InvalidRequestException(
                field,
                ScorerShorthand.Format([.. choices.Select(choice => choice.Request)]),
                "every weight is 0; give one of them a weight to rank by");
        }

        if (!toRank && choices.FirstOrDefault(choice => choice.Request.Text is not null) is { } own)
        {
            throw new InvalidRequestException(
                field, own.Request.Text, "the pictures have the texts that they are scored against; leave text out");
        }

        CheckTogether(choices, toRank ? search.Combination : ScoreCombination.MeanRank, field);
        return choices;
    }

    /// <summary>
    /// Makes explicit what <see cref="Choose"/> found: ids, weights, texts, policies and phases of every scorer, and how their scores are
    /// combined. A search that is explicit already stays as it is.
    /// </summary>
    /// <param name="search">What is asked for.</param>
    /// <param name="choices">What was found for it.</param>
    /// <param name="text">
    /// What is scored against where neither scorer nor request has a text; null: texts stay open, each picture has its own.
    /// </param>
    /// <param name="missing">
    /// Optional scorers that were not found; null: none. They stay in the request, so that whoever runs it tries them again, and says so.
    /// </param>
    public static SearchRequest Normalize(
        SearchRequest search, IReadOnlyList<ScorerChoice> choices, string? text, IReadOnlyList<ScorerRequest>? missing = null)
    {
        ArgumentNullException.ThrowIfNull(search);
        ArgumentNullException.ThrowIfNull(choices);
        string? scored = search.ScoreText ?? text;
        LongTextPolicy longText = search.LongText ?? LongTextPolicy.Truncate;
        ScorerRequest[] scorers = [.. choices.Select(choice => choice.Request).Concat(missing ?? []).Select(scorer => scorer with
        {
            Text = scorer.Text ?? scored,
            LongText = scorer.LongText ?? longText,
        })];
        return search with
        {
            Scorer = null,
            Scorers = search.Scorers is { } given && given.Count == scorers.Length && given.Zip(scorers, AreEqual).All(equal => equal)
                ? given
                : scorers,
            Combination = scorers.Count(scorer => scorer.Weight > 0) > 1 ? search.Combination ?? ScoreCombination.WeightedSum : null,
            ScoreText = scored,
            LongText = longText,
        };

        // Records compare lists by reference.
        static bool AreEqual(ScorerRequest one, ScorerRequest other) =>
            one with { Phases = null } == other with { Phases = null } && (one.Phases ?? []).SequenceEqual(other.Phases ?? []);
    }

    /// <summary>Gives a search another text and policy. Scorers that had the search's follow; those with their own keep them.</summary>
    /// <param name="search">The search, explicit or not.</param>
    /// <param name="scoreText">The text; null: left open.</param>
    /// <param name="longText">The policy; null: left open.</param>
    public static SearchRequest WithTexts(SearchRequest search, string? scoreText, LongTextPolicy? longText)
    {
        ArgumentNullException.ThrowIfNull(search);
        return search with
        {
            ScoreText = scoreText,
            LongText = longText,
            Scorers = search.Scorers is null ? null :
            [
                .. search.Scorers.Select(scorer => scorer with
                {
                    Text = scorer.Text == search.ScoreText ? null : scorer.Text,
                    LongText = scorer.LongText == search.LongText ? null : scorer.LongText,
                }),
            ],
        };
    }

    /// <summary>
    /// Leases the scorers of a run: models are loaded and registered scorers ready when the task completes. All or, but for optional ones,
    /// none.
    /// </summary>
    /// <param name="search">The search, as <see cref="Normalize"/> made it of <paramref name="choices"/>.</param>
    /// <param name="choices">The scorers.</param>
    /// <param name="provider">Execution provider; null: the configured one.</param>
    /// <param name="warnings">Takes why an optional scorer could not be loaded.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="DiffusionClipException">A scorer that is not optional cannot be used.</exception>
    public async Task<ScorerSet> LeaseAsync(
        SearchRequest search,
        IReadOnlyList<ScorerChoice> choices,
        string? provider,
        List<string> warnings,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(search);
        ArgumentNullException.ThrowIfNull(choices);
        ArgumentNullException.ThrowIfNull(warnings);
        Task<ScorerLease>[] leasing =
            [.. choices.Select((choice, i) => LeaseAsync(search.Scorers![i], choice, provider, cancellationToken))];
        var leases = new List<ScorerLease>(leasing.Length);
        Exception? failure = null;
        for (int i = 0; i < leasing.Length; i++)
        {
            try
            {
                leases.Add(await leasing[i].ConfigureAwait(false));
            }
            catch (DiffusionClipException exception) when (
                choices[i].Request.Optional && exception is not InvalidRequestException and not ExecutionProviderException)
            {
                lock (warnings)
                {
                    warnings.Add(NotLoaded(choices[i].Request, leasing.Length, exception));
                }
            }
            catch (Exception exception)
            {
                failure ??= exception;
            }
        }

        if (failure is not null)
        {
            leases.ForEach(lease => lease.Dispose());
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }

        return leases.Count == 0 ? ScorerSet.Empty : new ScorerSet(leases, search.Combination);
    }

    /// <summary>Leases the CLIP model of a name; the scorer gives it back on disposal.</summary>
    /// <param name="name">Id, folder name or path; null: the configured scorer, else the one of the default generator.</param>
    /// <param name="provider">Execution provider; null: the configured one.</param>
    /// <param name="longText">What happens to text beyond the model's limit.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="ModelFolderException">There is no such model, or it cannot be used.</exception>
    public async Task<ClipScorer> LeaseClipAsync(
        string? name, string? provider, LongTextPolicy longText, CancellationToken cancellationToken)
    {
        ClipFolder folder = name is null ? DefaultClip() : _catalog.ResolveScorer(name);
        return (await LeaseClipAsync(folder, provider, longText, cancellationToken).ConfigureAwait(false)).Scorer;
    }

    /// <summary>Reads and checks what a request says of its scorers; null where it leaves the choice open.</summary>
    /// <param name="search">The request.</param>
    /// <exception cref="InvalidRequestException">A field cannot be used.</exception>
    public IReadOnlyList<ScorerRequest>? Asked(SearchRequest search)
    {
        ArgumentNullException.ThrowIfNull(search);
        if (search.Scorer is not null && search.Scorers is not null)
        {
            throw new InvalidRequestException("scorer", search.Scorer, "it is short for scorers; give one of the two");
        }

        RequestChecks.CheckKnown("combination", search.Combination);
        RequestChecks.CheckKnown("long_text", search.LongText);
        IReadOnlyList<ScorerRequest>? scorers = search.Scorer is { } line
            ? ScorerShorthand.Parse(line, name => FindRegistered(name) is not null || Directory.Exists(name))
            : search.Scorers;
        if (scorers is null)
        {
            return null;
        }

        if (scorers.Count > MaxScorers)
        {
            throw new InvalidRequestException(
                FieldOf(search),
                FormattableString.Invariant($"{scorers.Count} of them"),
                FormattableString.Invariant($"give up to {MaxScorers}"));
        }

        for (int i = 0; i < scorers.Count; i++)
        {
            Check(scorers[i], search.Scorer is null ? string.Create(CultureInfo.InvariantCulture, $"scorers[{i}]") : null);
        }

        return scorers;
    }

    private void Check(ScorerRequest scorer, string? place)
    {
        if (string.IsNullOrWhiteSpace(scorer?.Id) || scorer.Id == None)
        {
            throw new InvalidRequestException(
                Field("id"), scorer?.Id, "name a CLIP folder or a registered scorer; for no scores leave the list empty");
        }

        if (!(scorer.Weight >= 0 && scorer.Weight <= MaxWeight))
        {
            throw new InvalidRequestException(
                Field("weight"),
                scorer.Weight.ToString("R", CultureInfo.InvariantCulture),
                FormattableString.Invariant($"{scorer.Id} may weigh 0 to {MaxWeight}; with 0 it watches"));
        }

        RequestChecks.CheckKnown(Field("long_text"), scorer.LongText);
        RequestChecks.Check(Field("text"), scorer.Text ?? "", _options.Limits.PromptLength);
        if (scorer.Phases is { } phases)
        {
            foreach (ScoringPhase phase in phases)
            {
                RequestChecks.CheckKnown<ScoringPhase>(Field("phases"), phase);
            }

            if (phases.Count == 0 || phases.Distinct().Count() != phases.Count)
            {
                throw new InvalidRequestException(
                    Field("phases"), string.Join(", ", phases), "name checkpoint, final or both, each once; leave it out for both");
            }
        }

        string Field(string name) => place is null ? "scorer" : $"{place}.{name}";
    }

    private static string FieldOf(SearchRequest search) => search.Scorers is null ? "scorer" : "scorers";

    private ScorerChoice Find(ScorerRequest scorer, GeneratorFolder? generator, SearchRequest search)
    {
        string field = FieldOf(search);
        if (FindRegistered(scorer.Id) is { } plugin)
        {
            return Of(scorer with { Id = plugin.Descriptor.Name }, plugin.Descriptor, field) with { Registered = plugin };
        }

        // The scorer that goes with a generator may lie beside it, where the catalogue does not look.
        if (scorer.Optional && generator?.Scorer is { } own)
        {
            ClipFolder? beside = own == scorer.Id ? _catalog.ScorerOf(generator) : TryScorerOf(generator);
            if (beside is not null && (own == scorer.Id || beside.Id == scorer.Id))
            {
                return Of(scorer, beside, field);
            }
        }

        try
        {
            return Of(scorer, _catalog.ResolveScorer(scorer.Id), field);
        }
        catch (ModelFolderException exception) when (IsUnknown(scorer.Id, exception))
        {
            string[] known =
            [
                .. _registered.Select(registered => registered.Descriptor.Name),
                .. _catalog.List().Where(entry => entry.Kind == ModelKind.Clip).Select(entry => entry.Id),
            ];
            string likely = Suggestions.Likely(scorer.Id, known) is { } near ? $"did you mean {near}? " : "";
            string there = known.Length > 0 ? $"there are {string.Join(", ", known)}" : "there is no other";
            throw new InvalidRequestException(field, scorer.Id, $"{likely}{there}; or give the path of a CLIP folder");
        }
    }

    // A bare name that stands for nothing; of paths and names in the cache the catalogue says more.
    private static bool IsUnknown(string id, ModelFolderException exception)
    {
        string name = ModelFolder.SplitVariant(id).Folder;
        return exception.Path == name && name.AsSpan().IndexOfAny('/', '\\') < 0 && !Directory.Exists(name);
    }

    private ClipFolder? TryScorerOf(GeneratorFolder generator)
    {
        try
        {
            return _catalog.ScorerOf(generator);
        }
        catch (ModelFolderException)
        {
            return null;
        }
    }

    private static ScorerChoice Of(ScorerRequest scorer, ClipFolder folder, string field) =>
        Of(scorer with { Id = folder.Id }, ClipScorer.Describe(folder), field) with { Folder = folder };

    private static ScorerChoice Of(ScorerRequest scorer, ScorerDescriptor descriptor, string field)
    {
        ScoringPhase[] cannot = [.. (scorer.Phases ?? []).Except(descriptor.Phases)];
        if (cannot.Length > 0)
        {
            string pictures = cannot[0] == ScoringPhase.Final ? "finished pictures" : "checkpoints";
            throw new InvalidRequestException(field, scorer.Id, $"it does not score {pictures}; leave phases out");
        }

        return new()
        {
            Request = scorer with { Phases = [.. (scorer.Phases ?? descriptor.Phases).Order()] },
            Descriptor = descriptor,
        };
    }

    /// <summary>What no scorer can be asked for alone.</summary>
    private static void CheckTogether(IReadOnlyList<ScorerChoice> choices, ScoreCombination? combination, string field)
    {
        if (Doubled(choices.Select(choice => choice.Request.Id)) is { } twice)
        {
            throw new InvalidRequestException(field, twice, "it is named twice; name each scorer once");
        }

        ScorerChoice[] weighted = [.. choices.Where(choice => choice.Request.Weight > 0)];
        if ((combination ?? ScoreCombination.WeightedSum) == ScoreCombination.WeightedSum
            && Array.Find(weighted, choice => choice.Descriptor.Scale != weighted[0].Descriptor.Scale) is { } other)
        {
            throw new InvalidRequestException(
                "combination",
                "weighted-sum",
                $"{weighted[0].Request.Id} gives {Scale(weighted[0])} and {other.Request.Id} {Scale(other)}, which do not add up; "
                    + "use standard-scores or mean-rank");
        }

        static string Scale(ScorerChoice choice) => choice.Descriptor.Scale switch
        {
            ScoreScale.Cosine => "cosines",
            ScoreScale.Probability => "probabilities",
            _ => "numbers without bounds",
        };
    }

    private static string? Doubled(IEnumerable<string> names) =>
        names.GroupBy(name => name, StringComparer.OrdinalIgnoreCase).FirstOrDefault(group => group.Count() > 1)?.Key;

    private static string NotLoaded(ScorerRequest scorer, int asked, Exception exception) =>
        asked == 1 ? $"no scores: {exception.Message}" : $"no scores of {scorer.Id}: {exception.Message}";

    private ClipFolder DefaultClip() => _options.DefaultScorer is { } name
        ? _catalog.ResolveScorer(name)
        : _catalog.ScorerOf(_catalog.ResolveGenerator(_options.DefaultModel))
            ?? throw new InvalidRequestException("scorer", null, $"{_options.DefaultModel} names no scorer of its own; name a CLIP folder");

    private async Task<ScorerLease> LeaseAsync(
        ScorerRequest scorer, ScorerChoice choice, string? provider, CancellationToken cancellationToken)
    {
        if (choice.Registered is { } plugin)
        {
            await plugin.ReadyAsync(cancellationToken).ConfigureAwait(false);
            return new ScorerLease(scorer, plugin, null);
        }

        (ClipScorer clip, ClipLease lease) = await LeaseClipAsync(
            choice.Folder!, provider, scorer.LongText ?? LongTextPolicy.Truncate, cancellationToken).ConfigureAwait(false);
        return new ScorerLease(scorer, new CheckedScorer(clip, _options.Scoring.Timeout, _time), lease);
    }

    private async Task<(ClipScorer Scorer, ClipLease Lease)> LeaseClipAsync(
        ClipFolder folder, string? provider, LongTextPolicy longText, CancellationToken cancellationToken)
    {
        var spec = new ModelSpec { Folder = folder, Provider = provider ?? _options.Provider };
        ClipLease lease = await _store.LeaseAsync<ClipLease>(spec, cancellationToken).ConfigureAwait(false);
        try
        {
            return (new ClipScorer(lease, longText), lease);
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }
}

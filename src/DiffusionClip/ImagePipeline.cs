using System.Reflection;
using DiffusionClip.Conditioning;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Decoding;
using DiffusionClip.Denoising;
using DiffusionClip.Families;
using DiffusionClip.Models;
using DiffusionClip.Observing;
using DiffusionClip.Origins;
using DiffusionClip.Reporting;
using DiffusionClip.Runtime;
using DiffusionClip.Scoring;
using DiffusionClip.Selection;
using DiffusionClip.Selection.Snapshots;

namespace DiffusionClip;

/// <summary>
/// The pipeline from a request to ranked pictures, one call per stage: tokenization, conditioning, origins, denoising, decoding,
/// scoring, selection, reporting. Thread-safe; concurrent calls share the models and nothing else.
/// </summary>
public sealed class ImagePipeline
{
    private readonly IModelStore _store;
    private readonly ModelCatalog _catalog;
    private readonly IModelFamily[] _families;
    private readonly Dictionary<string, ISearchStrategyFactory> _strategies;
    private readonly ScorerCatalog _scorers;
    private readonly PipelineOptions _options;
    private readonly TimeProvider _time;
    private readonly RequestNormalizer _normalizer;

    /// <summary>Composes the pipeline; the host's <c>AddDiffusionClip</c> does it for you.</summary>
    public ImagePipeline(
        IModelStore store,
        ModelCatalog catalog,
        ScorerCatalog scorers,
        IEnumerable<IModelFamily> families,
        IEnumerable<ISearchStrategyFactory> strategies,
        PipelineOptions options,
        TimeProvider time)
    {
        _store = store;
        _catalog = catalog;
        _scorers = scorers;
        _families = [.. families];
        _strategies = strategies.ToDictionary(strategy => strategy.Name, StringComparer.OrdinalIgnoreCase);
        _options = options;
        _time = time;
        _normalizer = new RequestNormalizer(options, _strategies.Keys);
    }

    /// <summary>The program's name and version as it is written into reports and pictures.</summary>
    public static string Software { get; } =
        $"DiffusionClip {typeof(ImagePipeline).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]}";

    /// <summary>Checks a request, fills in what it leaves open, and works out everything that needs no loaded model.</summary>
    /// <param name="request">What is wanted.</param>
    /// <param name="images">The pictures that it names, by SHA-256: the size is the picture's where the request does not say one.</param>
    /// <exception cref="InvalidRequestException">A field cannot be used.</exception>
    /// <exception cref="ModelFolderException">The model cannot be used.</exception>
    public PreparedRun Prepare(ImageRequest request, IReadOnlyDictionary<string, RgbImage>? images = null)
    {
        ArgumentNullException.ThrowIfNull(request);
        _normalizer.Check(request);
        var warnings = new List<string>();
        GeneratorFolder folder = _catalog.ResolveGenerator(request.Model.Id ?? _options.DefaultModel);
        IModelFamily family = _families.Of(folder);
        var missing = new List<ScorerRequest>();
        IReadOnlyList<ScorerChoice> scorers = _scorers.Choose(request.Search, folder, warnings, missing);
        ImageRequest normalized = _normalizer.Normalize(request, folder, family, scorers, missing, images);
        SamplingRequest sampling = normalized.Sampling;

        SchedulerConfig schedulerConfig = SchedulerCatalog.Configure(folder.Scheduler, sampling.Scheduler, sampling.SchedulerOptions);
        IScheduler scheduler = Schedule(normalized, folder, schedulerConfig, family);
        IGuidancePlan guidance = GuidanceOf(sampling, scheduler, family.IsGuided(folder, sampling.GuidanceScale!.Value));
        SearchBudget budget = Budget(normalized.Search, scheduler, scorers);
        var options = new SearchOptions(normalized.Search.Options);
        ISearchStrategy strategy = _strategies[normalized.Search.Strategy!].Create(options, budget);
        options.RefuseOthers(strategy.Name);
        return new PreparedRun
        {
            Request = normalized,
            Warnings = warnings,
            Folder = folder,
            Family = family,
            SchedulerConfig = schedulerConfig,
            Scheduler = scheduler,
            Guidance = guidance,
            Scorers = scorers,
            Budget = budget,
            Strategy = strategy,
            Images = images,
            Cost = CostOf(budget, guidance, scorers),
        };
    }

    /// <summary>Prepares a request and runs it.</summary>
    /// <param name="request">What is wanted.</param>
    /// <param name="control">How the run is stopped and watched.</param>
    /// <param name="images">The pictures that the request names, by the SHA-256 of their files.</param>
    /// <inheritdoc cref="GenerateAsync(PreparedRun, RunControl?)" path="/returns|/exception"/>
    public async Task<RankedImages> GenerateAsync(
        ImageRequest request,
        RunControl? control = null,
        IReadOnlyDictionary<string, RgbImage>? images = null
    ) => await GenerateAsync(Prepare(request, images), control).ConfigureAwait(false);

    /// <summary>Paints, scores and ranks.</summary>
    /// <param name="prepared">What is wanted.</param>
    /// <param name="control">How the run is stopped and watched.</param>
    /// <returns>Every candidate that has a picture, best first, and the report.</returns>
    /// <exception cref="InvalidRequestException">A field cannot be used.</exception>
    /// <exception cref="ModelFolderException">The model cannot be used.</exception>
    /// <exception cref="ExecutionProviderException">The execution provider that was asked for is not available.</exception>
    /// <exception cref="OperationCanceledException">The run was aborted.</exception>
    public async Task<RankedImages> GenerateAsync(PreparedRun prepared, RunControl? control = null)
    {
        ArgumentNullException.ThrowIfNull(prepared);
        control ??= new RunControl();
        control.Abort.ThrowIfCancellationRequested();
        (DateTimeOffset startedAt, long start) = (_time.GetUtcNow(), _time.GetTimestamp());
        var clock = new StageClock(control.Observer, _time);
        List<string> warnings = [.. prepared.Warnings];
        RunLeases leases;
        using (clock.Measure(Stage.Models))
        {
            leases = await RunLeases.AcquireAsync(_store, _scorers, prepared, warnings, control.Abort).ConfigureAwait(false);
        }

        using (leases)
        {
            // The pipeline is compute-bound: it leaves the caller's thread.
            RankedImages ranked = await Task.Run(() => RunAsync(prepared, leases, control, clock, warnings), CancellationToken.None)
                .ConfigureAwait(false);
            double seconds = Math.Round(_time.GetElapsedTime(start).TotalSeconds, 6);
            return ranked with { Report = ranked.Report with { StartedAt = startedAt, Seconds = seconds } };
        }
    }

    private async Task<RankedImages> RunAsync(
        PreparedRun prepared,
        RunLeases leases,
        RunControl control,
        StageClock clock,
        List<string> warnings)
    {
        ImageRequest request = prepared.Request;
        (GeneratorLease generator, ScorerSet scorers) = (leases.Generator, leases.Scorers);
        (GeneratorFolder folder, IModelFamily family, IScheduler scheduler) = (prepared.Folder, prepared.Family, prepared.Scheduler);
        ExecutionPlan plan = ExecutionPlanner.Plan(
            _options,
            _store,
            generator.Provider.Name,
            prepared.Guidance.IsActive,
            control.Plan,
            warnings);

        PromptPlan prompt;
        using (clock.Measure(Stage.Tokenization))
        {
            var steps = PromptSteps.Of(scheduler, request.Sampling.NumInferenceSteps!.Value);
            prompt = family.Tokenize(folder, generator.Tokenizers, request.Prompt, steps);
            warnings.AddRange(prompt.Warnings);
        }

        ConditioningSchedule conditioning;
        using (clock.Measure(Stage.Conditioning))
        {
            var wanted = new ConditioningRequest { Folder = folder, Sampling = request.Sampling, IsGuided = prepared.Guidance.IsActive };
            conditioning = family.Encode(prompt, wanted, generator.TextEncoders, control.Abort);
        }

        LatentShape shape = family.Shape(folder, request.Sampling.Width!.Value, request.Sampling.Height!.Value);
        ILatentOrigin origin;
        using (clock.Measure(Stage.Origins))
        {
            ILatentEncoder? encoder = request.Origin is null ? null : generator.LatentEncoder;
            origin = OriginPictures.Prepare(request.Origin, prepared.Images, folder, encoder, shape, control.Abort);
        }

        var scoring = new PopulationScoring(
            scorers,
            new PictureDecoder(generator.LatentDecoder, folder.Decoder, shape),
            () => new PictureDecoder(generator.PreviewDecoder, folder.PreviewDecoder, shape),
            plan.PicturesPerScoring,
            control.Abort);
        using RunJournal? journal = control.Snapshots is { } snapshots
            ? new RunJournal(snapshots, RunIdentity.OfAsync(request, plan, generator, scorers, prepared.Hooks), scoring)
            : null;
        using var denoising = new DenoisingLoop(
            generator.Denoiser,
            shape,
            scheduler,
            conditioning,
            prepared.Guidance,
            plan,
            control.Observer,
            scoring.DecodePreview,
            control.Abort);
        var search = new SearchLoop(
            new SearchSetup
            {
                Strategy = prepared.Strategy,
                Budget = prepared.Budget,
                Seed = request.Sampling.Seed!.Value,
                Scheduler = scheduler,
                Denoising = denoising,
                CreateRoot = (id, seed) =>
                    Candidate.Root(id, seed, request.Sampling.Noise!.Value, shape.Length, scheduler, origin, prepared.Hooks),
                Scoring = scoring,
                Clock = clock,
                Control = control,
                Time = _time,
                Origin = origin,
                Hooks = prepared.Hooks,
                Journal = journal,
            });
        ResumeReport? resumed = journal is null ? null : await journal.LoadAsync(search).ConfigureAwait(false);
        IReadOnlyList<CandidateId> kept = await search.RunAsync().ConfigureAwait(false);

        using (clock.Measure(Stage.Reporting))
        {
            warnings.AddRange(scorers.Warnings());
            (IReadOnlyList<CandidateReport> candidates, IReadOnlyList<RankedImage> images) =
                RankedImagesBuilder.Build(search.All, kept, prepared.Budget.HigherIsBetter);
            return new RankedImages
            {
                Images = images,
                Report = new RunReport
                {
                    Software = Software,
                    Request = request,
                    Plan = plan,
                    Scheduler = SchedulerCatalog.Label(prepared.SchedulerConfig),
                    Models = await ModelsOfAsync(generator, scorers).ConfigureAwait(false),
                    Texts = prompt.Texts,
                    Stages = clock.Report(),
                    Candidates = candidates,
                    Spent = search.Spent,
                    Scoring = scorers.Entries is [var only] ? only.Comparison.Record : null,
                    Scorers = scorers.Report(),
                    Combination = scorers.Combination,
                    ProviderReason = generator.Provider.FallbackReason,
                    Warnings = [.. warnings],
                    FinishedEarly = search.FinishedEarly,
                    Resumed = resumed,
                    StartedAt = default,
                    Seconds = 0,
                },
            };
        }
    }

    private static IScheduler Schedule(ImageRequest request, GeneratorFolder folder, SchedulerConfig scheduler, IModelFamily family)
    {
        LatentShape shape = family.Shape(folder, request.Sampling.Width!.Value, request.Sampling.Height!.Value);
        return scheduler.Build(family.Schedule(request, folder, scheduler, shape));
    }

    /// <summary>
    /// Steps are guided from the first whose share of the way is not below the interval to the last that begins inside it.
    /// </summary>
    private static IGuidancePlan GuidanceOf(SamplingRequest sampling, IScheduler scheduler, bool isGuided)
    {
        if (!isGuided)
        {
            return new ConstantGuidance(GuidanceSettings.None);
        }

        var settings = new GuidanceSettings(sampling.GuidanceScale!.Value, sampling.GuidanceRescale!.Value);
        if (sampling.GuidanceInterval is not { } interval)
        {
            return new ConstantGuidance(settings);
        }

        var steps = PromptSteps.Of(scheduler, sampling.NumInferenceSteps!.Value);
        return new IntervalGuidance(
            settings,
            steps.Begin((int)(interval.From * steps.Count)),
            steps.Begin((int)(interval.To * steps.Count)));
    }

    private static SearchBudget Budget(SearchRequest search, IScheduler scheduler, IReadOnlyList<ScorerChoice> scorers)
    {
        ScorerChoice[] weighted = [.. scorers.Where(scorer => scorer.Request.Weight > 0)];
        IEnumerable<int> evaluations = Enumerable.Range(scheduler.FirstEvaluation + 1, scheduler.Evaluations - scheduler.FirstEvaluation);
        return new()
        {
            Candidates = search.Candidates!.Value,
            Keep = search.Keep!.Value,
            Evaluations = scheduler.Evaluations,
            FirstEvaluation = scheduler.FirstEvaluation,
            Boundaries = [.. evaluations.Where(scheduler.IsBoundary)],
            HigherIsBetter = weighted is not [var single] || single.Descriptor.HigherIsBetter,
            TotalsAreRelative = weighted.Length > 1 && search.Combination is not ScoreCombination.WeightedSum,
            IsStochastic = scheduler.IsStochastic,
        };
    }

    private static RunCost CostOf(SearchBudget budget, IGuidancePlan guidance, IReadOnlyList<ScorerChoice> scorers)
    {
        int each = budget.Evaluations - budget.FirstEvaluation;
        int guided = Enumerable.Range(budget.FirstEvaluation, each).Count(evaluation => guidance.At(evaluation).IsActive);
        return new()
        {
            Evaluations = (long)budget.Candidates * each,
            DenoiserRows = (long)budget.Candidates * (each + guided),
            Decodes = budget.Candidates,
            Scores = (long)budget.Candidates * scorers.Count(scorer => scorer.Request.Phases?.Contains(ScoringPhase.Final) ?? true),
        };
    }

    private static async Task<IReadOnlyList<ModelReport>> ModelsOfAsync(GeneratorLease generator, ScorerSet scorers)
    {
        var models = new List<ModelReport> { await Report("generator", generator.Folder, generator).ConfigureAwait(false) };
        foreach (ClipLease clip in scorers.Entries.Select(entry => entry.Clip).OfType<ClipLease>())
        {
            models.Add(await Report("scorer", clip.Folder, clip).ConfigureAwait(false));
        }

        return models;

        static async Task<ModelReport> Report(string role, ModelFolder folder, ModelLease lease)
        {
            ModelHashes hashes = await lease.Hashes.ConfigureAwait(false);
            return new ModelReport { Role = role, Id = folder.Id, Sha256 = hashes.Identity, Files = hashes.Files };
        }
    }
}

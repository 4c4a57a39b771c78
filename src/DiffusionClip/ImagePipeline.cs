using System.Diagnostics;
using System.Reflection;
using DiffusionClip.Conditioning;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Decoding;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Origins;
using DiffusionClip.Reporting;
using DiffusionClip.Runtime;
using DiffusionClip.Scoring;
using DiffusionClip.Selection;
using DiffusionClip.Selection.Snapshots;
using DiffusionClip.Tokenization;

namespace DiffusionClip;

/// <summary>
/// The road from a request to ranked pictures, one call per stop: tokenization, conditioning, origins, denoising, decoding,
/// scoring, selection, reporting. Thread-safe; concurrent calls share the models and nothing else.
/// </summary>
public sealed class ImagePipeline
{
    private readonly IModelStore _store;
    private readonly ModelCatalog _catalog;
    private readonly TokenizerCache _tokenizers;
    private readonly IModelFamily[] _families;
    private readonly Dictionary<string, ISearchStrategy> _strategies;
    private readonly ScorerSource _scorers;
    private readonly PipelineOptions _options;
    private readonly TimeProvider _time;
    private readonly RequestNormalizer _normalizer;

    /// <summary>Composes the road; the host's <c>AddDiffusionClip</c> does it for you.</summary>
    public ImagePipeline(
        IModelStore store,
        ModelCatalog catalog,
        TokenizerCache tokenizers,
        ScorerSource scorers,
        IEnumerable<IModelFamily> families,
        IEnumerable<ISearchStrategy> strategies,
        PipelineOptions options,
        TimeProvider time)
    {
        _store = store;
        _catalog = catalog;
        _tokenizers = tokenizers;
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

    /// <summary>Checks a request and fills in what it leaves open; the result runs the same wherever the model is the same.</summary>
    /// <param name="request">What is wanted.</param>
    /// <param name="images">The pictures that it names, by SHA-256: the size is the picture's where the request does not say one.</param>
    /// <exception cref="InvalidRequestException">A field cannot be used.</exception>
    /// <exception cref="ModelFolderException">The model cannot be used.</exception>
    public ImageRequest Normalize(ImageRequest request, IReadOnlyDictionary<string, RgbImage>? images = null) => Resolve(request, images, []).Request;

    /// <summary>Paints, scores and ranks.</summary>
    /// <param name="request">What is wanted.</param>
    /// <param name="control">How the run is stopped and watched.</param>
    /// <returns>Every candidate that has a picture, best first, and the report.</returns>
    /// <exception cref="InvalidRequestException">A field cannot be used.</exception>
    /// <exception cref="ModelFolderException">The model cannot be used.</exception>
    /// <exception cref="ExecutionProviderException">The execution provider that was asked for is not available.</exception>
    /// <exception cref="OperationCanceledException">The run was aborted.</exception>
    public async Task<RankedImages> GenerateAsync(ImageRequest request, RunControl? control = null)
    {
        ArgumentNullException.ThrowIfNull(request);
        control ??= new RunControl();
        control.Abort.ThrowIfCancellationRequested();
        DateTimeOffset startedAt = _time.GetUtcNow();
        long start = Stopwatch.GetTimestamp();
        var clock = new StageClock(control.Observer);
        var warnings = new List<string>();

        GeneratorLease generator;
        ScorerLease? scorer;
        Resolved resolved;
        using (clock.Measure(Stage.Models))
        {
            resolved = Resolve(request, control.Images, warnings);
            (generator, scorer) = await LeaseAsync(resolved, warnings, control.Abort).ConfigureAwait(false);
        }

        using (generator)
        using (scorer)
        {
            // The road computes all the way: it leaves the caller's thread.
            return await Task.Run(() => RunAsync(resolved, generator, scorer, clock, warnings, control, startedAt, start), CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task<RankedImages> RunAsync(
        Resolved resolved, GeneratorLease generator, ScorerLease? scorer, StageClock clock, List<string> warnings, RunControl control, DateTimeOffset startedAt, long start)
    {
        (ImageRequest request, DiffusionFolder folder, IModelFamily family, ISearchStrategy strategy, _) = resolved;
        SamplingRequest sampling = request.Sampling;
        CancellationToken abort = control.Abort;

        SchedulerConfig schedulerConfig = SchedulerCatalog.Configure(folder.Scheduler, sampling.Scheduler, sampling.SchedulerOptions);
        IScheduler scheduler = RequestNormalizer.Schedule(request, schedulerConfig, family);
        PromptPlan prompt;
        using (clock.Measure(Stage.Tokenization))
        {
            prompt = family.Tokenize(
                folder,
                [.. folder.TextEncoders.Select(encoder => _tokenizers.Get(encoder.TokenizerPath))],
                request.Prompt,
                PromptSteps.Of(scheduler, sampling.NumInferenceSteps!.Value));
            warnings.AddRange(prompt.Warnings);
        }

        float guidanceScale = sampling.GuidanceScale!.Value;
        var guidance = new GuidanceSettings(family.IsGuided(folder, guidanceScale) ? guidanceScale : 1, sampling.GuidanceRescale!.Value);
        ConditioningSchedule conditioning;
        using (clock.Measure(Stage.Conditioning))
        {
            conditioning = family.Encode(prompt, new ConditioningRequest(folder, sampling, guidance.IsActive), generator.TextEncoders, abort);
        }

        LatentShape shape = family.Shape(folder, sampling.Width!.Value, sampling.Height!.Value);
        ExecutionPlan plan = Plan(generator, guidance.IsActive, control.Plan, warnings);
        var decoder = new PictureDecoder(generator.LatentDecoder, folder.Decoder, shape);
        ILatentOrigin origin;
        using (clock.Measure(Stage.Origins))
        {
            origin = OriginPictures.Prepare(request.Origin, control.Images, folder, request.Origin is null ? null : generator.LatentEncoder, shape, abort);
        }

        bool higherIsBetter = scorer?.Scorer.Descriptor.HigherIsBetter ?? true;
        var scoring = new ScoreComparison();
        using RunJournal? journal = control.Snapshots is { } snapshots
            ? new RunJournal(snapshots, RunIdentity.OfAsync(request, plan, generator, scorer), scoring, origin)
            : null;

        using var denoising = new DenoisingLoop(generator.Denoiser, shape, scheduler, conditioning, guidance, plan, control.Observer, DecodePreview, abort);
        var search = new SearchLoop(
            strategy, Budget(request, scheduler, higherIsBetter), scheduler, denoising,
            index => Candidate.Root(new CandidateId(index), unchecked(sampling.Seed!.Value + (ulong)index), sampling.Noise!.Value, shape, scheduler, origin),
            LookAsync, clock, control, journal);
        ResumeReport? resumed = journal is null ? null : await journal.LoadAsync(search).ConfigureAwait(false);
        IReadOnlyList<CandidateId> kept = await search.RunAsync().ConfigureAwait(false);

        using (clock.Measure(Stage.Reporting))
        {
            if (scoring.Record is { } record && request.Search.LongText == LongTextPolicy.WindowsMean && record.LongText != "windows-mean")
            {
                warnings.Add($"long_text: {record.Scorer} does not know windows-mean; it scored by {record.LongText}");
            }

            (IReadOnlyList<CandidateReport> candidates, IReadOnlyList<RankedImage> images) = RankedImagesBuilder.Build(search.All, kept, higherIsBetter);
            var models = new List<ModelReport> { await ModelOf("generator", folder, generator).ConfigureAwait(false) };
            if (scorer?.Clip is { } clip)
            {
                models.Add(await ModelOf("scorer", clip.Folder, clip).ConfigureAwait(false));
            }

            return new RankedImages(images, new RunReport
            {
                Software = Software,
                Request = request,
                Plan = plan,
                Sampler = SchedulerCatalog.Label(schedulerConfig),
                Models = models,
                Texts = prompt.Texts,
                Stages = clock.Report(),
                Candidates = candidates,
                Scoring = scoring.Record,
                ProviderReason = generator.Provider.FallbackReason,
                Warnings = [.. warnings],
                FinishedEarly = search.FinishedEarly,
                Resumed = resumed,
                StartedAt = startedAt,
                Seconds = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 6),
            });
        }

        async ValueTask LookAsync(Candidate candidate, ScoringPhase phase)
        {
            RgbImage image;
            using (clock.Measure(Stage.Decoding, phase))
            {
                if (phase == ScoringPhase.Checkpoint)
                {
                    image = DecodePreview(candidate.Original);
                }
                else
                {
                    image = decoder.Decode(candidate.Sample, abort, out string? failure);
                    candidate.Failure = failure;
                    candidate.Image = failure is null ? image : null;
                }
            }

            if (scorer is null || candidate.Failure is not null)
            {
                return;
            }

            using (clock.Measure(Stage.Scoring, phase))
            {
                (candidate.Score, candidate.ScoringFailure, ScoreRecord? record) = await scorer.ScoreAsync(image, request.Search.ScoreText!, phase, abort).ConfigureAwait(false);
                if (record is not null && scoring.Refuse(record, phase) is { } reason)
                {
                    (candidate.Score, candidate.ScoringFailure) = (null, reason);
                }
            }
        }

        // Glimpses may be bad pictures without their candidates being bad, so what is wrong with them is not asked.
        RgbImage DecodePreview(ReadOnlyMemory<float> latents) =>
            new PictureDecoder(generator.PreviewDecoder, folder.PreviewDecoder, shape).Decode(latents.Span, abort, out _);
    }

    private Resolved Resolve(ImageRequest request, IReadOnlyDictionary<string, RgbImage>? images, List<string> warnings)
    {
        ArgumentNullException.ThrowIfNull(request);
        _normalizer.Check(request);
        DiffusionFolder folder = _catalog.ResolveGenerator(request.Model.Id ?? _options.DefaultModel);
        IModelFamily family = _families.FirstOrDefault(candidate => candidate.Matches(folder))
            ?? throw new ModelFolderException(folder.Path, $"a {folder.PipelineClass}; this build runs {string.Join(", ", _families.Select(candidate => candidate.Name))}");
        ScorerChoice scorer = _scorers.Choose(request.Search.Scorer, folder, warnings);
        ImageRequest normalized = _normalizer.Normalize(request, folder, family, scorer, images);
        return new Resolved(normalized, folder, family, _strategies[normalized.Search.Strategy!], scorer);
    }

    private async Task<(GeneratorLease Generator, ScorerLease? Scorer)> LeaseAsync(Resolved resolved, List<string> warnings, CancellationToken abort)
    {
        string? provider = resolved.Request.Model.Provider;
        Task<GeneratorLease> generator = _store.LeaseGeneratorAsync(resolved.Folder, provider, abort);
        Task<ScorerLease?> scorer = _scorers.LeaseAsync(resolved.Scorer, provider, resolved.Request.Search.LongText!.Value, warnings, abort);
        try
        {
            await Task.WhenAll(generator, scorer).ConfigureAwait(false);
        }
        catch
        {
            // Whichever came is given back.
            foreach (Task lease in new Task[] { generator, scorer })
            {
                await lease.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
            }

            if (generator.IsCompletedSuccessfully)
            {
                (await generator.ConfigureAwait(false)).Dispose();
            }

            if (scorer.IsCompletedSuccessfully)
            {
                (await scorer.ConfigureAwait(false))?.Dispose();
            }

            throw;
        }

        return (await generator.ConfigureAwait(false), await scorer.ConfigureAwait(false));
    }

    private ExecutionPlan Plan(GeneratorLease generator, bool guided, ExecutionPlan? given, List<string> warnings)
    {
        string provider = generator.Provider.Name;
        bool batched = guided && (given?.BatchedGuidance ?? _options.Plan.BatchedGuidance ?? provider != "cpu");
        int perRun = given is null ? _options.Plan.CandidatesPerRun : Math.Max(1, given.BatchedGuidance ? given.RowsPerRun / 2 : given.RowsPerRun);
        var plan = new ExecutionPlan
        {
            Provider = provider,
            BatchedGuidance = batched,
            RowsPerRun = batched ? 2 * perRun : perRun,
            Threads = _store.Threads,
            Runtime = _store.Runtime,
        };
        if (given is not null && given != plan)
        {
            warnings.Add($"the plan asked for cannot be followed here ({Describe(given)}; here {Describe(plan)}): the pictures agree within tolerance, not bit for bit");
        }

        return plan;
    }

    private static string Describe(ExecutionPlan plan) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{plan.Provider}, {plan.RowsPerRun} rows a run, {(plan.BatchedGuidance ? "batched" : "split")} guidance, {plan.Threads} threads, {plan.Runtime}");

    private static SearchBudget Budget(ImageRequest request, IScheduler scheduler, bool higherIsBetter) => new(
        request.Search.Candidates!.Value,
        request.Search.Keep!.Value,
        scheduler.Evaluations,
        [.. Enumerable.Range(scheduler.FirstEvaluation + 1, scheduler.Evaluations - scheduler.FirstEvaluation).Where(scheduler.IsBoundary)],
        higherIsBetter);

    private static async Task<ModelReport> ModelOf(string role, ModelFolder folder, ModelLease lease)
    {
        ModelHashes hashes = await lease.Hashes.ConfigureAwait(false);
        return new ModelReport { Role = role, Id = folder.Id, Sha256 = hashes.Identity, Files = hashes.Files };
    }

    private sealed record Resolved(ImageRequest Request, DiffusionFolder Folder, IModelFamily Family, ISearchStrategy Strategy, ScorerChoice Scorer);
}

using DiffusionClip.Models;
using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker.Interfaces.Native;

/// <summary>Models, scorers, strategies and schedulers to choose from, without paths of this machine.</summary>
internal static class Facts
{
    /// <summary>The generators of the catalogue, the damaged ones with their problem.</summary>
    public static IReadOnlyList<ModelFacts> Models(ModelCatalog catalog, MachinePaths paths, PipelineOptions options) =>
        [
            .. catalog
                .List()
                .Where(entry => entry.Kind is null || entry.Kind == ModelKind.Diffusion)
                .Select(entry => Of(entry, catalog, paths, options)),
        ];

    /// <summary>The CLIP folders and the scorers that the host registered.</summary>
    public static IReadOnlyList<ScorerFacts> Scorers(
        ModelCatalog catalog,
        MachinePaths paths,
        PipelineOptions options,
        IEnumerable<IImageScorer> registered
    ) =>
        [
            .. registered.Select(scorer => new ScorerFacts(scorer.Descriptor.Name)
            {
                Version = scorer.Descriptor.Version,
                Scale = scorer.Descriptor.Scale,
                HigherIsBetter = scorer.Descriptor.HigherIsBetter,
            }),
            .. catalog
                .List()
                .Where(entry => entry.Kind == ModelKind.Clip)
                .Select(entry => new ScorerFacts(entry.Id)
                {
                    Scale = ScoreScale.Cosine,
                    HigherIsBetter = true,
                    License = entry.License,
                    Bytes = entry.Size,
                    IsDefault = entry.Id == options.DefaultScorer,
                    Problem = WithoutPaths(entry.Problem, paths),
                }),
        ];

    /// <summary>What requests may ask for.</summary>
    public static LimitFacts Limits(PipelineOptions options, WorkerOptions worker, QueueStatus queue) =>
        new(
            options.Limits.Candidates,
            options.Limits.Side,
            options.Limits.Steps,
            options.Limits.PromptLength,
            options.Limits.ImagePixels,
            Math.Min(options.Limits.ImageBytes, worker.Trust.BodyBytes),
            worker.Trust.BodyBytes,
            options.Candidates,
            worker.Trust.FetchUrls,
            queue);

    private static ModelFacts Of(ModelEntry entry, ModelCatalog catalog, MachinePaths paths, PipelineOptions options)
    {
        var facts = new ModelFacts(entry.Id)
        {
            License = entry.License,
            Bytes = entry.Size,
            Scorer = entry.Scorer,
            IsDefault = entry.Id == options.DefaultModel,
            Problem = WithoutPaths(entry.Problem, paths),
        };
        if (entry.Problem is not null)
        {
            return facts;
        }

        try
        {
            GeneratorFolder folder = catalog.Formats.Open<GeneratorFolder>(entry.Path, "a generator");
            return facts with
            {
                Pipeline = folder.PipelineClass,
                NumInferenceSteps = folder.Defaults.NumInferenceSteps,
                GuidanceScale = folder.Defaults.GuidanceScale,
                Width = folder.Defaults.Width,
                Height = folder.Defaults.Height,
                SizeMultiple = folder.SizeMultiple,
                TakesImages = folder.Encoder is not null,
            };
        }
        catch (ModelFolderException exception)
        {
            return facts with { Problem = paths.Hide(exception.Message) };
        }
    }

    private static string? WithoutPaths(string? problem, MachinePaths paths) => problem is null ? null : paths.Hide(problem);
}

/// <summary>A generator.</summary>
/// <param name="Id">What <c>model.id</c> takes.</param>
public sealed record ModelFacts(string Id)
{
    /// <summary>Whether requests that name none get it.</summary>
    public bool IsDefault { get; init; }

    /// <summary>The pipeline's class in diffusers.</summary>
    public string? Pipeline { get; init; }

    /// <summary>The scorer that goes with it.</summary>
    public string? Scorer { get; init; }

    /// <summary>Its default number of steps.</summary>
    public int? NumInferenceSteps { get; init; }

    /// <summary>Its default guidance.</summary>
    public float? GuidanceScale { get; init; }

    /// <summary>Its default width in pixels.</summary>
    public int? Width { get; init; }

    /// <summary>Its default height in pixels.</summary>
    public int? Height { get; init; }

    /// <summary>Sizes are multiples of this.</summary>
    public int? SizeMultiple { get; init; }

    /// <summary>Whether painting may start from a picture.</summary>
    public bool TakesImages { get; init; }

    /// <summary>Licence of its weights.</summary>
    public string? License { get; init; }

    /// <summary>Size of its files.</summary>
    public long Bytes { get; init; }

    /// <summary>Why it cannot be used; absent if nothing is known against it.</summary>
    public string? Problem { get; init; }
}

/// <summary>A scorer.</summary>
/// <param name="Id">What <c>search.scorer</c> and <c>scorer</c> take.</param>
public sealed record ScorerFacts(string Id)
{
    /// <summary>Whether it is the configured one.</summary>
    public bool IsDefault { get; init; }

    /// <summary>Version of a registered scorer's method.</summary>
    public string? Version { get; init; }

    /// <summary>Scale of its numbers.</summary>
    public ScoreScale Scale { get; init; }

    /// <summary>Whether a larger number is a better match.</summary>
    public bool HigherIsBetter { get; init; }

    /// <summary>Licence of its weights.</summary>
    public string? License { get; init; }

    /// <summary>Size of its files.</summary>
    public long? Bytes { get; init; }

    /// <summary>Why it cannot be used; absent if nothing is known against it.</summary>
    public string? Problem { get; init; }
}

/// <summary>A search strategy.</summary>
/// <param name="Name">What <c>search.strategy</c> takes.</param>
public sealed record StrategyFacts(string Name);

/// <summary>What requests may ask for, and what the queue holds.</summary>
/// <param name="Candidates">Most candidates of a request.</param>
/// <param name="Side">Largest width or height in pixels.</param>
/// <param name="Steps">Most denoising steps.</param>
/// <param name="PromptLength">Longest prompt in UTF-16 code units.</param>
/// <param name="ImagePixels">Largest picture taken, in pixels.</param>
/// <param name="ImageBytes">Largest picture file taken.</param>
/// <param name="BodyBytes">Largest body.</param>
/// <param name="DefaultCandidates">Candidates of a request that does not say.</param>
/// <param name="FetchesUrls">Whether pictures may be URLs.</param>
/// <param name="Queue">What the queue holds.</param>
public sealed record LimitFacts(
    int Candidates,
    int Side,
    int Steps,
    int PromptLength,
    long ImagePixels,
    long ImageBytes,
    long BodyBytes,
    int DefaultCandidates,
    bool FetchesUrls,
    QueueStatus Queue);

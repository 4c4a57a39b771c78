using DiffusionClip.Conditioning;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Scoring;

namespace DiffusionClip;

/// <summary>
/// A request that was checked and made whole, with everything that follows from it before a model is loaded. It can be shown, stored by its
/// <see cref="Request"/>, and run (<see cref="ImagePipeline.GenerateAsync(PreparedRun, RunControl?)"/>), any number of times.
/// </summary>
public sealed record PreparedRun
{
    internal PreparedRun()
    {
    }

    /// <summary>The normalized request: seeds concrete, defaults filled in. Preparing it again gives the same.</summary>
    public required ImageRequest Request { get; init; }

    /// <summary>What the reader should know, e.g. that there will be no scores and why.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>The generator's folder.</summary>
    public required DiffusionFolder Folder { get; init; }

    /// <summary>Its family.</summary>
    public required IModelFamily Family { get; init; }

    /// <summary>The scheduler's configuration.</summary>
    public required SchedulerConfig SchedulerConfig { get; init; }

    /// <summary>The scheduler's plan, which all candidates share.</summary>
    public required IScheduler Scheduler { get; init; }

    /// <summary>Guidance by evaluation.</summary>
    public required IGuidancePlan Guidance { get; init; }

    /// <summary>The scorers, in the request's order; empty: no scores.</summary>
    public required IReadOnlyList<ScorerChoice> Scorers { get; init; }

    /// <summary>What the search may spend.</summary>
    public required SearchBudget Budget { get; init; }

    /// <summary>The search strategy.</summary>
    public required ISearchStrategy Strategy { get; init; }

    /// <summary>What works on candidates after each of their steps, in order.</summary>
    public IReadOnlyList<IStepHook> Hooks { get; init; } = [];

    /// <summary>The pictures that the request names, by the SHA-256 of their files.</summary>
    public IReadOnlyDictionary<string, RgbImage>? Images { get; init; }

    /// <summary>What it will cost if every candidate runs to its end.</summary>
    public required RunCost Cost { get; init; }
}

/// <summary>What a run costs if every candidate that is asked for runs to its end.</summary>
public sealed record RunCost
{
    /// <summary>Evaluations over all candidates.</summary>
    public required long Evaluations { get; init; }

    /// <summary>Rows through the denoiser: two for each guided evaluation, one for each other.</summary>
    public required long DenoiserRows { get; init; }

    /// <summary>Pictures decoded.</summary>
    public required long Decodes { get; init; }

    /// <summary>Pictures scored, once for each scorer.</summary>
    public required long Scores { get; init; }
}

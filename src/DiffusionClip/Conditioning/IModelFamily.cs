using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Conditioning;

/// <summary>What differs between families of models: how text conditions them and which latents they denoise.</summary>
public interface IModelFamily
{
    /// <summary>Short name, e.g. <c>stable-diffusion</c>.</summary>
    string Name { get; }

    /// <summary>Whether a folder is of this family.</summary>
    bool Matches(DiffusionFolder folder);

    /// <summary>Tokenizes the prompts.</summary>
    /// <param name="folder">The model's folder: token limits.</param>
    /// <param name="tokenizers">Its tokenizers, in the order of its text encoders.</param>
    /// <param name="prompt">The prompts.</param>
    /// <param name="steps">The steps of the run, which edits of the prompt count.</param>
    PromptPlan Tokenize(DiffusionFolder folder, IReadOnlyList<ClipTokenizer> tokenizers, PromptRequest prompt, PromptSteps steps);

    /// <summary>Encodes the prompts.</summary>
    /// <param name="plan">The tokens.</param>
    /// <param name="request">What else the conditioning depends on.</param>
    /// <param name="encoders">The folder's text encoders, in its order.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    ConditioningSchedule Encode(PromptPlan plan, ConditioningRequest request, IReadOnlyList<ITextEncoder> encoders, CancellationToken cancellationToken);

    /// <summary>Whether guidance evaluates a negative side. Models that were given the scale as an input (<see cref="GuidanceEmbedding"/>) have none.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="guidanceScale">The scale.</param>
    bool IsGuided(DiffusionFolder folder, float guidanceScale)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return guidanceScale > 1 && folder.Denoiser.TimeCondProjDim is null;
    }

    /// <summary>How a strength below 1 shortens the schedule: the last part of the steps runs.</summary>
    /// <param name="request">The steps.</param>
    /// <param name="scheduler">The scheduler that will build the plan.</param>
    /// <param name="origin">Where painting starts from, with a strength.</param>
    ScheduleRequest Shorten(ScheduleRequest request, SchedulerConfig scheduler, OriginRequest origin)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(origin);
        return request with { Strength = origin.Strength ?? 1 };
    }

    /// <summary>The latents of a picture.</summary>
    LatentShape Shape(DiffusionFolder folder, int width, int height);
}

/// <summary>What a conditioning depends on beside the prompts.</summary>
/// <param name="Folder">The model's folder.</param>
/// <param name="Sampling">The normalized settings: clip skip, size conditions, guidance scale.</param>
/// <param name="IsGuided">Whether guidance needs the negative side.</param>
public sealed record ConditioningRequest(DiffusionFolder Folder, SamplingRequest Sampling, bool IsGuided);

using DiffusionClip.Conditioning;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Families;

/// <summary>
/// A family of generators: how their folders are read, what of a request they can do, how text conditions them, how their denoiser is
/// called. One file each, registered with the host; nothing else knows families apart. Stateless and thread-safe.
/// </summary>
public interface IModelFamily
{
    /// <summary>Short name, e.g. <c>stable-diffusion</c>: <see cref="GeneratorFolder.Family"/>.</summary>
    string Name { get; }

    /// <summary>Class of its pipeline in diffusers, for messages, e.g. <c>StableDiffusionPipeline</c>.</summary>
    string Pipeline { get; }

    /// <summary>Whether a folder is of this family, by its index alone.</summary>
    bool Matches(ModelIndex index);

    /// <summary>Reads a folder of this family: its parts by role, defaults, sizes.</summary>
    /// <exception cref="ModelFolderException">A part is missing or damaged, or the parts do not fit together; names the file.</exception>
    GeneratorFolder Read(ModelIndex index);

    /// <summary>The tokenizers of the folder's text encoders, in their order.</summary>
    /// <exception cref="ModelFolderException">A file is missing or damaged.</exception>
    IReadOnlyList<ITokenizer> LoadTokenizers(GeneratorFolder folder);

    /// <summary>What the folder's denoiser is called with.</summary>
    DenoiserSignature Denoiser(GeneratorFolder folder);

    /// <summary>Refuses what the model cannot do.</summary>
    /// <param name="request">The request, not yet normalized.</param>
    /// <param name="folder">The model's folder.</param>
    /// <exception cref="InvalidRequestException">A field cannot be used with this model.</exception>
    /// <exception cref="ModelFolderException">The folder lacks a part that the request needs.</exception>
    void Check(ImageRequest request, GeneratorFolder folder);

    /// <summary>The latents of a picture.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="width">Width of the picture in pixels, a multiple of <see cref="GeneratorFolder.SizeMultiple"/>.</param>
    /// <param name="height">Height of the picture in pixels, a multiple of <see cref="GeneratorFolder.SizeMultiple"/>.</param>
    LatentShape Shape(GeneratorFolder folder, int width, int height);

    /// <summary>What the schedule of a run is built from, whether it starts from noise or from a picture.</summary>
    /// <param name="request">The normalized request: steps, eta, strength of its origin.</param>
    /// <param name="folder">The model's folder.</param>
    /// <param name="scheduler">The scheduler that will build the plan.</param>
    /// <param name="shape">The latents, whose size flow schedules depend on.</param>
    ScheduleRequest Schedule(ImageRequest request, GeneratorFolder folder, SchedulerConfig scheduler, LatentShape shape);

    /// <summary>Whether guidance evaluates a negative side.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="guidanceScale">The scale.</param>
    bool IsGuided(GeneratorFolder folder, float guidanceScale);

    /// <summary>Tokenizes the prompts.</summary>
    /// <param name="folder">The model's folder: token limits.</param>
    /// <param name="tokenizers">Its tokenizers, in the order of its text encoders.</param>
    /// <param name="prompt">The prompts.</param>
    /// <param name="steps">The steps of the run, which edits of the prompt count.</param>
    PromptPlan Tokenize(GeneratorFolder folder, IReadOnlyList<ITokenizer> tokenizers, PromptRequest prompt, PromptSteps steps);

    /// <summary>Encodes the prompts.</summary>
    /// <param name="plan">The tokens.</param>
    /// <param name="request">What else the conditioning depends on.</param>
    /// <param name="encoders">The folder's text encoders, in its order.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    ConditioningSchedule Encode(
        PromptPlan plan, ConditioningRequest request, IReadOnlyList<ITextEncoder> encoders, CancellationToken cancellationToken);
}

/// <summary>What a conditioning depends on beside the prompts.</summary>
public sealed record ConditioningRequest
{
    /// <summary>The model's folder.</summary>
    public required GeneratorFolder Folder { get; init; }

    /// <summary>The normalized settings: clip skip, size conditions, guidance scale.</summary>
    public required SamplingRequest Sampling { get; init; }

    /// <summary>Whether guidance needs the negative side.</summary>
    public required bool IsGuided { get; init; }
}

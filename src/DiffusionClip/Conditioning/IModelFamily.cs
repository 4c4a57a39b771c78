using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
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
    /// <param name="encoders">The folder's text encoders, in its order.</param>
    /// <param name="guided">Whether guidance needs the negative side.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    ConditioningSchedule Encode(PromptPlan plan, IReadOnlyList<ITextEncoder> encoders, bool guided, CancellationToken cancellationToken);

    /// <summary>The latents of a picture.</summary>
    LatentShape Shape(DiffusionFolder folder, int width, int height);
}

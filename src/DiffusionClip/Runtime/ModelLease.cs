using DiffusionClip.Models;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Runtime;

/// <summary>
/// A loaded model on loan. Disposing gives it back; what it exposes belongs to the store and is not disposed by its user.
/// </summary>
public abstract class ModelLease : IDisposable
{
    /// <summary>Which execution provider runs it, and why not a better one.</summary>
    public abstract ProviderInUse Provider { get; }

    /// <summary>Precision that its weights are computed with: <c>float32</c>, <c>float16</c> or <c>int8</c>.</summary>
    public abstract string Precision { get; }

    /// <summary>
    /// The hash of every file of the folder as it was when the model was loaded. Computed beside the loading of the sessions: await it
    /// where the report is made. Where the folder declares hashes, it has completed, and they agreed, before the lease was handed out.
    /// </summary>
    public abstract Task<ModelHashes> Hashes { get; }

    /// <summary>Gives the model back. Further calls do nothing.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives the model back; called any number of times.</summary>
    protected abstract void Dispose(bool disposing);
}

/// <summary>A generator on loan.</summary>
public abstract class GeneratorLease : ModelLease
{
    /// <summary>The folder it was loaded from: sizes, scaling factors, scheduler, tokenizers.</summary>
    public abstract GeneratorFolder Folder { get; }

    /// <summary>The tokenizers of the text encoders, in their order, as the folder's files were when the model was loaded.</summary>
    public abstract IReadOnlyList<ITokenizer> Tokenizers { get; }

    /// <summary>The denoiser.</summary>
    public abstract IDenoiser Denoiser { get; }

    /// <summary>The text encoders, in the order of <see cref="GeneratorFolder.TextEncoders"/>; at least one.</summary>
    public abstract IReadOnlyList<ITextEncoder> TextEncoders { get; }

    /// <summary>The full decoder; its factors are those of <see cref="GeneratorFolder.Decoder"/>.</summary>
    public abstract ILatentDecoder LatentDecoder { get; }

    /// <summary>
    /// The decoder for previews: the small one where the folder has one, else the full one; its factors are those of
    /// <see cref="GeneratorFolder.PreviewDecoder"/>. Loaded on first use, which therefore blocks and may throw
    /// <see cref="ModelFolderException"/>.
    /// </summary>
    public abstract ILatentDecoder PreviewDecoder { get; }

    /// <summary>
    /// The encoder; null if the folder has none. Loaded on first use, which therefore blocks and may throw
    /// <see cref="ModelFolderException"/>.
    /// </summary>
    public abstract ILatentEncoder? LatentEncoder { get; }
}

/// <summary>A CLIP model on loan.</summary>
public abstract class ClipLease : ModelLease
{
    /// <summary>The folder it was loaded from: preprocessing, token limit, tokenizer.</summary>
    public abstract ClipFolder Folder { get; }

    /// <summary>The tokenizer, as the folder's files were when the model was loaded; texts are normalized as for scoring.</summary>
    public abstract ITokenizer Tokenizer { get; }

    /// <summary>The text tower.</summary>
    public abstract IClipTextEncoder TextEncoder { get; }

    /// <summary>The image tower.</summary>
    public abstract IClipImageEncoder ImageEncoder { get; }

    /// <summary>
    /// How the model makes logits of cosines: as the configuration says it, else measured with the folder's joint graph, which is loaded
    /// for that on first use and therefore blocks.
    /// </summary>
    /// <exception cref="ModelFolderException">
    /// A SigLIP says it neither in its configuration nor by a joint graph, or the joint graph is damaged.
    /// </exception>
    public abstract ClipLogits Logits { get; }
}

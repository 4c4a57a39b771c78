using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Onnx;

/// <summary>Loads CLIP and SigLIP models.</summary>
public sealed class ClipLoader : OnnxModelLoader<ClipFolder, ClipLease>
{
    /// <inheritdoc/>
    public override string Loads => "a CLIP model";

    private protected override Task<LoadedModel> LoadAsync(ClipFolder folder, ProviderInUse provider, OnnxEnvironment environment) =>
        LoadedClip.LoadAsync(folder, provider, environment);
}

using DiffusionClip.Families;
using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Onnx;

/// <summary>Loads generators: their family says how their denoiser is called and which tokenizers they have.</summary>
public sealed class GeneratorLoader : OnnxModelLoader<GeneratorFolder, GeneratorLease>
{
    private readonly IModelFamily[] _families;

    /// <summary>Gathers the families that this build runs.</summary>
    public GeneratorLoader(IEnumerable<IModelFamily> families) => _families = [.. families];

    /// <inheritdoc/>
    public override string Loads => "a generator";

    private protected override Task<LoadedModel> LoadAsync(GeneratorFolder folder, ProviderInUse provider, OnnxEnvironment environment) =>
        LoadedGenerator.LoadAsync(folder, _families.Of(folder), provider, environment);
}

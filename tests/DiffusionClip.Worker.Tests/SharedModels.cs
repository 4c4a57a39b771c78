using DiffusionClip.Families;
using DiffusionClip.Onnx;
using DiffusionClip.Runtime;
using DiffusionClip.Worker.Tests;

[assembly: AssemblyFixture(typeof(SharedModels))]

namespace DiffusionClip.Worker.Tests;

/// <summary>One store of models for the hosts of this process: what is loaded for one test is there for the next.</summary>
public sealed class SharedModels : IDisposable
{
    private static readonly OnnxModelStore _store = new(
        new OnnxOptions(),
        [new GeneratorLoader([new StableDiffusion(), new StableDiffusionXl(), new LatentConsistency()]), new ClipLoader()]);

    public void Dispose() => _store.Dispose();

    /// <summary>Takes the shared store. The host leaves it open when it ends.</summary>
    internal static void Use(IServiceCollection services) => services.AddSingleton<IModelStore>(_store);

    /// <summary>Takes a store of its own, for tests that load models or look at what is loaded.</summary>
    internal static void Leave(IServiceCollection services) => services.AddSingleton<IModelStore, OnnxModelStore>();
}

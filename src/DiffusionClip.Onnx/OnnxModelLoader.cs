using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Onnx;

/// <summary>
/// Loads one kind of models for one kind of lease. Loaders are registered with the host; <see cref="OnnxModelStore"/> names none of them.
/// Thread-safe.
/// </summary>
public abstract class OnnxModelLoader
{
    private protected OnnxModelLoader()
    {
    }

    /// <summary>The lease that its models are used through.</summary>
    public abstract Type Lease { get; }

    /// <summary>What it loads, for messages, e.g. <c>a generator</c>.</summary>
    public abstract string Loads { get; }

    /// <summary>Whether it loads a folder.</summary>
    public abstract bool Takes(ModelFolder folder);

    /// <summary>Loads a model. Called off the caller's thread, once a model whatever the number of leases.</summary>
    internal abstract Task<LoadedModel> LoadAsync(ModelSpec spec, ProviderInUse provider, OnnxEnvironment environment);
}

/// <summary>Loads one kind of folders for one kind of lease.</summary>
/// <typeparam name="TFolder">The folders it loads.</typeparam>
/// <typeparam name="TLease">The lease that its models are used through.</typeparam>
public abstract class OnnxModelLoader<TFolder, TLease> : OnnxModelLoader
    where TFolder : ModelFolder
    where TLease : ModelLease
{
    private protected OnnxModelLoader()
    {
    }

    /// <inheritdoc/>
    public sealed override Type Lease => typeof(TLease);

    /// <inheritdoc/>
    public sealed override bool Takes(ModelFolder folder) => folder is TFolder;

    internal sealed override Task<LoadedModel> LoadAsync(ModelSpec spec, ProviderInUse provider, OnnxEnvironment environment) =>
        LoadAsync((TFolder)spec.Folder, provider, environment);

    /// <summary>Loads a folder.</summary>
    private protected abstract Task<LoadedModel> LoadAsync(TFolder folder, ProviderInUse provider, OnnxEnvironment environment);
}

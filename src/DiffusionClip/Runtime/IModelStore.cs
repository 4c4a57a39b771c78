using DiffusionClip.Models;

namespace DiffusionClip.Runtime;

/// <summary>
/// Makes models runnable and keeps them: the seam between the road and a runtime. Leases are reference counted; a model is
/// evicted only when nobody leases it. Thread-safe; concurrent leases of one model load it once.
/// </summary>
public interface IModelStore : IDisposable
{
    /// <summary>The runtime and its version, e.g. <c>ONNX Runtime 1.31.1</c>: <see cref="ExecutionPlan.Runtime"/>.</summary>
    string Runtime { get; }

    /// <summary>Threads of the process-wide pool: <see cref="ExecutionPlan.Threads"/>.</summary>
    int Threads { get; }

    /// <summary>Leases a generator: text encoders, denoiser and decoder are loaded (in parallel) when the task completes.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="provider">Execution provider: <c>auto</c>, <c>cpu</c>, <c>dml</c> or <c>cuda</c>; null: the configured one.</param>
    /// <param name="cancellationToken">Stops waiting; a load that others wait for goes on.</param>
    /// <exception cref="ModelFolderException">The folder's graphs are damaged, do not fit together, cannot be mapped to their roles, or a file's hash is not the declared one.</exception>
    /// <exception cref="ExecutionProviderException">The provider was asked for by name and is not available.</exception>
    /// <exception cref="ObjectDisposedException">The store is disposed.</exception>
    Task<GeneratorLease> LeaseGeneratorAsync(DiffusionFolder folder, string? provider, CancellationToken cancellationToken);

    /// <summary>Leases a CLIP model: both towers are loaded when the task completes.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="provider">Execution provider: <c>auto</c>, <c>cpu</c>, <c>dml</c> or <c>cuda</c>; null: the configured one.</param>
    /// <param name="cancellationToken">Stops waiting; a load that others wait for goes on.</param>
    /// <inheritdoc cref="LeaseGeneratorAsync" path="/exception"/>
    Task<ClipLease> LeaseScorerAsync(ClipFolder folder, string? provider, CancellationToken cancellationToken);
}

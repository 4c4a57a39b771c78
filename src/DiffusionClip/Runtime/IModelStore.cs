namespace DiffusionClip.Runtime;

/// <summary>
/// Makes models runnable and keeps them: the seam between the road and a runtime. Leases are reference counted; only models without a lease
/// are evicted. Thread-safe; concurrent leases of one model load it once.
/// </summary>
public interface IModelStore : IDisposable
{
    /// <summary>The runtime and its version, e.g. <c>ONNX Runtime 1.31.1</c>: <see cref="ExecutionPlan.Runtime"/>.</summary>
    string Runtime { get; }

    /// <summary>Threads of the process-wide pool: <see cref="ExecutionPlan.Threads"/>.</summary>
    int Threads { get; }

    /// <summary>
    /// Leases a model: what every use of it needs is loaded when the task completes. Never reads files on the caller's thread.
    /// </summary>
    /// <typeparam name="TLease">
    /// What the model is used as: <see cref="GeneratorLease"/>, <see cref="ClipLease"/>, or what another registered loader makes.
    /// </typeparam>
    /// <param name="spec">Which model, and how.</param>
    /// <param name="cancellationToken">Stops waiting; a load that others wait for goes on.</param>
    /// <exception cref="InvalidRequestException">
    /// The folder is no such model, or it cannot be had in this precision or with adapters.
    /// </exception>
    /// <exception cref="ModelFolderException">
    /// The folder's graphs are damaged, do not fit together, cannot be mapped to their roles, or a file's hash is not the declared one.
    /// </exception>
    /// <exception cref="ExecutionProviderException">The provider was asked for by name and is not available.</exception>
    /// <exception cref="ObjectDisposedException">The store is disposed.</exception>
    Task<TLease> LeaseAsync<TLease>(ModelSpec spec, CancellationToken cancellationToken)
        where TLease : ModelLease;
}

using DiffusionClip.Models;

namespace DiffusionClip.Verification;

/// <summary>Tries single graphs: the seam between verification and a runtime.</summary>
public interface IGraphTrials
{
    /// <summary>The execution providers of this build, fastest first; a device for them may still be missing.</summary>
    IReadOnlyList<string> Providers { get; }

    /// <summary>The provider that a name stands for on this machine.</summary>
    /// <param name="provider"><c>auto</c>, <c>cpu</c>, <c>dml</c> or <c>cuda</c>.</param>
    /// <exception cref="InvalidRequestException">Not a provider's name.</exception>
    /// <exception cref="ExecutionProviderException">The provider was asked for by name and is not there.</exception>
    string Resolve(string provider);

    /// <summary>
    /// Runs a graph on the CPU twice, then for a moment to see how fast it is; and the same on a device, if one is named.
    /// </summary>
    /// <param name="folder">The model, whose graphs have been described: nothing outside of it is opened.</param>
    /// <param name="file">The graph's path in it.</param>
    /// <param name="sizes">Sizes for what the graph leaves free.</param>
    /// <param name="device">An execution provider beside the CPU; null or <c>cpu</c>: none.</param>
    /// <param name="duration">How long each provider is timed.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    GraphTrial Try(
        ModelFolder folder, string file, GraphSizes sizes, string? device, TimeSpan duration, CancellationToken cancellationToken);
}

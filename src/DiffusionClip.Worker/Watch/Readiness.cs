using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker.Watch;

/// <summary>Whether jobs can be taken and done now.</summary>
internal sealed class Readiness(ModelWarmUp models, JobQueue queue, DataDisk disk, MachinePaths paths, IHostApplicationLifetime lifetime)
{
    /// <summary>What stands in the way of each part.</summary>
    public async Task<ReadinessReport> CheckAsync(CancellationToken cancellationToken)
    {
        bool isDraining = queue.IsDraining || lifetime.ApplicationStopping.IsCancellationRequested;
        DiskState state = await disk.StateAsync(cancellationToken).ConfigureAwait(false);
        string? draining = isDraining ? "shutting down" : null;
        return new ReadinessReport(
            draining is null && models.Problem is null && state.Problem is null && state.Space is null,
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["models"] = models.Problem is { } problem ? paths.Hide(problem) : "ok",
                ["queue"] = draining ?? state.Problem ?? "ok",
                ["disk"] = state.Space ?? "ok",
            });
    }
}

/// <summary>Whether jobs can be taken and done.</summary>
/// <param name="Ready">Whether they can.</param>
/// <param name="Checks">Models, queue and disk: <c>ok</c>, or what stands in the way.</param>
public sealed record ReadinessReport(bool Ready, IReadOnlyDictionary<string, string> Checks);

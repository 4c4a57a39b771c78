using DiffusionClip.Onnx;
using DiffusionClip.Worker.Jobs.Artifacts;
using DiffusionClip.Worker.Jobs.Ledger;
using DiffusionClip.Worker.Jobs.Running;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace DiffusionClip.Worker.Jobs;

/// <summary>The durable queue.</summary>
internal static class JobsServiceCollectionExtensions
{
    /// <summary>
    /// Adds <see cref="IJobQueue"/>, <see cref="IArtifactStore"/> and what runs jobs. The data folder is taken when the host starts.
    /// </summary>
    public static IServiceCollection AddJobs(this IServiceCollection services, WorkerOptions options)
    {
        services.TryAddSingleton(options);
        services.AddSingleton<DataFolder>();
        services.AddSingleton<MachinePaths>();
        services.AddSingleton<DiskProbe>(DataDisk.Write);
        services.AddSingleton<DataDisk>();
        services.AddSingleton<JobLedger>();
        services.AddSingleton<ArtifactStore>();
        services.AddSingleton<IArtifactStore>(provider => provider.GetRequiredService<ArtifactStore>());
        services.AddSingleton<JobTelemetry>();
        services.AddSingleton<JobIntake>();
        services.AddSingleton<SnapshotStore>();
        services.AddSingleton<ResultCache>();
        services.AddSingleton<JobRunner>();
        services.AddSingleton<JobQueue>();
        services.AddSingleton<IJobQueue>(provider => provider.GetRequiredService<JobQueue>());
        services.AddHostedService<JobDispatcher>();
        services.AddSingleton<Retention>();
        services.AddHostedService(provider => provider.GetRequiredService<Retention>());

        // The queue and the store of models keep to one budget.
        services.PostConfigure<OnnxOptions>(runtime =>
            runtime.MemoryBudget = options.Queue.MemoryBudget ?? runtime.MemoryBudget ?? JobQueue.HalfOfMemory);
        return services;
    }
}

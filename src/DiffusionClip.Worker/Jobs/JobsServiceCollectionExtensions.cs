using DiffusionClip.Worker.Jobs.Artifacts;
using DiffusionClip.Worker.Jobs.Ledger;
using DiffusionClip.Worker.Jobs.Running;

namespace DiffusionClip.Worker.Jobs;

/// <summary>The durable queue.</summary>
internal static class JobsServiceCollectionExtensions
{
    // After the drain, for what else has to end.
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(20);

    /// <summary>Adds <see cref="IJobQueue"/>, <see cref="IArtifactStore"/> and what runs jobs. The data folder is taken when the host starts.</summary>
    public static IServiceCollection AddJobs(this IServiceCollection services, WorkerOptions options)
    {
        services.AddSingleton(options);
        services.AddSingleton<DataFolder>();
        services.AddSingleton<JobLedger>();
        services.AddSingleton<ArtifactStore>();
        services.AddSingleton<IArtifactStore>(provider => provider.GetRequiredService<ArtifactStore>());
        services.AddSingleton<JobTelemetry>();
        services.AddSingleton<JobIntake>();
        services.AddSingleton<JobRunner>();
        services.AddSingleton<JobQueue>();
        services.AddSingleton<IJobQueue>(provider => provider.GetRequiredService<JobQueue>());
        services.AddHostedService<JobDispatcher>();
        services.Configure<HostOptions>(host => host.ShutdownTimeout = options.Queue.DrainTimeout + Margin);
        return services;
    }
}

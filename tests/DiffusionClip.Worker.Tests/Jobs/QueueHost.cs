using DiffusionClip.Worker.Tests;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DiffusionClip.Worker.Jobs;

/// <summary>The queue without the web: composed as the worker composes it, in a folder of its own.</summary>
internal sealed class QueueHost : IAsyncDisposable
{
    private readonly bool _ownsFolder;

    private QueueHost(IHost host, string folder, bool ownsFolder)
    {
        Host = host;
        Folder = folder;
        _ownsFolder = ownsFolder;
    }

    public IHost Host { get; }

    public string Folder { get; }

    public IJobQueue Queue => Host.Services.GetRequiredService<IJobQueue>();

    public IArtifactStore Artifacts => Host.Services.GetRequiredService<IArtifactStore>();

    public T Get<T>() where T : notnull => Host.Services.GetRequiredService<T>();

    public static async Task<QueueHost> StartAsync(
        Action<WorkerOptions>? configure = null, Action<IServiceCollection>? services = null, string? folder = null, bool run = true)
    {
        bool owns = folder is null;
        folder ??= Directory.CreateTempSubdirectory("dclip-jobs-").FullName;
        var options = new WorkerOptions { DataFolder = folder };
        options.Retention.FreeBytes = 0;
        options.Queue.DrainTimeout = TimeSpan.FromSeconds(10);
        configure?.Invoke(options);
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.ClearProviders();
        builder.Services.AddDiffusionClip(new ConfigurationBuilder().Build(), Golden.Repository);
        builder.Services.AddJobs(options);
        SharedModels.Use(builder.Services);
        services?.Invoke(builder.Services);
        if (!run)
        {
            builder.Services.RemoveAll<IHostedService>();
        }

        IHost host = builder.Build();
        try
        {
            await host.StartAsync();
        }
        catch
        {
            await ((IAsyncDisposable)host).DisposeAsync();
            throw;
        }

        return new QueueHost(host, folder, owns);
    }

    public static JobSubmission Generate(
        string prompt = "a red apple",
        ulong seed = 1,
        int candidates = 1,
        int steps = 3,
        string caller = "local") => new(caller, JobKind.Generate, new JobBody { Generate = Request(prompt, seed, candidates, steps) });

    public static ImageRequest Request(string prompt, ulong seed, int candidates = 1, int steps = 3) => ImageRequest.For(prompt) with
    {
        Sampling = new SamplingRequest { Seed = seed, NumInferenceSteps = steps, Width = 64, Height = 64 },
        Search = new SearchRequest { Candidates = candidates },
    };

    public async Task<Job> RunAsync(JobSubmission submission)
    {
        Job job = await Queue.SubmitAsync(submission);
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        return await Queue.WaitAsync(submission.Caller, job.Id, timeout.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await Host.StopAsync();
        await ((IAsyncDisposable)Host).DisposeAsync();
        if (_ownsFolder)
        {
            Directory.Delete(Folder, recursive: true);
        }
    }
}

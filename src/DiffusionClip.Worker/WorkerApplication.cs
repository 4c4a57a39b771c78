using DiffusionClip.Hosting;
using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker;

/// <summary>The composition of the worker, one call per concern.</summary>
public static class WorkerApplication
{
    /// <summary>Composes the worker: <c>appsettings.json</c> of the content root, then the environment, then the command line.</summary>
    /// <param name="args">The command line, <c>--Worker:Url=…</c>.</param>
    /// <param name="configure">Replaces services, for tests.</param>
    /// <exception cref="InvalidRequestException">A key is unknown or a value cannot be used.</exception>
    public static WebApplication Build(string[] args, Action<IServiceCollection>? configure = null)
    {
        string root = ContentRoot.Find();
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { Args = args, ContentRootPath = root });
        builder.Configuration.AddJsonFile(Path.Combine(root, "appsettings.json"), optional: true, reloadOnChange: false).AddEnvironmentVariables().AddCommandLine(args);
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRoutingCore();
        builder.Services.AddDiffusionClip(builder.Configuration, root);
        WorkerOptions options = builder.Configuration.GetSection(WorkerOptions.Section).Get<WorkerOptions>() ?? new();
        builder.Services.AddJobs(options);
        configure?.Invoke(builder.Services);
        WebApplication application = builder.Build();
        return application;
    }
}

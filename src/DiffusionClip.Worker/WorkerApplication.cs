using System.Text.Json;
using DiffusionClip.Hosting;
using DiffusionClip.Worker.Interfaces;
using DiffusionClip.Worker.Interfaces.A1111;
using DiffusionClip.Worker.Interfaces.Native;
using DiffusionClip.Worker.Interfaces.OpenAi;
using DiffusionClip.Worker.Jobs;
using DiffusionClip.Worker.Trust;
using DiffusionClip.Worker.Watch;
using Microsoft.AspNetCore.Server.Kestrel.Core;

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
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(
            new WebApplicationOptions { Args = args, ContentRootPath = root });
        builder
            .Configuration.AddJsonFile(Path.Combine(root, "appsettings.json"), optional: true, reloadOnChange: false)
            .AddEnvironmentVariables()
            .AddCommandLine(args);
        WorkerOptions options = WorkerOptionsReader.Read(builder.Configuration);
        IServiceCollection services = builder.Services;
        services.AddSystemd();

        // Beyond the drain: aborted evaluations end, replies are sent, the ledger's last words written.
        services.Configure<HostOptions>(host => host.ShutdownTimeout = options.Queue.DrainTimeout + TimeSpan.FromSeconds(60));
        AddLogging(builder);
        services.AddDiffusionClip(builder.Configuration, root);
        services.AddTrust(options);
        Listen(builder.WebHost, options);
        services.AddJobs(options);
        AddInterfaces(services);
        services.AddSingleton<ModelWarmUp>();
        services.AddHostedService(provider => provider.GetRequiredService<ModelWarmUp>());
        services.AddHostedService<HeapTrim>();
        services.AddSingleton<Readiness>();
        services.AddTelemetry();
        configure?.Invoke(services);

        WebApplication application = builder.Build();
        application.UseTrust();
        application.MapPage();
        application.MapNative();
        application.MapA1111();
        application.MapOpenAi();
        application.MapWatch();
        application.MapOpenApi();
        return application;
    }

    private static void AddInterfaces(IServiceCollection services)
    {
        services.AddRoutingCore();
        services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        services.ConfigureHttpJsonOptions(http =>
        {
            JsonSerializerOptions own = DiffusionClipJson.Compact;
            http.SerializerOptions.PropertyNamingPolicy = own.PropertyNamingPolicy;
            http.SerializerOptions.PropertyNameCaseInsensitive = own.PropertyNameCaseInsensitive;
            http.SerializerOptions.NumberHandling = own.NumberHandling;
            http.SerializerOptions.DictionaryKeyPolicy = own.DictionaryKeyPolicy;
            http.SerializerOptions.DefaultIgnoreCondition = own.DefaultIgnoreCondition;
            http.SerializerOptions.UnmappedMemberHandling = own.UnmappedMemberHandling;
            http.SerializerOptions.Encoder = own.Encoder;
            http.SerializerOptions.AllowDuplicateProperties = false;
        });
        services.AddSingleton<ImageSource>();
        services.AddApiDocument();
        services.AddA1111().AddOpenAi();
    }

    private static void AddLogging(WebApplicationBuilder builder)
    {
        builder.Logging.AddConfiguration(builder.Configuration.GetSection("Logging"));
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("System", LogLevel.Warning);
        builder.Logging.AddConsole(console =>
        {
            console.FormatterName = LineFormatter.FormatterName;
            console.LogToStandardErrorThreshold = LogLevel.Trace;
        });
        builder.Logging.AddConsoleFormatter<LineFormatter, Microsoft.Extensions.Logging.Console.ConsoleFormatterOptions>();
    }

    private static void Listen(ConfigureWebHostBuilder host, WorkerOptions options)
    {
        ListenAddress address = ListenAddress.Read(options.Url);
        host.UseKestrelCore();
        host.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.Trust.BodyBytes;
            kestrel.Limits.MaxRequestHeadersTotalSize = 32 << 10;
            kestrel.Limits.MaxRequestHeaderCount = 64;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 1024, gracePeriod: TimeSpan.FromSeconds(5));
            kestrel.Limits.MaxConcurrentConnections = 2_000;
            foreach (System.Net.IPAddress ip in address.Addresses)
            {
                kestrel.Listen(ip, address.Port, listen => listen.Protocols = HttpProtocols.Http1);
            }
        });
    }
}

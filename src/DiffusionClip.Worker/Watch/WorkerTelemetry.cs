using System.Diagnostics;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace DiffusionClip.Worker.Watch;

/// <summary>Metrics and traces. Prompts are in neither.</summary>
internal static class WorkerTelemetry
{
    /// <summary>Name of the meter and of the activity source.</summary>
    public const string Name = "DiffusionClip.Worker";

    /// <summary>Spans of jobs and their stages.</summary>
    public static ActivitySource Activities { get; } = new(Name);

    /// <summary>Adds the collectors.</summary>
    public static void AddTelemetry(this IServiceCollection services)
    {
        services.AddOpenTelemetry()
            .WithMetrics(metrics => metrics.AddMeter(Name).AddAspNetCoreInstrumentation().AddMeter("System.Runtime").AddPrometheusExporter())
            .WithTracing(traces => traces.AddSource(Name).AddAspNetCoreInstrumentation());
    }
}

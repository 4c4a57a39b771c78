using DiffusionClip.Worker.Jobs;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace DiffusionClip.Worker.Watch;

/// <summary>Where metrics and traces go. Prompts are in neither.</summary>
internal static class WorkerTelemetry
{
    // The standard's own switch: without a collector nothing is sent.
    private const string CollectorVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>Adds Prometheus' page and, where the environment names a collector, OTLP.</summary>
    public static void AddTelemetry(this IServiceCollection services)
    {
        OpenTelemetryBuilder telemetry = services
            .AddOpenTelemetry()
            .WithMetrics(metrics =>
                metrics.AddMeter(JobTelemetry.Name, "System.Runtime").AddAspNetCoreInstrumentation().AddPrometheusExporter())
            .WithTracing(traces => traces.AddSource(JobTelemetry.Name).AddAspNetCoreInstrumentation());
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable(CollectorVariable)))
        {
            telemetry.UseOtlpExporter();
        }
    }
}

using Microsoft.AspNetCore.Mvc;

namespace DiffusionClip.Worker.Watch;

/// <summary>Health and metrics.</summary>
internal static class WatchEndpoints
{
    /// <summary>Adds <c>/health/live</c>, <c>/health/ready</c> and <c>/metrics</c>.</summary>
    public static void MapWatch(this IEndpointRouteBuilder routes)
    {
        RouteGroupBuilder health = routes.MapGroup("/health").WithTags("Health");
        // The one address without a key: it says only that the process is alive.
        health
            .MapGet("/live", () => new Liveness("ok"))
            .AllowAnonymous()
            .WithName("GetLive")
            .WithSummary("Whether the process answers")
            .Produces<Liveness>();
        health
            .MapGet(
                "/ready",
                async ([FromServices] Readiness readiness, CancellationToken cancellationToken) =>
                {
                    ReadinessReport report = await readiness.CheckAsync(cancellationToken).ConfigureAwait(false);
                    return Results.Json(
                        report,
                        statusCode: report.Ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
                })
            .WithName("GetReady")
            .WithSummary("Whether jobs can be taken and done")
            .Produces<ReadinessReport>()
            .Produces<ReadinessReport>(StatusCodes.Status503ServiceUnavailable);
        routes.MapPrometheusScrapingEndpoint("/metrics");
    }
}

/// <summary>That the process answers.</summary>
/// <param name="Status">Always <c>ok</c>.</param>
public sealed record Liveness(string Status);

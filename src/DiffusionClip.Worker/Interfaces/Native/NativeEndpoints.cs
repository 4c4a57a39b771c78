using System.Globalization;
using System.Text.Json;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Worker.Jobs;
using DiffusionClip.Worker.Jobs.Artifacts;
using DiffusionClip.Worker.Trust;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Net.Http.Headers;

namespace DiffusionClip.Worker.Interfaces.Native;

/// <summary>The worker's own interface, <c>/api/v1</c>.</summary>
internal static class NativeEndpoints
{
    private const string Root = "/api/v1";
    private const int MostListed = 200;

    // Of a SHA-256, in the name under which a browser saves a file.
    private const int NameLength = 12;
    private static readonly string[] _states =
    [
        .. Enum.GetValues<JobState>().Select(state => JsonSerializer.SerializeToElement(state, DiffusionClipJson.Compact).GetString()!),
    ];
    private static readonly TimeSpan _heartbeat = TimeSpan.FromSeconds(15);

    /// <summary>Adds its routes.</summary>
    public static void MapNative(this IEndpointRouteBuilder routes)
    {
        RouteGroupBuilder api = routes.MapGroup(Root);
        MapJobs(api.MapGroup("").WithTags("Jobs"));
        MapArtifacts(api.MapGroup("").WithTags("Artifacts"));
        MapFacts(api.MapGroup("").WithTags("What there is"));
    }

    private static void MapJobs(RouteGroupBuilder api)
    {
        api.MapPost("/jobs", SubmitAsync)
            .WithName("SubmitJob")
            .WithSummary("Accepts a job")
            .WithDescription(
                "The reply is sent once the job is written down. Follow it with the events, or ask for the job until its state is an end.")
            .Produces<Job>(StatusCodes.Status202Accepted)
            .Problems(400, 413, 415, 422, 429, 503, 507);
        api.MapPost("/generate", GenerateAsync)
            .WithName("Generate")
            .WithSummary("Paints and waits")
            .WithDescription(
                "The job with its result, or the best picture itself where Accept prefers a picture; its format is output.format. A client that disconnects cancels the job."
            )
            .Produces<Job>()
            .Produces<byte[]>(StatusCodes.Status200OK, "image/png", "image/jpeg", "image/webp")
            .Problems(400, 413, 415, 422, 429, 500, 503, 507);
        api.MapGet("/jobs", List).WithName("ListJobs").WithSummary("Your jobs, newest first").Produces<JobPage>().Problems(422);
        api.MapGet(
                "/jobs/{id}",
                (string id, HttpContext context, [FromServices] IJobQueue queue) =>
                    queue.Find(Caller.Of(context), id) is { } job ? Results.Ok(job) : NoJob())
            .WithName("GetJob")
            .WithSummary("A job")
            .Produces<Job>()
            .Problems(404);
        api.MapDelete("/jobs/{id}", CancelAsync)
            .WithName("CancelJob")
            .WithSummary("Cancels a job")
            .WithDescription(
                "200: it is cancelled; 202: it runs and ends within an evaluation; 409: it had ended before. With finish=true a running job keeps its best so far."
            )
            .Produces<Job>()
            .Produces<Job>(StatusCodes.Status202Accepted)
            .Problems(404, 409);
        api.MapGet("/jobs/{id}/events", Watch)
            .WithName("WatchJob")
            .WithSummary("A job's events")
            .WithDescription(
                "Server-sent events: id, event (state, stage, step, preview, candidate, move), data. Goes on after Last-Event-ID, or after=. Ends with the job; 204 if there is nothing more to come."
            )
            .Produces<JobEventData>(StatusCodes.Status200OK, "text/event-stream")
            .Produces(StatusCodes.Status204NoContent)
            .Problems(404, 422);
    }

    private static void MapArtifacts(RouteGroupBuilder api)
    {
        api.MapPost("/artifacts", UploadAsync)
            .WithName("UploadArtifact")
            .WithSummary("Keeps a picture")
            .WithDescription("The file itself as body, or the one file of a form. GIF and BMP are kept as PNG.")
            .Accepts<byte[]>(
                "image/png",
                "image/jpeg",
                "image/webp",
                "image/gif",
                "image/bmp",
                "application/octet-stream",
                "multipart/form-data")
            .Produces<StoredPicture>(StatusCodes.Status201Created)
            .Problems(400, 413, 415, 422, 503, 507);
        api.MapGet("/artifacts/{sha256}", DownloadAsync)
            .WithName("GetArtifact")
            .WithSummary("A file by its SHA-256")
            .Produces<byte[]>(StatusCodes.Status200OK, "image/png", "image/jpeg", "image/webp", "application/json")
            .Produces(StatusCodes.Status304NotModified)
            .Problems(404);
    }

    private static void MapFacts(RouteGroupBuilder api)
    {
        api.MapGet(
                "/models",
                ([FromServices] ModelCatalog catalog, [FromServices] MachinePaths paths, [FromServices] PipelineOptions options) =>
                    Facts.Models(catalog, paths, options))
            .WithName("ListModels")
            .WithSummary("Generators")
            .Produces<IReadOnlyList<ModelFacts>>();
        api.MapGet(
                "/scorers",
                (
                    [FromServices] ModelCatalog catalog,
                    [FromServices] MachinePaths paths,
                    [FromServices] PipelineOptions options,
                    [FromServices] IEnumerable<IImageScorer> registered) => Facts.Scorers(catalog, paths, options, registered))
            .WithName("ListScorers")
            .WithSummary("Scorers")
            .Produces<IReadOnlyList<ScorerFacts>>();
        api.MapGet(
                "/strategies",
                ([FromServices] IEnumerable<ISearchStrategyFactory> strategies) =>
                    strategies.Select(strategy => new StrategyFacts(strategy.Name)).ToArray())
            .WithName("ListStrategies")
            .WithSummary("Search strategies")
            .Produces<IReadOnlyList<StrategyFacts>>();
        api.MapGet("/samplers", () => SchedulerCatalog.All)
            .WithName("ListSamplers")
            .WithSummary("Schedulers and their names elsewhere")
            .Produces<IReadOnlyList<SchedulerDescriptor>>();
        api.MapGet(
                "/limits",
                (
                    HttpContext context,
                    [FromServices] PipelineOptions options,
                    [FromServices] WorkerOptions worker,
                    [FromServices] IJobQueue queue) => Facts.Limits(options, worker, queue.Status(Caller.Of(context))))
            .WithName("GetLimits")
            .WithSummary("What requests may ask for, and what the queue holds")
            .Produces<LimitFacts>();
    }

    private static async Task<IResult> SubmitAsync(
        NewJob body,
        [FromHeader(Name = "Idempotency-Key")] string? idempotencyKey,
        HttpContext context,
        [FromServices] IJobQueue queue,
        [FromServices] ImageSource pictures,
        CancellationToken cancellationToken)
    {
        JobSubmission submission = await new NewJobReader(pictures, Caller.Of(context), cancellationToken)
            .ReadAsync(body, idempotencyKey)
            .ConfigureAwait(false);
        Job job = await queue.SubmitAsync(submission, cancellationToken).ConfigureAwait(false);
        context.Response.Headers.RetryAfter = "1";
        return Results.Accepted(LocationOf(job), job);
    }

    private static async Task<IResult> GenerateAsync(
        ImageRequest body,
        [FromHeader(Name = "Idempotency-Key")] string? idempotencyKey,
        HttpContext context,
        [FromServices] IJobQueue queue,
        [FromServices] ImageSource pictures,
        [FromServices] IArtifactStore artifacts,
        CancellationToken cancellationToken)
    {
        string caller = Caller.Of(context);
        JobSubmission submission = await new NewJobReader(pictures, caller, cancellationToken)
            .ReadAsync(new NewJob { Generate = body }, idempotencyKey)
            .ConfigureAwait(false);
        Job job = await queue.SubmitAsync(submission, cancellationToken).ConfigureAwait(false);
        context.Response.Headers.Location = LocationOf(job);
        try
        {
            job = await queue.WaitAsync(caller, job.Id, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            await queue.CancelAsync(caller, job.Id).ConfigureAwait(false);
            throw;
        }

        if (job.State != JobState.Done)
        {
            await Faults.WriteAsync(context, job.State == JobState.Cancelled
                ? new Fault(StatusCodes.Status409Conflict, $"Job {job.Id} was cancelled.")
                : new Fault(StatusCodes.Status500InternalServerError, $"Job {job.Id} failed: {job.Reason}")).ConfigureAwait(false);
            return Results.Empty;
        }

        if (!PrefersPicture(context.Request))
        {
            return Results.Ok(job);
        }

        return
            job.Result?.Images is [var best, ..]
            && await artifacts.FindAsync(best.Sha256, cancellationToken).ConfigureAwait(false) is { } picture
            ? Results.Bytes(picture.Content, picture.MediaType)
            : throw new StorageException($"job {job.Id} has no picture any more");
    }

    private static bool PrefersPicture(HttpRequest request)
    {
        IList<MediaTypeHeaderValue> accepted = request.GetTypedHeaders().Accept;
        return accepted.OrderByDescending(type => type.Quality ?? 1).FirstOrDefault() is { } first
            && first.Type.Equals("image", StringComparison.OrdinalIgnoreCase);
    }

    private static IResult List(
        HttpContext context,
        [FromServices] IJobQueue queue,
        string? before = null,
        int limit = 50,
        string? state = null)
    {
        if (limit is < 1 or > MostListed)
        {
            throw new InvalidRequestException(
                "limit",
                limit.ToString(CultureInfo.InvariantCulture),
                string.Create(CultureInfo.InvariantCulture, $"it lies from 1 to {MostListed}"));
        }

        JobState[]? states = string.IsNullOrEmpty(state)
            ? null
            : [.. state.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(StateOf)];
        IReadOnlyList<Job> jobs = queue.List(Caller.Of(context), before, limit, states);
        return Results.Ok(new JobPage(jobs, jobs.Count == limit ? jobs[^1].Id : null));
    }

    private static async Task<IResult> CancelAsync(string id, HttpContext context, [FromServices] IJobQueue queue, bool finish = false)
    {
        string caller = Caller.Of(context);
        CancelOutcome outcome = await queue.CancelAsync(caller, id, finish ? CancelKind.Finish : CancelKind.Abort).ConfigureAwait(false);
        Job? job = queue.Find(caller, id);
        return outcome switch
        {
            _ when job is null => NoJob(),
            CancelOutcome.Cancelled or CancelOutcome.AlreadyCancelled => Results.Ok(job),
            CancelOutcome.Stopping => Results.Accepted(LocationOf(job), job),
            CancelOutcome.Over => new FaultResult(
                new Fault(StatusCodes.Status409Conflict, $"The job had ended before ({NameOf(job.State)}).")),
            _ => NoJob(),
        };
    }

    private static IResult Watch(
        string id,
        HttpContext context,
        [FromServices] IJobQueue queue,
        [FromHeader(Name = "Last-Event-ID")] string? lastEventId = null,
        long? after = null)
    {
        string caller = Caller.Of(context);
        long seen = after ?? 0;
        // A reconnecting EventSource sends the last event it received; that is newer than the address.
        if (!string.IsNullOrEmpty(lastEventId) && !long.TryParse(lastEventId, NumberStyles.None, CultureInfo.InvariantCulture, out seen))
        {
            throw new InvalidRequestException("Last-Event-ID", lastEventId, "the number of an event");
        }

        if (seen < 0)
        {
            throw new InvalidRequestException("after", seen.ToString(CultureInfo.InvariantCulture), "the number of an event, or 0");
        }

        return queue.Find(caller, id) is null
            ? NoJob()
            : new EventStream(
                queue.WatchAsync(caller, id, seen, context.RequestAborted),
                _heartbeat,
                context.RequestServices.GetRequiredService<TimeProvider>());
    }

    private static async Task<IResult> UploadAsync(
        HttpContext context,
        [FromServices] ImageSource pictures,
        CancellationToken cancellationToken)
    {
        HttpRequest request = context.Request;
        using var file = new MemoryStream();
        if (request.HasFormContentType)
        {
            IFormCollection form = await FormBody.ReadAsync(request, null, cancellationToken).ConfigureAwait(false);
            if (form.Files is not [var only])
            {
                throw new InvalidRequestException("file", $"{form.Files.Count} files", "send one file in the form");
            }

            await only.CopyToAsync(file, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await request.Body.CopyToAsync(file, cancellationToken).ConfigureAwait(false);
        }

        StoredPicture stored = await pictures
            .AddAsync(Caller.Of(context), "file", file.GetBuffer().AsMemory(0, (int)file.Length), cancellationToken)
            .ConfigureAwait(false);
        return Results.Created($"{Root}/artifacts/{stored.Sha256}", stored);
    }

    private static async Task<IResult> DownloadAsync(
        string sha256,
        HttpContext context,
        [FromServices] IArtifactStore artifacts,
        CancellationToken cancellationToken)
    {
        if (
            !ImageSource.IsHash(sha256)
            || !artifacts.IsVisible(Caller.Of(context), sha256)
            || await artifacts.FindAsync(sha256, cancellationToken).ConfigureAwait(false) is not { } artifact)
        {
            return new FaultResult(new Fault(StatusCodes.Status404NotFound, "You have no such artefact."));
        }

        // Its name is its content: it never changes. Private: other callers of a shared cache must not get it.
        context.Response.Headers.CacheControl = "private, max-age=31536000, immutable";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        context.Response.Headers.ContentDisposition =
            $"inline; filename=\"{sha256[..NameLength]}{ArtifactStore.ExtensionOf(artifact.MediaType)}\"";
        return Results.Bytes(artifact.Content, artifact.MediaType, entityTag: new EntityTagHeaderValue($"\"{sha256}\""));
    }

    private static string LocationOf(Job job) => $"{Root}/jobs/{job.Id}";

    private static string NameOf(JobState state) => _states[(int)state];

    private static JobState StateOf(string name) => Array.IndexOf(_states, name) is >= 0 and var found
        ? Enum.GetValues<JobState>()[found]
        : throw new InvalidRequestException("state", name, $"one or more of {string.Join(", ", _states)}, with commas between them");

    private static FaultResult NoJob() => new(new Fault(StatusCodes.Status404NotFound, "You have no such job."));

    private static RouteHandlerBuilder Problems(this RouteHandlerBuilder route, params int[] statuses)
    {
        foreach (int status in statuses)
        {
            route.Produces<Problem>(status, "application/problem+json");
        }

        return route;
    }
}

/// <summary>A fault as a reply.</summary>
internal sealed class FaultResult(Fault fault) : IResult
{
    public Task ExecuteAsync(HttpContext httpContext) => Faults.WriteAsync(httpContext, fault);
}

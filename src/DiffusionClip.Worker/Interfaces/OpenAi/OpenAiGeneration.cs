using System.Net.Mime;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using DiffusionClip.Imaging;
using DiffusionClip.Scoring;
using DiffusionClip.Worker.Interfaces.A1111;
using DiffusionClip.Worker.Jobs;
using DiffusionClip.Worker.Trust;

namespace DiffusionClip.Worker.Interfaces.OpenAi;

/// <summary>
/// <c>images/generations</c> and <c>images/edits</c>: a body becomes a job, the request waits for it, and its result becomes a reply or a
/// stream.
/// </summary>
internal sealed class OpenAiGeneration(
    WaitedJobs jobs, IJobQueue queue, OpenAiPictures pictures, GeneratorModels models, IImageCodec codec, ImageLimits limits,
    PipelineOptions pipeline, WorkerOptions worker, TimeProvider time)
{
    private const int MostFields = 64;
    private const string KeyHeader = "Idempotency-Key";

    private static readonly JsonSerializerOptions _json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Answers <c>images/generations</c>.</summary>
    public async Task<IResult> GenerateAsync(HttpContext context)
    {
        ImageBody given;
        using (JsonDocument body = await BodyFields.ReadAsync(context).ConfigureAwait(false))
        {
            given = ImageBody.Read(new JsonFields(body.RootElement), models, pipeline, worker.Compatibility);
        }

        return await AnswerAsync(context, given, given.Request, "image_generation").ConfigureAwait(false);
    }

    /// <summary>Answers <c>images/edits</c>.</summary>
    public async Task<IResult> EditAsync(HttpContext context)
    {
        if (!context.Request.HasFormContentType)
        {
            throw new BadHttpRequestException(
                "Send a form as Content-Type: multipart/form-data.",
                StatusCodes.Status415UnsupportedMediaType);
        }

        IFormCollection form = await FormBody
            .ReadAsync(
                context.Request,
                new()
                {
                    ValueCountLimit = MostFields,
                    MultipartBodyLengthLimit = worker.Trust.BodyBytes,
                    ValueLengthLimit = 1 << 20,
                    BufferBodyLengthLimit = worker.Trust.BodyBytes,
                },
                context.RequestAborted)
            .ConfigureAwait(false);
        ImageBody given = ImageBody.Read(new FormFields(form), models, pipeline, worker.Compatibility);
        IFormFile[] images = [.. form.Files.Where(file => file.Name is "image" or "image[]")];
        if (images.Length != 1)
        {
            throw OpenAiError.Invalid(
                "image",
                images.Length == 0 ? "image: a picture file is required." : "image: one picture can be edited at a time.");
        }

        IFormFile? mask = form.Files.GetFile("mask");
        OriginRequest origin = await pictures
            .KeepAsync(
                Caller.Of(context),
                await FileAsync(images[0], context.RequestAborted).ConfigureAwait(false),
                mask is null ? default(ReadOnlyMemory<byte>?) : await FileAsync(mask, context.RequestAborted).ConfigureAwait(false),
                context.RequestAborted)
            .ConfigureAwait(false);
        return await AnswerAsync(context, given, given.Request with { Origin = origin with { Strength = given.Strength } }, "image_edit")
            .ConfigureAwait(false);
    }

    private async Task<IResult> AnswerAsync(HttpContext context, ImageBody given, ImageRequest request, string events)
    {
        string caller = Caller.Of(context);
        string? key = context.Request.Headers[KeyHeader] is [{ Length: > 0 } named] ? named : null;
        Job job = await jobs.SubmitAsync(caller, request, idempotencyKey: key).ConfigureAwait(false);
        try
        {
            if (given.Streams)
            {
                await StreamAsync(context, given, job, events).ConfigureAwait(false);
                return Results.Empty;
            }

            job = key is null
                ? await jobs.WaitAsync(job, context.RequestAborted).ConfigureAwait(false)
                : await queue.WaitAsync(caller, job.Id, context.RequestAborted).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested && key is null)
        {
            await queue.CancelAsync(caller, job.Id).ConfigureAwait(false);
            throw;
        }

        CheckDone(job);
        var data = new JsonArray();
        foreach (KeptPicture picture in await jobs.ReadAsync(job, context.RequestAborted).ConfigureAwait(false))
        {
            data.Add(Picture(context, given, picture));
        }

        return Results.Text(
            new JsonObject
            {
                ["created"] = job.AcceptedAt.ToUnixTimeSeconds(),
                ["data"] = data,
                ["background"] = "opaque",
                ["output_format"] = given.Format,
                ["size"] = SizeOf(job),
                ["quality"] = given.Quality,
                ["usage"] = Usage(job),
                ["diffusionclip"] = Report(job, given),
            }.ToJsonString(_json),
            MediaTypeNames.Application.Json,
            Encoding.UTF8);
    }

    private async Task StreamAsync(HttpContext context, ImageBody given, Job job, string events)
    {
        CancellationToken gone = context.RequestAborted;
        HttpResponse response = context.Response;
        response.ContentType = MediaTypeNames.Text.EventStream;
        response.Headers.CacheControl = "no-store";
        response.Headers["X-Accel-Buffering"] = "no";
        await response.StartAsync(gone).ConfigureAwait(false);
        // Started is not yet sent, and the first event may be far away.
        await response.Body.FlushAsync(gone).ConfigureAwait(false);
        int sent = 0;
        double progress = 0;
        await foreach (JobEvent happened in queue.WatchAsync(job.Caller, job.Id, 0, gone).ConfigureAwait(false))
        {
            progress = happened.Data.Progress ?? progress;

            // Spread evenly: the k-th of n is due after k parts of n + 1.
            if (
                happened is { Kind: JobEventKind.Preview, Data.Image: { } image }
                && sent < given.PartialImages
                && progress * (given.PartialImages + 1) >= sent + (sent == 0 ? 0 : 1))
            {
                byte[] file = Base64Picture.Read("preview", image);
                RgbImage pixels = codec.Decode(file, limits, gone);
                await SendAsync(response, $"{events}.partial_image", new JsonObject
                {
                    ["type"] = $"{events}.partial_image",
                    ["b64_json"] = Convert.ToBase64String(Encode(given.Request.Output, pixels, file)),
                    ["partial_image_index"] = sent++,
                    ["created_at"] = time.GetUtcNow().ToUnixTimeSeconds(),
                    ["size"] = $"{pixels.Width}x{pixels.Height}",
                    ["quality"] = given.Quality,
                    ["background"] = "opaque",
                    ["output_format"] = given.Format,
                }, gone).ConfigureAwait(false);
            }
        }

        job = await queue.WaitAsync(job.Caller, job.Id, gone).ConfigureAwait(false);
        try
        {
            CheckDone(job);
            foreach (KeptPicture picture in await jobs.ReadAsync(job, gone).ConfigureAwait(false))
            {
                JsonObject done = Picture(context, given with { AsUrl = false }, picture);
                done.Insert(0, "type", $"{events}.completed");
                done["created_at"] = time.GetUtcNow().ToUnixTimeSeconds();
                done["size"] = SizeOf(job);
                done["quality"] = given.Quality;
                done["background"] = "opaque";
                done["output_format"] = given.Format;
                done["usage"] = Usage(job);
                done["diffusionclip"] = Report(job, given);
                await SendAsync(response, $"{events}.completed", done, gone).ConfigureAwait(false);
            }
        }
        catch (OpenAiException exception)
        {
            await SendAsync(response, "error", exception.Error.ToJson(), gone).ConfigureAwait(false);
        }
        catch (StorageException exception)
        {
            await SendAsync(response, "error", OpenAiError.Of(Faults.ForCaller(context, Faults.Of(exception)!)).ToJson(), gone)
                .ConfigureAwait(false);
        }
    }

    private static async Task SendAsync(HttpResponse response, string name, JsonObject data, CancellationToken gone)
    {
        await response.WriteAsync($"event: {name}\ndata: {data.ToJsonString(_json)}\n\n", Encoding.UTF8, gone).ConfigureAwait(false);
        await response.Body.FlushAsync(gone).ConfigureAwait(false);
    }

    private static JsonObject Picture(HttpContext context, ImageBody given, KeptPicture picture)
    {
        var entry = new JsonObject();
        if (given.AsUrl)
        {
            entry["url"] =
                $"{context.Request.Scheme}://{context.Request.Host}{context.Request.PathBase}/api/v1/artifacts/{picture.Image.Sha256}";
        }
        else
        {
            entry["b64_json"] = Convert.ToBase64String(picture.File.Span);
        }

        entry["seed"] = picture.Image.Seed;
        entry["score"] = picture.Image.Score;
        if (picture.Image.Scores is { } scores)
        {
            entry["scores"] = JsonSerializer.SerializeToNode(scores, DiffusionClipJson.Compact);
        }

        entry["rank"] = picture.Image.Rank;
        entry["margin"] = picture.Image.Margin;
        return entry;
    }

    // A preview is in the pictures' format too.
    private ReadOnlySpan<byte> Encode(OutputRequest output, RgbImage pixels, ReadOnlySpan<byte> png) => output.Format switch
    {
        OutputFormat.Jpeg => codec.EncodeJpeg(pixels, output.Quality ?? OutputRequest.DefaultQuality),
        OutputFormat.Webp => codec.EncodeWebp(pixels, output.Quality ?? OutputRequest.DefaultQuality),
        _ => png,
    };

    // A job that failed fails again: clients must not try it again.
    private static void CheckDone(Job job)
    {
        if (job.State != JobState.Done)
        {
            throw new OpenAiException(
                job.State == JobState.Cancelled
                    ? new(StatusCodes.Status409Conflict, "The job was cancelled.", "invalid_request_error", null, "cancelled")
                    : new(
                        StatusCodes.Status500InternalServerError,
                        job.Reason ?? "The job failed.",
                        "server_error",
                        null,
                        job.State == JobState.SetAside ? "set_aside" : "job_failed"));
        }

        if (job.Result?.Images.Any(image => image.Kept) != true)
        {
            throw new OpenAiException(
                new(
                    StatusCodes.Status500InternalServerError,
                    "No candidate came to a picture: "
                        + string.Join(
                            "; ",
                            (job.Result?.Report?.Candidates ?? [])
                                .Select(candidate => candidate.Failure ?? candidate.Stopped)
                                .OfType<string>()
                                .Distinct()),
                    "server_error",
                    null,
                    "job_failed"));
        }
    }

    private static string SizeOf(Job job)
    {
        SamplingRequest? sampling = (job.Result?.Report?.Request ?? job.Body.Generate)?.Sampling;
        return $"{sampling?.Width}x{sampling?.Height}";
    }

    // Text is counted by the generator's own tokenizer; pictures are not made of tokens.
    private static JsonObject Usage(Job job)
    {
        int text = (job.Result?.Report?.Texts ?? [])
            .Where(entry => entry.Role is "prompt" or "negative" && entry.Encoder == 0)
            .Sum(entry => entry.Tokens);
        return new()
        {
            ["input_tokens"] = text,
            ["output_tokens"] = 0,
            ["total_tokens"] = text,
            ["input_tokens_details"] = new JsonObject { ["text_tokens"] = text, ["image_tokens"] = 0 },
        };
    }

    private static JsonObject Report(Job job, ImageBody given)
    {
        RunReport? report = job.Result?.Report;
        return new()
        {
            ["job"] = job.Id,
            ["model"] = (report?.Request ?? job.Body.Generate)?.Model.Id,
            ["strategy"] = report?.Request.Search.Strategy,
            ["candidates"] = report?.Request.Search.Candidates,
            ["scorer"] = report is null ? null : ScorerShorthand.Format(report.Request.Search.Scorers ?? []),
            ["cached_from"] = job.Result?.CachedFrom,
            ["ignored"] = new JsonArray([.. given.Ignored.Select(line => (JsonNode?)line)]),
            ["warnings"] = new JsonArray([
                .. (report?.Warnings ?? []).Concat(job.Result?.Warnings ?? []).Distinct().Select(line => (JsonNode?)line),
            ]),
        };
    }

    private static async Task<ReadOnlyMemory<byte>> FileAsync(IFormFile file, CancellationToken cancellationToken)
    {
        var bytes = new byte[file.Length];
        await using Stream stream = file.OpenReadStream();
        await stream.ReadExactlyAsync(bytes, cancellationToken).ConfigureAwait(false);
        return bytes;
    }
}

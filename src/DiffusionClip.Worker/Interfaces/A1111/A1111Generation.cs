using System.Text.Json;
using System.Text.Json.Nodes;
using DiffusionClip.Worker.Jobs;
using DiffusionClip.Worker.Trust;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary><c>txt2img</c> and <c>img2img</c>: a body becomes a job, the request waits for it, and its result becomes a reply.</summary>
internal sealed class A1111Generation(
    WaitedJobs jobs,
    A1111Callers callers,
    A1111Pictures pictures,
    GeneratorModels models,
    PipelineOptions pipeline,
    WorkerOptions worker)
{
    /// <summary>Answers a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="fromImage">Whether it is <c>img2img</c>.</param>
    public async Task<IResult> RunAsync(HttpContext context, bool fromImage)
    {
        using JsonDocument body = await BodyFields.ReadAsync(context).ConfigureAwait(false);
        return Results.Json(await RunAsync(context, new BodyFields(body.RootElement), fromImage).ConfigureAwait(false));
    }

    /// <summary>The reply to a body.</summary>
    public async Task<JsonObject> RunAsync(HttpContext context, BodyFields fields, bool fromImage)
    {
        CancellationToken gone = context.RequestAborted;
        string caller = Caller.Of(context);
        A1111Caller state = callers.Of(caller);
        GenerationBody given = GenerationBody.Read(fields, fromImage, state.Options, models, pipeline, worker.Compatibility);
        ImageRequest request = fromImage ? await WithOriginAsync(caller, given, gone).ConfigureAwait(false) : given.Request;
        Job job;
        try
        {
            job = await jobs.SubmitAsync(caller, request).ConfigureAwait(false);
        }
        catch (InvalidRequestException exception) when (exception.Field == "scheduler")
        {
            throw GenerationBody.SamplerNotFound(exception.Message);
        }

        if (given.KeepsOverrides)
        {
            state.Options = given.Options;
        }

        WatchedJob watched = state.Watch(job, request.Sampling.NumInferenceSteps ?? 0);
        try
        {
            job = await jobs.WaitAsync(job, gone).ConfigureAwait(false);
        }
        finally
        {
            state.Leave(watched);
        }

        if (job.State is JobState.Failed or JobState.SetAside)
        {
            throw new A1111Exception(StatusCodes.Status500InternalServerError, job.Reason ?? "the job failed");
        }

        IReadOnlyList<KeptPicture> kept = job.State == JobState.Done ? await jobs.ReadAsync(job, gone).ConfigureAwait(false) : [];
        return GenerationReply.Write(given, job, kept);
    }

    private async Task<ImageRequest> WithOriginAsync(string caller, GenerationBody given, CancellationToken gone)
    {
        GivenPicture init = await pictures.InitAsync(caller, given.InitImage!, given.Options.Background, gone).ConfigureAwait(false);
        RgbImage image = init.Image;
        bool isChanged = init.IsChanged;
        RgbImage? mask = given.Mask is null
            ? null
            : await pictures.MaskAsync(caller, given.Mask, given.InvertsMask, gone).ConfigureAwait(false);
        if (given.ResizeMode is 1 or 2 && given.Request.Sampling is { Width: { } width, Height: { } height })
        {
            // The mask lies over the picture: it is brought to its size, then takes the same way.
            mask = mask is null ? null : A1111Pictures.Fit(A1111Pictures.SameSize(mask, image), width, height, given.ResizeMode == 2);
            image = A1111Pictures.Fit(image, width, height, given.ResizeMode == 2);
            isChanged = true;
        }

        if (mask is not null && given.FillsMask)
        {
            image = A1111Pictures.Fill(image, mask);
            isChanged = true;
        }

        return given.Request with
        {
            Origin = new OriginRequest
            {
                Image = isChanged ? await pictures.KeepAsync(caller, "init_images", image, gone).ConfigureAwait(false) : init.Sha256,
                Mask = mask is null ? null : await pictures.KeepAsync(caller, "mask", mask, gone).ConfigureAwait(false),
                Strength = given.DenoisingStrength,
            },
        };
    }
}

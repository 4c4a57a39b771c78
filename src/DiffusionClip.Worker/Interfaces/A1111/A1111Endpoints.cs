using System.Text.Json;
using System.Text.Json.Nodes;
using DiffusionClip.Worker.Trust;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary>The API of AUTOMATIC1111's webui, <c>/sdapi/v1</c>, for programs that were written for it.</summary>
internal static class A1111Endpoints
{
    /// <summary>Path that all its routes but the health ones begin with.</summary>
    public const string Prefix = "/sdapi/v1";

    /// <summary>Adds what the routes need.</summary>
    public static IServiceCollection AddA1111(this IServiceCollection services)
    {
        services.AddSingleton<WaitedJobs>();
        services.AddSingleton<GeneratorModels>();
        services.AddSingleton<A1111Callers>();
        services.AddSingleton<A1111Generation>();
        services.AddSingleton<A1111Pictures>();
        services.AddSingleton<A1111Lists>();
        services.AddSingleton<Interrogator>();
        services.AddSingleton<PaintPlugin>();
        services.AddSingleton(new FaultShape("/sdapi", WriteAsync));
        return services;
    }

    /// <summary>Maps the routes.</summary>
    public static void MapA1111(this IEndpointRouteBuilder routes)
    {
        RouteGroupBuilder api = routes.MapGroup(Prefix).WithTags("A1111");
        api.AddEndpointFilter(ReplyInShapeAsync);
        api.MapPost("txt2img", static (HttpContext context, A1111Generation generation) => generation.RunAsync(context, fromImage: false))
            .WithName("a1111-txt2img")
            .WithMetadata(A1111Bodies.TextToImage);
        api.MapPost("img2img", static (HttpContext context, A1111Generation generation) => generation.RunAsync(context, fromImage: true))
            .WithName("a1111-img2img")
            .WithMetadata(A1111Bodies.ImageToImage);
        api.MapGet("progress", Progress).WithName("a1111-progress");
        api.MapPost(
                "interrupt",
                static (HttpContext context, A1111Callers callers) => EndAsync(context, callers, skip: false, new JsonObject()))
            .WithName("a1111-interrupt");
        api.MapPost("skip", static (HttpContext context, A1111Callers callers) => EndAsync(context, callers, skip: true, null))
            .WithName("a1111-skip");
        api.MapGet("options", GetOptionsAsync).WithName("a1111-options");
        api.MapPost("options", SetOptionsAsync).WithName("a1111-set-options").WithMetadata(A1111Bodies.Options);
        A1111Lists.Map(api);
        api.MapPost("png-info", (Delegate)PngInfo.RunAsync).WithName("a1111-png-info").WithMetadata(A1111Bodies.PngInfo);
        api.MapPost("interrogate", static (HttpContext context, Interrogator interrogator) => interrogator.RunAsync(context))
            .WithName("a1111-interrogate")
            .WithMetadata(A1111Bodies.Interrogate);
        PaintPlugin.Map(routes);

        // What programs query to detect a webui.
        routes.MapGet("internal/ping", static () => Results.Json(new JsonObject())).WithTags("A1111").WithName("a1111-ping");
    }

    /// <summary>Writes refusals as the webui does.</summary>
    public static async ValueTask<object?> ReplyInShapeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        try
        {
            return await next(context).ConfigureAwait(false);
        }
        catch (A1111Exception exception)
        {
            return exception.Reply();
        }
    }

    private static IResult Progress(HttpContext context, A1111Callers callers)
    {
        bool skipImage =
            context.Request.Query.TryGetValue("skip_current_image", out var skip) && bool.TryParse(skip, out bool value) && value;
        return Results.Json(callers.Of(Caller.Of(context)).Progress(skipImage));
    }

    private static async Task<IResult> EndAsync(HttpContext context, A1111Callers callers, bool skip, JsonNode? reply)
    {
        await callers.EndAsync(Caller.Of(context), skip).ConfigureAwait(false);
        return Results.Text(reply?.ToJsonString() ?? "null", "application/json");
    }

    private static async Task<IResult> GetOptionsAsync(HttpContext context, A1111Callers callers) =>
        Results.Json(await callers.OptionsAsync(Caller.Of(context)).ConfigureAwait(false));

    private static async Task<IResult> SetOptionsAsync(HttpContext context, A1111Callers callers)
    {
        using JsonDocument body = await BodyFields.ReadAsync(context).ConfigureAwait(false);
        var fields = new BodyFields(body.RootElement);
        await callers.SetOptionsAsync(Caller.Of(context), fields).ConfigureAwait(false);
        return Results.Text("null", "application/json");
    }

    // FastAPI's shapes: a list for what is wrong with the body, else a text.
    private static Task WriteAsync(HttpContext context, Fault fault)
    {
        JsonNode detail = fault.Status == StatusCodes.Status422UnprocessableEntity
            ? new JsonArray(BodyFields.Problem(FieldNames.Of(fault.Field), fault.Detail, "value_error"))
            : fault.Status == StatusCodes.Status404NotFound && context.GetEndpoint() is null ? "Not Found" : fault.Detail;
        return context.Response.WriteAsJsonAsync(new JsonObject { ["detail"] = detail }, context.RequestAborted);
    }
}

/// <summary>Our words for fields in A1111's.</summary>
internal static class FieldNames
{
    private static readonly Dictionary<string, string> _names = new(StringComparer.Ordinal)
    {
        ["num_inference_steps"] = "steps",
        ["guidance_scale"] = "cfg_scale",
        ["strength"] = "denoising_strength",
        ["scheduler"] = "sampler_name",
        ["init_image"] = "init_images",
        ["candidates"] = "alwayson_scripts.diffusionclip.candidates",
        ["keep"] = "alwayson_scripts.diffusionclip.keep",
        ["strategy"] = "alwayson_scripts.diffusionclip.strategy",
        ["scorer"] = "alwayson_scripts.diffusionclip.scorer",
        ["scorers"] = "alwayson_scripts.diffusionclip.scorers",
        ["combination"] = "alwayson_scripts.diffusionclip.combination",
        ["model"] = "override_settings.sd_model_checkpoint",
    };

    /// <summary>The name; the same where both say the same.</summary>
    public static string? Of(string? field) => field is null ? null : _names.GetValueOrDefault(field, field);
}

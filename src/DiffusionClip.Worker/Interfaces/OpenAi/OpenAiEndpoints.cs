using System.Text.Json.Nodes;
using DiffusionClip.Models;

namespace DiffusionClip.Worker.Interfaces.OpenAi;

/// <summary>OpenAI's image API, <c>/v1</c>, for programs that were written for it.</summary>
internal static class OpenAiEndpoints
{
    /// <summary>Adds what the routes need, beside what the A1111 interface adds.</summary>
    public static IServiceCollection AddOpenAi(this IServiceCollection services)
    {
        services.AddSingleton<OpenAiGeneration>();
        services.AddSingleton<OpenAiPictures>();
        services.AddSingleton(new FaultShape("/v1", OpenAiError.WriteAsync));
        return services;
    }

    /// <summary>Maps the routes.</summary>
    public static void MapOpenAi(this IEndpointRouteBuilder routes)
    {
        RouteGroupBuilder api = routes.MapGroup("/v1").WithTags("OpenAI");
        api.AddEndpointFilter(ReplyInShapeAsync);
        api.MapPost("images/generations", static (HttpContext context, OpenAiGeneration generation) => generation.GenerateAsync(context))
            .WithName("openai-generations")
            .WithMetadata(OpenAiBodies.Generations);
        api.MapPost("images/edits", static (HttpContext context, OpenAiGeneration generation) => generation.EditAsync(context))
            .WithName("openai-edits")
            .WithMetadata(OpenAiBodies.Edits)
            .DisableAntiforgery();
        api.MapGet(
                "models",
                static (GeneratorModels models) =>
                    Results.Json(
                        new JsonObject
                        {
                            ["object"] = "list",
                            ["data"] = new JsonArray([.. models.List().Select(entry => (JsonNode)Model(entry))]),
                        }))
            .WithName("openai-models");
        // Ids may hold a slash.
        api.MapGet(
                "models/{**id}",
                static (string id, GeneratorModels models) =>
                    Results.Json(Model(models.Find(id) ?? throw OpenAiError.ModelNotFound(id, models))))
            .WithName("openai-model");
    }

    private static async ValueTask<object?> ReplyInShapeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        try
        {
            return await next(context).ConfigureAwait(false);
        }
        catch (OpenAiException exception)
        {
            await exception.Error.WriteAsync(context.HttpContext).ConfigureAwait(false);
            return Results.Empty;
        }
    }

    private static JsonObject Model(ModelEntry entry) => new()
    {
        ["id"] = entry.Id,
        ["object"] = "model",
        ["created"] = new DateTimeOffset(Directory.GetLastWriteTimeUtc(entry.Path)).ToUnixTimeSeconds(),
        ["owned_by"] = "diffusionclip",
    };
}

/// <summary>An error in OpenAI's shape.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Message">What is wrong and what would be accepted.</param>
/// <param name="Type">Kind, e.g. <c>invalid_request_error</c>.</param>
/// <param name="Param">The field at fault; null if none is.</param>
/// <param name="Code">Code, e.g. <c>model_not_found</c>; null if there is none.</param>
internal sealed record OpenAiError(int Status, string Message, string Type, string? Param = null, string? Code = null)
{
    private const string InvalidRequest = "invalid_request_error";

    private static readonly Dictionary<string, string> _names = new(StringComparer.Ordinal)
    {
        ["num_inference_steps"] = "steps",
        ["guidance_scale"] = "cfg_scale",
        ["scheduler"] = "sampler",
        ["init_image"] = "image",
        ["width"] = "size",
        ["height"] = "size",
        ["keep"] = "n",
    };

    /// <summary>A field that cannot be used.</summary>
    public static OpenAiException Invalid(string param, string message) =>
        new(new(StatusCodes.Status400BadRequest, message, InvalidRequest, param, "invalid_value"));

    /// <summary>A model that is not there.</summary>
    public static OpenAiException ModelNotFound(string name, GeneratorModels models) =>
        new(
            new(
                StatusCodes.Status404NotFound,
                $"The model {InvalidRequestException.Quote(name)} does not exist; there are {string.Join(", ", models.List().Select(entry => entry.Id))}.",
                InvalidRequest,
                "model",
                "model_not_found"));

    /// <summary>A fault of the pipeline or the queue.</summary>
    public static OpenAiError Of(Fault fault) =>
        fault.Status switch
        {
            // OpenAI has no 422; its clients treat 400 as an invalid request.
            StatusCodes.Status422UnprocessableEntity => new(
                StatusCodes.Status400BadRequest,
                fault.Detail,
                InvalidRequest,
                Name(fault.Field),
                "invalid_value"),
            StatusCodes.Status401Unauthorized => new(fault.Status, fault.Detail, InvalidRequest, null, "invalid_api_key"),
            StatusCodes.Status429TooManyRequests => new(fault.Status, fault.Detail, "requests", null, "rate_limit_exceeded"),
            >= 500 => new(fault.Status, fault.Detail, "server_error", Name(fault.Field)),
            _ => new(fault.Status, fault.Detail, InvalidRequest, Name(fault.Field)),
        };

    /// <summary>The error as JSON.</summary>
    public JsonObject ToJson() => new()
    {
        ["error"] = new JsonObject { ["message"] = Message, ["type"] = Type, ["param"] = Param, ["code"] = Code },
    };

    /// <summary>Writes the error. What would come out the same again is not to be tried again.</summary>
    public Task WriteAsync(HttpContext context)
    {
        context.Response.StatusCode = Status;
        if (context.Response.Headers.RetryAfter.Count == 0)
        {
            context.Response.Headers["x-should-retry"] = "false";
        }

        return context.Response.WriteAsJsonAsync(ToJson(), context.RequestAborted);
    }

    /// <summary>Writes a fault that the worker found.</summary>
    public static Task WriteAsync(HttpContext context, Fault fault) => Of(fault).WriteAsync(context);

    private static string? Name(string? field) => field is null ? null : _names.GetValueOrDefault(field, field);
}

/// <summary>A request ends in an error.</summary>
internal sealed class OpenAiException(OpenAiError error) : Exception(error.Message)
{
    /// <summary>The error.</summary>
    public OpenAiError Error { get; } = error;
}

using System.Text.Json.Nodes;
using DiffusionClip.Worker.Trust;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace DiffusionClip.Worker.Interfaces;

/// <summary>The OpenAPI document, <c>/openapi/v1.json</c>: what the routes say of themselves, and examples that work as they are.</summary>
internal static class ApiDocument
{
    private const string KeyScheme = "key";
    private const string BasicScheme = "basic";

    /// <summary>A job's or picture's name in examples; to be replaced by a real one.</summary>
    private const string ExampleJob = "01K9ZZZZZZZZZZZZZZZZZZZZZZ";
    private static readonly string _exampleHash = new('0', 64);

    /// <summary>A red picture of 8x8 pixels.</summary>
    public const string ExamplePicture =
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mO4ICCAFTEMLQkAoiE8AfsIyTwAAAAASUVORK5CYII=";

    /// <summary>Bodies by the name of their operation.</summary>
    private static readonly Dictionary<string, (string Name, string Json)[]> _bodies = new(StringComparer.Ordinal)
    {
        ["SubmitJob"] =
        [
            ("generate", """{"kind":"generate","generate":{"prompt":{"text":"a red apple"},"sampling":{"num_inference_steps":4,"seed":7},"search":{"candidates":2,"keep":1}},"priority":"batch"}"""),
            ("rank", $$$"""{"kind":"rank","rank":{"prompt":"a red apple","images":["{{{ExamplePicture}}}"]}}"""),
            ("score", $$$"""{"kind":"score","score":{"pairs":[{"image":"{{{ExamplePicture}}}","texts":["a red apple","a green pear"]}]}}"""),
        ],
        ["Generate"] = [("generate", """{"prompt":{"text":"a red apple"},"sampling":{"num_inference_steps":4,"seed":7},"search":{"candidates":2}}""")],
    };

    /// <summary>Adds the document.</summary>
    public static void AddApiDocument(this IServiceCollection services) => services.AddOpenApi(options =>
    {
        options.AddDocumentTransformer(static (document, context, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "DiffusionClip",
                Version = "v1",
                Description = "Stable Diffusion whose candidates CLIP ranks, behind a durable queue. Errors are RFC 9457 problems that name the field.",
            };
            // The address is the one the document was asked at.
            document.Servers = [new OpenApiServer { Url = "/" }];
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal)
            {
                [KeyScheme] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "The key; also taken as X-API-Key." },
                [BasicScheme] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "basic", Description = "Any user, the key as password." },
            };
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(static (operation, context, _) =>
        {
            Complete(operation, context);
            return Task.CompletedTask;
        });
    });

    private static void Complete(OpenApiOperation operation, OpenApiOperationTransformerContext context)
    {
        bool isOpen = context.Description.ActionDescriptor.EndpointMetadata.OfType<IAllowAnonymous>().Any();
        if (!isOpen)
        {
            KeyRing keys = context.ApplicationServices.GetRequiredService<KeyRing>();
            operation.Responses ??= [];
            operation.Responses["401"] = new OpenApiResponse { Description = "A key is needed." };
            operation.Security = keys.IsEmpty ? null :
            [
                new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(KeyScheme, context.Document)] = [] },
                new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(BasicScheme, context.Document)] = [] },
            ];
        }

        if (context.Description.ActionDescriptor.EndpointMetadata.OfType<ApiBody>().FirstOrDefault() is { } body)
        {
            operation.RequestBody = body.Describe();
        }

        if (
            operation.OperationId is { } name
            && _bodies.TryGetValue(name, out (string Name, string Json)[]? bodies)
            && operation.RequestBody?.Content?.TryGetValue("application/json", out var media) == true)
        {
            media.Examples = bodies.ToDictionary(
                example => example.Name,
                example => (IOpenApiExample)new OpenApiExample { Value = JsonNode.Parse(example.Json) },
                StringComparer.Ordinal);
        }

        foreach (OpenApiParameter parameter in operation.Parameters?.OfType<OpenApiParameter>() ?? [])
        {
            parameter.Example = parameter.Name switch
            {
                "id" => ExampleJob,
                "sha256" => _exampleHash,
                "limit" => 20,
                "state" => "queued,running,done",
                "after" => 0,
                "finish" => true,
                "Idempotency-Key" => "3f1c6d52-apple",
                "Last-Event-ID" => "0",
                _ => parameter.Example,
            };
        }
    }
}

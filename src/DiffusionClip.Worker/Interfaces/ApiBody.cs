using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.OpenApi;

namespace DiffusionClip.Worker.Interfaces;

/// <summary>What a route that reads its body itself says of it in the OpenAPI document.</summary>
/// <param name="MediaType">The body's type.</param>
/// <param name="Fields">The fields that are read.</param>
/// <param name="Example">A JSON body that works; null for forms.</param>
internal sealed record ApiBody(string MediaType, IReadOnlyList<ApiField> Fields, string? Example = null)
{
    /// <summary>For the document. Further fields are allowed: the reply names those that mean nothing.</summary>
    public OpenApiRequestBody Describe()
    {
        var media = new OpenApiMediaType
        {
            Schema = new OpenApiSchema
            {
                Type = JsonSchemaType.Object,
                Properties = Fields.ToDictionary(field => field.Name, field => field.Describe(), StringComparer.Ordinal),
                Required = Fields.Where(field => field.IsRequired).Select(field => field.Name).ToHashSet(StringComparer.Ordinal),
            },
        };
        if (Example is not null)
        {
            media.Examples = new Dictionary<string, IOpenApiExample>(StringComparer.Ordinal)
            {
                ["example"] = new OpenApiExample { Value = JsonNode.Parse(Example) },
            };
        }

        return new OpenApiRequestBody
        {
            Required = true,
            Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal) { [MediaType] = media },
        };
    }
}

/// <summary>A field of a body.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type in JSON.</param>
/// <param name="About">What it means.</param>
internal sealed record ApiField(string Name, JsonSchemaType Type, string About)
{
    /// <summary>Least number.</summary>
    public double? Least { get; init; }

    /// <summary>Largest number.</summary>
    public double? Most { get; init; }

    /// <summary>Whether the body has to have it.</summary>
    public bool IsRequired { get; init; }

    /// <summary>Whether it is a file in a form.</summary>
    public bool IsFile { get; init; }

    /// <summary>For the document.</summary>
    public IOpenApiSchema Describe() => new OpenApiSchema
    {
        Type = Type,
        Description = About,
        Minimum = Least?.ToString(CultureInfo.InvariantCulture),
        Maximum = Most?.ToString(CultureInfo.InvariantCulture),
        Format = IsFile ? "binary" : null,
        Items = Type == JsonSchemaType.Array ? new OpenApiSchema { Type = JsonSchemaType.String } : null,
    };
}

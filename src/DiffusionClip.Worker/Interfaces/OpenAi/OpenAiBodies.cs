using System.Net.Mime;
using Json = Microsoft.OpenApi.JsonSchemaType;

namespace DiffusionClip.Worker.Interfaces.OpenAi;

/// <summary>The bodies of the OpenAI interface for the OpenAPI document.</summary>
internal static class OpenAiBodies
{
    private static readonly ApiField[] _fields =
    [
        new("prompt", Json.String, "What to paint.") { IsRequired = true },
        new("model", Json.String, "A model of GET models; OpenAI's own names mean the default."),
        new("n", Json.Integer, "Pictures kept.") { Least = 1, Most = 10 },
        new("size", Json.String, "WIDTHxHEIGHT, or auto."),
        new("quality", Json.String, "Named in the reply: set steps, candidates and size."),
        new("background", Json.String, "auto or opaque."),
        new("output_format", Json.String, "png, jpeg or webp."),
        new("output_compression", Json.Integer, "Quality of jpeg and webp.") { Least = 0, Most = 100 },
        new("response_format", Json.String, "b64_json or url."),
        new("style", Json.String, "Named in the reply: say it in the prompt."),
        new("stream", Json.Boolean, "true: events with partial images."),
        new("partial_images", Json.Integer, "Partial images in the stream.") { Least = 0, Most = 3 },
        new("user", Json.String, "Taken, and means nothing here."),
        new("moderation", Json.String, "Taken, and means nothing here."),
        new("candidates", Json.Integer, "Candidates searched, of which n are kept.") { Least = 1 },
        new("strategy", Json.String, "A search strategy."),
        new("scorer", Json.String, "The scorer that ranks; several with weights: a=1,b=0.5."),
        new("scorers", Json.Array, "The same as a list of {id, weight, text, long_text, phases}."),
        new("combination", Json.String, "How several scores become one: weighted-sum, standard-scores or mean-rank."),
        new("score_text", Json.String, "What it compares with; without it the prompt."),
        new("seed", Json.Integer, "Seed of the first candidate.") { Least = 0 },
        new("steps", Json.Integer, "Denoising steps.") { Least = 1 },
        new("cfg_scale", Json.Number, "Guidance.") { Least = 0, Most = 100 },
        new("negative_prompt", Json.String, "What to keep away from."),
        new("sampler", Json.String, "A sampler, in any of its names."),
    ];

    public static ApiBody Generations { get; } = new(MediaTypeNames.Application.Json, _fields, """{"prompt":"a red apple","n":1,"candidates":2,"steps":4,"seed":7}""");

    public static ApiBody Edits { get; } = new(
        MediaTypeNames.Multipart.FormData,
        [
            .. _fields,
            new("image", Json.String, "The picture to start from; also image[].") { IsRequired = true, IsFile = true },
            new("mask", Json.String, "A picture: what is transparent is painted.") { IsFile = true },
            new("strength", Json.Number, "How much of the way is painted anew.") { Least = 0, Most = 1 },
        ]);
}

using System.Net.Mime;
using Json = Microsoft.OpenApi.JsonSchemaType;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary>The bodies of the A1111 interface for the OpenAPI document.</summary>
internal static class A1111Bodies
{
    private static readonly ApiField[] _generation =
    [
        new("prompt", Json.String, "What to paint, with A1111's weights: (word:1.2), [word]."),
        new("negative_prompt", Json.String, "What to keep away from."),
        new("styles", Json.Array, "Named in the reply: there are none here."),
        new("seed", Json.Integer, "Seed of the first candidate; -1: any.") { Least = -1 },
        new("sampler_name", Json.String, "A sampler of GET samplers, in any of its names."),
        new("sampler_index", Json.String, "As sampler_name, which comes first."),
        new("scheduler", Json.String, "A schedule type of GET schedulers."),
        new("steps", Json.Integer, "Denoising steps.") { Least = 1 },
        new("cfg_scale", Json.Number, "Guidance.") { Least = 0, Most = 100 },
        new("eta", Json.Number, "Noise of DDIM.") { Least = 0, Most = 1 },
        new("width", Json.Integer, "Pixels.") { Least = 1 },
        new("height", Json.Integer, "Pixels.") { Least = 1 },
        new("batch_size", Json.Integer, "Pictures of a run; batch_size times n_iter are kept.") { Least = 1 },
        new("n_iter", Json.Integer, "Runs.") { Least = 1 },
        new("clip_skip", Json.Integer, "1 is CLIP's last layer.") { Least = 0, Most = 12 },
        new("override_settings", Json.Object, "Settings for this request, as of POST options."),
        new("override_settings_restore_afterwards", Json.Boolean, "false: they stay."),
        new("script_name", Json.String, "Refused unless empty: scripts cannot be run here."),
        new(
            "alwayson_scripts",
            Json.Object,
            "diffusionclip: {args: [{strategy, candidates, keep, scorer, scorers, combination, score_text}]} chooses the search; others are named in the reply."
        ),
        new("send_images", Json.Boolean, "false: the reply has no pictures."),
        new("restore_faces", Json.Boolean, "Named in the reply: not done."),
        new("tiling", Json.Boolean, "Named in the reply: not done."),
        new("enable_hr", Json.Boolean, "Named in the reply: not done."),
        new("save_images", Json.Boolean, "Named in the reply: every picture is an artefact."),
        new("subseed_strength", Json.Number, "Named in the reply: not done.") { Least = 0, Most = 1 },
    ];

    private static readonly ApiField[] _fromImage =
    [
        .. _generation,
        new("init_images", Json.Array, "The picture to start from, base64 or a data URI; only the first is used.") { IsRequired = true },
        new("denoising_strength", Json.Number, "How much of the way is painted anew.") { Least = 0, Most = 1 },
        new("resize_mode", Json.Integer, "0 scales, 1 crops, 2 fills.") { Least = 0, Most = 3 },
        new("mask", Json.String, "A picture: white, or its alpha, is painted."),
        new("inpainting_fill", Json.Integer, "0: from the surroundings; 1: from the picture.") { Least = 0, Most = 3 },
        new("inpainting_mask_invert", Json.Integer, "1: black is painted.") { Least = 0, Most = 1 },
        new("include_init_images", Json.Boolean, "true: the reply repeats them."),
    ];

    private static readonly ApiField[] _paint =
    [
        new("prompt", Json.String, "What to paint.") { IsRequired = true },
        new("negative_prompt", Json.String, "What to keep away from."),
        new("sampler_name", Json.String, "A sampler of GET config."),
        new("steps", Json.Integer, "Denoising steps.") { Least = 1 },
        new("cfg_scale", Json.Number, "Guidance.") { Least = 0, Most = 100 },
        new("seed", Json.Integer, "Seed; -1: any.") { Least = -1 },
        new("base_size", Json.Integer, "Least side that is painted at."),
        new("max_size", Json.Integer, "Largest side that is painted at."),
        new("disable_sddebz_highres", Json.Boolean, "true: painted as large as the selection."),
    ];

    public static ApiBody TextToImage { get; } = new(
        MediaTypeNames.Application.Json, _generation, """{"prompt":"a red apple","steps":4,"seed":7,"alwayson_scripts":{"diffusionclip":{"args":[{"candidates":2,"keep":1}]}}}""");

    public static ApiBody ImageToImage { get; } = new(
        MediaTypeNames.Application.Json, _fromImage, $$"""{"prompt":"a red apple","steps":8,"seed":7,"denoising_strength":0.5,"init_images":["{{ApiDocument.ExamplePicture}}"]}""");

    public static ApiBody Options { get; } = new(
        MediaTypeNames.Application.Json,
        [
            new("sd_model_checkpoint", Json.String, "A model of GET sd-models, by title, name or hash."),
            new("CLIP_stop_at_last_layers", Json.Integer, "1 is CLIP's last layer.") { Least = 1, Most = 12 },
            new("samples_format", Json.String, "Format of the pictures in replies."),
        ],
        """{"CLIP_stop_at_last_layers":1}""");

    public static ApiBody PngInfo { get; } = new(
        MediaTypeNames.Application.Json, [new("image", Json.String, "A picture, base64 or a data URI.") { IsRequired = true }], $$"""{"image":"{{ApiDocument.ExamplePicture}}"}""");

    public static ApiBody Interrogate { get; } = new(
        MediaTypeNames.Application.Json,
        [
            new("image", Json.String, "A picture, base64 or a data URI.") { IsRequired = true },
            new("model", Json.String, "clip."),
            new("captions", Json.Array, "Captions to rank; without them those that ship."),
        ],
        $$"""{"image":"{{ApiDocument.ExamplePicture}}","model":"clip","captions":["a red apple","a green pear"]}""");

    public static ApiBody PaintText { get; } = new(
        MediaTypeNames.Application.Json,
        [.. _paint, new("orig_width", Json.Integer, "Width of the selection.") { Least = 1, IsRequired = true }, new("orig_height", Json.Integer, "Height of the selection.") { Least = 1, IsRequired = true }],
        """{"prompt":"a red apple","steps":4,"seed":7,"orig_width":64,"orig_height":64}""");

    public static ApiBody PaintImage { get; } = new(
        MediaTypeNames.Application.Json,
        [
            .. _paint,
            new("src_img", Json.String, "The picture, base64 or a data URI.") { IsRequired = true },
            new("denoising_strength", Json.Number, "How much of the way is painted anew.") { Least = 0, Most = 1 },
            new("is_inpaint", Json.Boolean, "true: only where the mask is."),
            new("mask_img", Json.String, "A picture: white, or its alpha, is painted."),
            new("invert_mask", Json.Boolean, "true: black is painted."),
            new("inpainting_fill", Json.Integer, "0: from the surroundings; 1: from the picture.") { Least = 0, Most = 3 },
        ],
        $$"""{"prompt":"a red apple","steps":8,"seed":7,"src_img":"{{ApiDocument.ExamplePicture}}"}""");
}

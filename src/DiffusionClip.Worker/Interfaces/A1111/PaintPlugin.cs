using System.Text.Json;
using System.Text.Json.Nodes;
using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Resampling;
using DiffusionClip.Models;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary>
/// What the Krita plugin of auto-sd-paint-ext asks of the extension that it brings to the webui, <c>/sdapi/interpause</c>. Its bodies are
/// <c>txt2img</c>'s and <c>img2img</c>'s in other words, and its pictures come back in the size of the canvas' selection.
/// </summary>
internal sealed class PaintPlugin(A1111Generation generation, GeneratorModels models, IImageCodec codec, ImageLimits limits)
{
    private const int Stride = 64;
    private const int MostSide = 1 << 14;
    private const int Half = 128;
    private const string None = "None";

    /// <summary>Maps the routes.</summary>
    public static void Map(IEndpointRouteBuilder routes)
    {
        RouteGroupBuilder api = routes.MapGroup("/sdapi/interpause").WithTags("A1111");
        api.AddEndpointFilter(A1111Endpoints.ReplyInShapeAsync);
        api.MapGet("config", static async (PaintPlugin plugin) => Results.Json(await plugin.ConfigAsync().ConfigureAwait(false)))
            .WithName("paint-config");
        api.MapPost("txt2img", static (HttpContext context, PaintPlugin plugin) => plugin.RunAsync(context, fromImage: false))
            .WithName("paint-txt2img")
            .WithMetadata(A1111Bodies.PaintText);
        api.MapPost("img2img", static (HttpContext context, PaintPlugin plugin) => plugin.RunAsync(context, fromImage: true))
            .WithName("paint-img2img")
            .WithMetadata(A1111Bodies.PaintImage);
    }

    /// <summary>
    /// The size that is painted: the shorter side at the model's base size, the longer one in proportion, rounded up to multiples of 64;
    /// where that exceeds the largest size, the longer side at that one.
    /// </summary>
    internal static (int Width, int Height) PaintedSize(int width, int height, int baseSize, int maxSize)
    {
        bool isWide = width > height;
        double proportion = isWide ? (double)width / height : (double)height / width;
        int longer = Up(proportion * baseSize), shorter = baseSize;
        if (longer > maxSize)
        {
            (longer, shorter) = (maxSize, Up(maxSize / proportion));
        }

        return isWide ? (longer, shorter) : (shorter, longer);
    }

    private static int Up(double side) => Stride * (int)Math.Ceiling(side / Stride);

    private async Task<JsonObject> ConfigAsync()
    {
        var titles = new JsonArray();
        foreach (ModelEntry entry in models.List())
        {
            titles.Add((JsonNode?)GeneratorModels.Title(entry.Id, await models.HashAsync(entry).ConfigureAwait(false)));
        }

        return new JsonObject
        {
            // Where the plugin itself keeps its temporary pictures.
            ["sample_path"] = ".",
            ["upscalers"] = new JsonArray(None),
            ["samplers"] = Samplers(),
            ["samplers_img2img"] = Samplers(),
            ["scripts_txt2img"] = new JsonObject { [None] = new JsonArray() },
            ["scripts_img2img"] = new JsonObject { [None] = new JsonArray() },
            ["face_restorers"] = new JsonArray(None),
            ["sd_models"] = titles,
            ["sd_vaes"] = new JsonArray("Automatic"),
        };
    }

    private async Task<IResult> RunAsync(HttpContext context, bool fromImage)
    {
        JsonObject body;
        RgbImage? canvas = null, mask = null;
        int width, height;
        using (JsonDocument given = await BodyFields.ReadAsync(context).ConfigureAwait(false))
        {
            var fields = new BodyFields(given.RootElement);
            int baseSize = fields.Int("base_size", Stride, MostSide) ?? 512, maxSize = fields.Int("max_size", Stride, MostSide) ?? 768;
            bool asLarge = fields.Bool("disable_sddebz_highres") ?? false;
            if (fromImage)
            {
                string source = fields.Text("src_img") ?? "";
                fields.Check();
                canvas = Decode("src_img", source, context.RequestAborted);
                (width, height) = (canvas.Width, canvas.Height);
            }
            else
            {
                width = Required("orig_width");
                height = Required("orig_height");
            }

            body = Body(fields, fromImage);
            fields.Check();
            (int paintedWidth, int paintedHeight) = asLarge
                ? (Up(width), Up(height))
                : PaintedSize(width, height, baseSize, Math.Max(baseSize, maxSize));
            (body["width"], body["height"]) = (paintedWidth, paintedHeight);
            if (
                body["mask"] is { } text
                && (mask = Mask((string)text!, fields.Bool("invert_mask") ?? false, context.RequestAborted)) is null)
            {
                // Opaque all over: all of it is painted.
                body.Remove("mask");
            }

            int Required(string name)
            {
                if (fields.Int(name, 1, MostSide) is { } side)
                {
                    return side;
                }

                if (!fields.Has(name))
                {
                    fields.Add(name, "field required", "value_error.missing");
                }

                return 1;
            }
        }

        using JsonDocument own = JsonDocument.Parse(body.ToJsonString());
        JsonObject reply = await generation.RunAsync(context, new BodyFields(own.RootElement), fromImage).ConfigureAwait(false);
        return Results.Json(
            new JsonObject
            {
                ["outputs"] = new JsonArray([
                    .. reply["images"]!
                        .AsArray()
                        .Select(image => (JsonNode?)Fit((string)image!, width, height, canvas, mask, context.RequestAborted)),
                ]),
                ["info"] = (string)reply["info"]!,
            });
    }

    private JsonObject Body(BodyFields fields, bool fromImage)
    {
        var body = new JsonObject();
        foreach (
            (string theirs, string ours) in (ReadOnlySpan<(string, string)>)
                [
                    ("prompt", "prompt"),
                    ("negative_prompt", "negative_prompt"),
                    ("sampler_name", "sampler_name"),
                    ("steps", "steps"),
                    ("cfg_scale", "cfg_scale"),
                    ("seed", "seed"),
                    ("batch_size", "batch_size"),
                    ("batch_count", "n_iter"),
                    ("tiling", "tiling"),
                    ("restore_faces", "restore_faces"),
                    ("highres_fix", "enable_hr"),
                    ("script", "script_name"),
                    ("subseed_strength", "subseed_strength"),
                    ("clip_skip", "clip_skip"),
                ])
        {
            if (fields.Get(theirs) is { } value)
            {
                body[ours] = JsonNode.Parse(value.GetRawText());
            }
        }

        // Its pictures are scaled and composed once more: whatever format the caller set, they come without loss.
        var overrides = new JsonObject { ["samples_format"] = "png" };

        // Before anything is chosen the plugin names a file that no server has.
        if (fields.Text("sd_model") is { } model && models.Find(model) is { } entry)
        {
            overrides["sd_model_checkpoint"] = entry.Id;
        }

        body["override_settings"] = overrides;

        if (!fromImage)
        {
            return body;
        }

        body["init_images"] = new JsonArray(fields.Text("src_img"));
        body["denoising_strength"] = fields.Number("denoising_strength", 0, 1) ?? 0.35;
        // Older versions of the plugin number the mode.
        bool inpaints = (fields.Bool("is_inpaint") ?? false) || fields.Int("mode", 0, 2) == 1;
        if (inpaints && fields.Text("mask_img") is { Length: > 0 } mask)
        {
            body["mask"] = mask;
            body["inpainting_fill"] = fields.Int("inpainting_fill", 0, 3) ?? 1;
            body["inpainting_mask_invert"] = fields.Bool("invert_mask") == true ? 1 : 0;
        }

        return body;
    }

    // Scaled to the selection; outside the mask what was there stays as it was.
    private string Fit(string base64, int width, int height, RgbImage? canvas, RgbImage? mask, CancellationToken gone)
    {
        RgbImage made = codec.Decode(Convert.FromBase64String(base64), limits, gone);
        RgbImage painted = Resampler.Resize(made, width, height, ResamplingFilter.Lanczos);
        if (canvas is null || mask is null)
        {
            return Convert.ToBase64String(codec.EncodePng(painted));
        }

        ReadOnlySpan<byte> where = A1111Pictures.SameSize(mask, canvas).Pixels.Span, before = canvas.Pixels.Span;
        byte[] pixels = painted.Pixels.ToArray();
        for (int i = 0; i < pixels.Length; i++)
        {
            pixels[i] = where[i] < Half ? before[i] : pixels[i];
        }

        return Convert.ToBase64String(codec.EncodePng(new RgbImage(width, height, pixels)));
    }

    private RgbImage? Mask(string given, bool inverted, CancellationToken gone)
    {
        if (codec.DecodeAlpha(Base64Picture.Read("mask_img", given), limits, gone) is not { } alpha)
        {
            return null;
        }

        byte[] pixels = new byte[3 * alpha.Values.Length];
        for (int i = 0; i < pixels.Length; i++)
        {
            pixels[i] = alpha.Values.Span[i / 3] >= Half != inverted ? byte.MaxValue : byte.MinValue;
        }

        return new RgbImage(alpha.Width, alpha.Height, pixels);
    }

    private RgbImage Decode(string field, string given, CancellationToken gone)
    {
        try
        {
            return codec.Decode(Base64Picture.Read(field, given), limits, gone);
        }
        catch (ImageFormatException exception)
        {
            throw new InvalidRequestException(field, "(picture)", exception.Message);
        }
    }

    private static JsonArray Samplers() => new([.. A1111Lists.Usable.Select(sampler => (JsonNode?)sampler.Label)]);
}

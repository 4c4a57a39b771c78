using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DiffusionClip.Denoising;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary>What a body of <c>txt2img</c> or <c>img2img</c> asks for, and which of it cannot be done here.</summary>
internal sealed class GenerationBody
{
    /// <summary>Name of our block in <c>alwayson_scripts</c>.</summary>
    public const string Script = "diffusionclip";

    private const int MostClipSkip = 12;

    private GenerationBody()
    {
    }

    /// <summary>The request, without the pictures it starts from.</summary>
    public required ImageRequest Request { get; init; }

    /// <summary>The caller's settings with the request's own laid over them.</summary>
    public required A1111Options Options { get; init; }

    /// <summary>Whether those stay after the request.</summary>
    public bool KeepsOverrides { get; init; }

    /// <summary>What the reply repeats of the body: fields of the API only.</summary>
    public required JsonObject Echo { get; init; }

    /// <summary>What was asked for and is not done, one line each.</summary>
    public required IReadOnlyList<string> Ignored { get; init; }

    /// <summary>Whether the reply carries the pictures.</summary>
    public bool SendsImages { get; init; }

    /// <summary>Pictures a run makes at once, as asked for.</summary>
    public int BatchSize { get; init; }

    /// <summary>The picture to start from.</summary>
    public string? InitImage { get; init; }

    /// <summary>Where it is painted.</summary>
    public string? Mask { get; init; }

    /// <summary>Whether black is painted.</summary>
    public bool InvertsMask { get; init; }

    /// <summary>Whether what is painted starts from its surroundings (<c>inpainting_fill</c> 0).</summary>
    public bool FillsMask { get; init; }

    /// <summary>0 scales, 1 crops, 2 fills.</summary>
    public int ResizeMode { get; init; }

    /// <summary>How much of the way is painted anew.</summary>
    public double? DenoisingStrength { get; init; }

    /// <summary>The refusal that programs know.</summary>
    public static A1111Exception SamplerNotFound(string hint) => new(StatusCodes.Status404NotFound, "Sampler not found", hint);

    /// <summary>Reads a body.</summary>
    /// <exception cref="A1111Exception">Something cannot be used.</exception>
    public static GenerationBody Read(
        BodyFields fields,
        bool fromImage,
        A1111Options options,
        GeneratorModels models,
        PipelineOptions pipeline,
        CompatibilityOptions compatibility)
    {
        var ignored = new List<string>();
        string prompt = Text("prompt"), negative = Text("negative_prompt");
        ulong? seed = fields.Seed("seed");
        int? steps = fields.Int("steps", 1, pipeline.Limits.Steps);
        double? guidance = fields.Number("cfg_scale", 0, 100);
        int? width = fields.Int("width", 1, pipeline.Limits.Side), height = fields.Int("height", 1, pipeline.Limits.Side);
        int batchSize = fields.Int("batch_size", 1, int.MaxValue) ?? 1, rounds = fields.Int("n_iter", 1, int.MaxValue) ?? 1;
        long keep = (long)batchSize * rounds;
        if (keep > pipeline.Limits.Candidates)
        {
            fields.Range("n_iter", keep, 1, pipeline.Limits.Candidates);
            keep = 1;
        }

        string? sampler = fields.Text("sampler_name") is { Length: > 0 } name ? name : fields.Text("sampler_index");
        string? scheduler = Scheduler(fields, sampler, ignored);
        double? eta = fields.Number("eta", 0, 1);
        if (guidance is < 1)
        {
            ignored.Add("cfg_scale: below 1 guidance is left out, as at 1");
        }

        if (fields.Text("script_name") is { Length: > 0 } script && script != "None")
        {
            fields.Add(
                "script_name",
                $"script {InvalidRequestException.Quote(script)} not found; scripts cannot be run here",
                "value_error");
        }

        options = Overrides(fields, options, models, ignored);
        int? clipSkip = fields.Int("clip_skip", 0, MostClipSkip) ?? options.ClipSkip;
        IgnoreWhatIsNotThere(fields, ignored);
        SearchRequest search = Search(fields, (int)keep, pipeline, compatibility, ignored);
        double? strength = null;
        string? image = null, mask = null;
        int fill = 1, resize = 0;
        if (fromImage)
        {
            strength = fields.Number("denoising_strength", 0, 1) ?? 0.75;
            IReadOnlyList<string> images = fields.Texts("init_images");
            image = images.FirstOrDefault();
            mask = fields.Text("mask");
            fill = fields.Int("inpainting_fill", 0, 3) ?? 0;
            resize = fields.Int("resize_mode", 0, 3) ?? 0;
            IgnoreOfImages(fields, images.Count, mask is not null, fill, resize, ignored);
        }

        bool inverts = fields.Get("inpainting_mask_invert")?.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? fields.Bool("inpainting_mask_invert")!.Value
            : fields.Int("inpainting_mask_invert", 0, 1) == 1;
        bool sends = fields.Bool("send_images") ?? true;
        bool includes = fields.Bool("include_init_images") ?? false;
        bool keepsOverrides = fields.Bool("override_settings_restore_afterwards") == false;
        fields.Check();
        if (fromImage && string.IsNullOrEmpty(image))
        {
            throw new A1111Exception(StatusCodes.Status404NotFound, "Init image not found");
        }

        return new()
        {
            Request = new ImageRequest
            {
                Prompt = new() { Text = prompt, Negative = negative },
                Model = new() { Id = options.Model },
                Sampling = new()
                {
                    Scheduler = scheduler,
                    NumInferenceSteps = steps,
                    GuidanceScale = (float?)guidance,
                    Eta = (float?)eta,
                    Seed = seed,
                    Noise = options.Noise,
                    Width = width,
                    Height = height,
                    // A1111 counts the last layer as 1, diffusers' clip_skip as none.
                    ClipSkip = clipSkip > 1 ? clipSkip - 1 : null,
                },
                Search = search,
                Output = options.Output,
            },
            Options = options,
            KeepsOverrides = keepsOverrides,
            Echo = A1111Echo.Of(fields, fromImage, includes),
            Ignored = ignored,
            SendsImages = sends,
            BatchSize = batchSize,
            InitImage = image,
            Mask = mask,
            InvertsMask = inverts,
            FillsMask = fill == 0,
            ResizeMode = resize,
            DenoisingStrength = strength,
        };

        string Text(string field) => fields.Text(field) ?? "";
    }

    // The sampler with its schedule type; null: the model's own.
    private static string? Scheduler(BodyFields fields, string? sampler, List<string> ignored)
    {
        string type = ScheduleTypes.Automatic;
        if (fields.Text("scheduler") is { Length: > 0 } asked)
        {
            switch (ScheduleTypes.Find(asked))
            {
                case null:
                    fields.Add(
                        "scheduler",
                        $"{InvalidRequestException.Quote(asked)} cannot be used; known are {string.Join(", ", ScheduleTypes.All.Select(known => known.Label))}",
                        "value_error");
                    break;
                case { IsHere: false } known:
                    ignored.Add($"scheduler: {known.Label} has no counterpart here; the sampler's own is used");
                    break;
                case { } known:
                    type = known.Label;
                    break;
            }
        }

        if (string.IsNullOrEmpty(sampler))
        {
            if (type != ScheduleTypes.Automatic)
            {
                ignored.Add($"scheduler: {type} goes with a sampler, and none is named");
            }

            return null;
        }

        // Old names hold their schedule type: "DPM++ 2M Karras".
        string name = $"{sampler} {type}";
        try
        {
            SchedulerCatalog.Resolve(name);
            return name;
        }
        catch (InvalidRequestException)
        {
            try
            {
                SchedulerCatalog.Resolve(sampler);
            }
            catch (InvalidRequestException exception)
            {
                throw SamplerNotFound(exception.Message);
            }

            if (type != ScheduleTypes.Automatic && !sampler.TrimEnd().EndsWith($" {type}", StringComparison.OrdinalIgnoreCase))
            {
                ignored.Add(
                    $"scheduler: {InvalidRequestException.Quote(sampler)} cannot be combined with {type}; the sampler's own is used");
            }

            return sampler;
        }
    }

    private static A1111Options Overrides(BodyFields fields, A1111Options options, GeneratorModels models, List<string> ignored)
    {
        if (fields.Fields("override_settings") is not { } overrides)
        {
            return options;
        }

        string[] known = [.. options.Write("", null).Select(option => option.Key)];
        foreach (string name in overrides.Names.Where(name => !known.Contains(name, StringComparer.Ordinal)))
        {
            ignored.Add($"override_settings.{Line(name)}: there is no such setting here");
        }

        return options.With(overrides, models);
    }

    private static SearchRequest Search(
        BodyFields fields,
        int keep,
        PipelineOptions pipeline,
        CompatibilityOptions compatibility,
        List<string> ignored)
    {
        var search = new SearchRequest
        {
            Strategy = compatibility.Strategy,
            Keep = keep,
            Candidates = (int)
                Math.Min((long)keep * Math.Max(1, compatibility.CandidatesPerImage), Math.Max(keep, pipeline.Limits.Candidates)),
        };
        if (fields.Fields("alwayson_scripts") is not { } scripts)
        {
            return search;
        }

        foreach (string name in scripts.Names.Where(name => !string.Equals(name, Script, StringComparison.OrdinalIgnoreCase)))
        {
            ignored.Add($"alwayson_scripts.{Line(name)}: there is no such script here");
        }

        if (
            scripts.Names.FirstOrDefault(name => string.Equals(name, Script, StringComparison.OrdinalIgnoreCase)) is not { } ours
            || scripts.Fields(ours) is not { } block
            || block.Get("args") is not { } args)
        {
            return search;
        }

        if (args.ValueKind != JsonValueKind.Array || args.GetArrayLength() > 1)
        {
            block.Add("args", "a list with one object is expected, e.g. [{\"candidates\": 8, \"keep\": 1}]", "type_error.list");
            return search;
        }

        if (args.GetArrayLength() == 0)
        {
            return search;
        }

        BodyFields wanted = block.At(args[0], "args", "0");
        string[] words = ["strategy", "candidates", "keep", "scorer", "scorers", "combination", "score_text"];
        foreach (string name in wanted.Names.Where(name => !words.Contains(name, StringComparer.Ordinal)))
        {
            wanted.Add(Line(name), $"there is no such field; known are {string.Join(", ", words)}", "value_error.extra");
        }

        keep = wanted.Int("keep", 1, pipeline.Limits.Candidates) ?? keep;
        int candidates = wanted.Int("candidates", 1, pipeline.Limits.Candidates) ?? Math.Max(keep, search.Candidates!.Value);
        if (candidates < keep)
        {
            wanted.Add(
                "candidates",
                string.Create(CultureInfo.InvariantCulture, $"{candidates} cannot be used; {keep} pictures are to be kept"),
                "value_error.number.not_ge");
        }

        return search with
        {
            Strategy = wanted.Text("strategy") ?? search.Strategy,
            Candidates = candidates,
            Keep = keep,
            Scorer = wanted.Text("scorer"),
            Scorers = wanted.As<ScorerRequest[]>("scorers", "a list of objects with id, weight, text, long_text and phases"),
            Combination = wanted.As<ScoreCombination?>("combination", "weighted-sum, standard-scores or mean-rank"),
            ScoreText = wanted.Text("score_text"),
        };
    }

    /// <summary>What the webui has and this program has not: named, where a body asks for it.</summary>
    private static void IgnoreWhatIsNotThere(BodyFields fields, List<string> ignored)
    {
        foreach (string style in fields.Texts("styles"))
        {
            ignored.Add($"styles: there is no style {InvalidRequestException.Quote(style)}");
        }

        foreach ((string switched, string why) in (ReadOnlySpan<(string, string)>)
        [
            ("restore_faces", "faces are not restored here"),
            ("tiling", "pictures that tile are not made here"),
            ("enable_hr", "there is no second pass at a larger size; ask for the size itself"),
            ("save_images", "every picture is kept as an artefact, and nowhere else"),
        ])
        {
            if (fields.Bool(switched) == true)
            {
                ignored.Add($"{switched}: {why}");
            }
        }

        if (fields.Number("subseed_strength", 0, 1) is > 0)
        {
            ignored.Add("subseed_strength: seeds are not mixed here");
        }

        foreach (string side in (ReadOnlySpan<string>)["seed_resize_from_w", "seed_resize_from_h"])
        {
            if (fields.Int(side, -1, 1 << 20) is > 0)
            {
                ignored.Add($"{side}: noise of another size is not used here");
            }
        }

        foreach (
            (string name, double neutral) in (ReadOnlySpan<(string, double)>)
                [("s_churn", 0), ("s_tmin", 0), ("s_noise", 1), ("s_min_uncond", 0)])
        {
            if (fields.Number(name, 0, 1e9) is { } value && value != neutral)
            {
                ignored.Add($"{name}: not a setting here");
            }
        }

        if (fields.Text("refiner_checkpoint") is { Length: > 0 } refiner && refiner != "None")
        {
            ignored.Add("refiner_checkpoint: there is no second model here");
        }

        if (fields.Text("infotext") is { Length: > 0 })
        {
            ignored.Add("infotext: give the settings themselves");
        }
    }

    private static void IgnoreOfImages(BodyFields fields, int images, bool hasMask, int fill, int resize, List<string> ignored)
    {
        if (images > 1)
        {
            ignored.Add("init_images: only the first is used");
        }

        if (resize == 3)
        {
            ignored.Add("resize_mode: 3 (latents) is done as 0 (pixels)");
        }

        if (fields.Number("initial_noise_multiplier", 0, 100) is { } multiplier && multiplier != 1)
        {
            ignored.Add("initial_noise_multiplier: the noise is not scaled here");
        }

        if (fields.Number("image_cfg_scale", 0, 100) is not (null or 1.5 or 0))
        {
            ignored.Add("image_cfg_scale: there is no guidance by the picture here");
        }

        if (!hasMask)
        {
            return;
        }

        foreach (string blur in (ReadOnlySpan<string>)["mask_blur", "mask_blur_x", "mask_blur_y"])
        {
            if (fields.Number(blur, 0, 1 << 16) is > 0)
            {
                ignored.Add($"{blur}: masks have hard edges here");
            }
        }

        if (fill is 2 or 3)
        {
            ignored.Add(
                string.Create(CultureInfo.InvariantCulture, $"inpainting_fill: {fill} (latents) is done as 1 (the picture itself)"));
        }

        if (
            fields.Get("inpaint_full_res") is { ValueKind: JsonValueKind.True }
            || fields.Get("inpaint_full_res") is { ValueKind: JsonValueKind.Number } number
                && number.TryGetDouble(out double full)
                && full != 0)
        {
            ignored.Add("inpaint_full_res: the whole picture is painted at its size, not the masked part at a larger one");
        }
    }

    private static string Line(string name) =>
        new([.. name.Take(60).Select(character => char.IsControl(character) || char.IsSurrogate(character) ? ' ' : character)]);
}

/// <summary>A schedule type of the webui.</summary>
/// <param name="Name">Its name in requests.</param>
/// <param name="Label">Its label, which requests may give as well.</param>
/// <param name="IsHere">Whether it has a counterpart here.</param>
internal sealed record ScheduleType(string Name, string Label, bool IsHere = true);

/// <summary>The schedule types.</summary>
internal static class ScheduleTypes
{
    /// <summary>The sampler's own.</summary>
    public const string Automatic = "Automatic";

    private static readonly ScheduleType[] _known =
    [
        new("automatic", Automatic),
        new("uniform", "Uniform"),
        new("karras", "Karras"),
        new("exponential", "Exponential"),
        new("polyexponential", "Polyexponential", IsHere: false),
        new("sgm_uniform", "SGM Uniform"),
        new("kl_optimal", "KL Optimal", IsHere: false),
        new("align_your_steps", "Align Your Steps", IsHere: false),
        new("simple", "Simple"),
        new("normal", "Normal", IsHere: false),
        new("ddim", "DDIM", IsHere: false),
        new("ddim_uniform", "DDIM Uniform", IsHere: false),
        new("turbo", "Turbo", IsHere: false),
        new("beta", "Beta"),
    ];

    /// <summary>Those that have a counterpart here.</summary>
    public static IEnumerable<ScheduleType> All => _known.Where(type => type.IsHere);

    /// <summary>Finds one by name or label; null where it is unknown.</summary>
    public static ScheduleType? Find(string name) =>
        Array.Find(
            _known,
            type =>
                string.Equals(type.Name, name.Trim(), StringComparison.OrdinalIgnoreCase)
                || string.Equals(type.Label, name.Trim(), StringComparison.OrdinalIgnoreCase));
}

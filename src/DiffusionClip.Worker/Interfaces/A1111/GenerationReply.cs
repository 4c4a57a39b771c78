using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using DiffusionClip.Reporting.Metadata;
using DiffusionClip.Scoring;
using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary>
/// The reply to <c>txt2img</c> and <c>img2img</c>: pictures best first, never a grid, and <c>info</c> as a text that holds JSON.
/// </summary>
internal static class GenerationReply
{
    private static readonly JsonSerializerOptions _info = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes the reply.</summary>
    /// <param name="given">What the body asked for.</param>
    /// <param name="job">The job, over.</param>
    /// <param name="kept">Its pictures.</param>
    public static JsonObject Write(GenerationBody given, Job job, IReadOnlyList<KeptPicture> kept)
    {
        RunReport? report = job.Result?.Report;
        ImageRequest used = report?.Request ?? job.Body.Generate ?? given.Request;
        JsonObject echo = given.Echo;
        FillIn(echo, used, report);
        return new JsonObject
        {
            ["images"] = new JsonArray([
                .. given.SendsImages ? kept.Select(picture => (JsonNode?)Convert.ToBase64String(picture.File.Span)) : [],
            ]),
            ["parameters"] = echo,
            ["info"] = Info(given, job, kept, used, report).ToJsonString(_info),
        };
    }

    private static void FillIn(JsonObject echo, ImageRequest used, RunReport? report)
    {
        SamplingRequest sampling = used.Sampling;
        foreach ((string name, JsonNode? value) in (ReadOnlySpan<(string, JsonNode?)>)
        [
            ("steps", sampling.NumInferenceSteps),
            ("cfg_scale", sampling.GuidanceScale),
            ("width", sampling.Width),
            ("height", sampling.Height),
            ("denoising_strength", used.Origin?.Strength),
            ("sampler_name", report?.Scheduler.Label),
            ("scheduler", report is null ? null : report.Scheduler.ScheduleType ?? ScheduleTypes.Automatic),
        ])
        {
            if (echo.ContainsKey(name) && echo[name] is null)
            {
                echo[name] = value;
            }
        }
    }

    private static JsonObject Info(GenerationBody given, Job job, IReadOnlyList<KeptPicture> kept, ImageRequest used, RunReport? report)
    {
        SamplingRequest sampling = used.Sampling;
        ModelReport? generator = report?.Models.FirstOrDefault(model => model.Role == "generator");
        ulong[] seeds = [.. kept.Select(picture => picture.Image.Seed ?? sampling.Seed ?? 0)];
        string stamp = job.AcceptedAt.ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture);
        return new JsonObject
        {
            ["prompt"] = used.Prompt.Text,
            ["all_prompts"] = Repeat(used.Prompt.Text, kept.Count),
            ["negative_prompt"] = used.Prompt.Negative,
            ["all_negative_prompts"] = Repeat(used.Prompt.Negative, kept.Count),
            ["seed"] = seeds.Length > 0 ? seeds[0] : sampling.Seed,
            ["all_seeds"] = new JsonArray([.. seeds.Select(seed => (JsonNode?)seed)]),
            ["subseed"] = seeds.Length > 0 ? seeds[0] : sampling.Seed,
            ["all_subseeds"] = new JsonArray([.. seeds.Select(seed => (JsonNode?)seed)]),
            ["subseed_strength"] = 0,
            ["width"] = sampling.Width,
            ["height"] = sampling.Height,
            ["sampler_name"] = report?.Scheduler.Label ?? sampling.Scheduler,
            ["cfg_scale"] = Plain(sampling.GuidanceScale),
            ["steps"] = sampling.NumInferenceSteps,
            ["batch_size"] = given.BatchSize,
            ["restore_faces"] = false,
            ["face_restoration_model"] = null,
            ["sd_model_name"] = generator?.Id ?? used.Model.Id,
            ["sd_model_hash"] = GeneratorModels.Short(generator?.Sha256),
            ["sd_vae_name"] = null,
            ["sd_vae_hash"] = null,
            ["seed_resize_from_w"] = -1,
            ["seed_resize_from_h"] = -1,
            ["denoising_strength"] = used.Origin?.Strength,
            ["extra_generation_params"] = Extra(report, kept),
            ["index_of_first_image"] = 0,
            ["infotexts"] = new JsonArray([.. kept.Select(picture => (JsonNode?)Infotext(picture, report))]),
            ["styles"] = new JsonArray(),
            ["job_timestamp"] = stamp,
            ["clip_skip"] = (sampling.ClipSkip ?? 0) + 1,
            ["is_using_inpainting_conditioning"] = false,
            ["version"] = ImagePipeline.Software,
            ["ignored"] = Lines(given.Ignored),
            ["warnings"] = Lines([
                .. job.State == JobState.Done ? [] : (string[])[job.Reason ?? "interrupted before there was a picture"],
                .. report?.Warnings ?? [],
                .. Dropped(report),
                .. job.Result?.Warnings ?? [],
            ]),
            ["diffusionclip"] = Search(job, kept, used, report),
        };
    }

    // What was tried and how the kept ones came out, in the order of the pictures.
    private static JsonObject Search(Job job, IReadOnlyList<KeptPicture> kept, ImageRequest used, RunReport? report) => new()
    {
        ["job"] = job.Id,
        ["strategy"] = used.Search.Strategy,
        ["candidates"] = used.Search.Candidates,
        ["keep"] = used.Search.Keep,
        ["scorer"] = ScorerShorthand.Format(used.Search.Scorers ?? []),
        ["score_text"] = used.Search.ScoreText,
        ["combination"] = used.Search.Combination is { } combination ? JsonSerializer.SerializeToNode(combination, DiffusionClipJson.Compact) : null,
        ["scale"] = report?.Scoring is { } scoring ? JsonSerializer.SerializeToNode(scoring.Scale, DiffusionClipJson.Compact) : null,
        ["scores"] = new JsonArray([.. kept.Select(picture => (JsonNode?)picture.Image.Score)]),
        ["scorer_scores"] = report?.Scorers.Count > 1
            ? new JsonArray([.. kept.Select(picture => JsonSerializer.SerializeToNode(picture.Image.Scores, DiffusionClipJson.Compact))])
            : null,
        ["margins"] = new JsonArray([.. kept.Select(picture => (JsonNode?)picture.Image.Margin)]),
        ["ranks"] = new JsonArray([.. kept.Select(picture => (JsonNode?)picture.Image.Rank)]),
        ["artifacts"] = new JsonArray([.. kept.Select(picture => (JsonNode?)picture.Image.Sha256)]),
        ["finished_early"] = report?.FinishedEarly ?? false,
        ["cached_from"] = job.Result?.CachedFrom,
        ["all"] = new JsonArray([.. (report?.Candidates ?? []).Select(candidate => (JsonNode)new JsonObject
        {
            ["index"] = candidate.Index,
            ["seed"] = candidate.Seed,
            ["rank"] = candidate.Rank,
            ["score"] = candidate.Score,
            ["kept"] = candidate.Kept,
            ["stopped"] = candidate.Stopped,
            ["failure"] = candidate.Failure ?? candidate.ScoringFailure,
        })]),
    };

    private static JsonObject Extra(RunReport? report, IReadOnlyList<KeptPicture> kept)
    {
        var extra = new JsonObject();
        if (report?.Scheduler.ScheduleType is { } type)
        {
            extra["Schedule type"] = type;
        }

        if (kept.Count > 0 && kept[0].Image.Score is { } score)
        {
            extra["Score"] = score;
            extra["Score model"] =
                report?.Scoring?.Model
                ?? string.Join(", ", (report?.Scorers ?? []).Where(scorer => scorer.Weight > 0).Select(scorer => scorer.Id));
        }

        return extra;
    }

    private static string Infotext(KeptPicture picture, RunReport? report) =>
        report is not null && picture.Candidate is { } candidate
            ? InfotextWriter.For(PictureRecord.For(candidate, report), report.Scheduler).ToString()
            : "";

    private static IEnumerable<string> Dropped(RunReport? report) =>
        (report?.Texts ?? [])
            .Where(text => text.TokensDropped > 0)
            .Select(text =>
                string.Create(CultureInfo.InvariantCulture, $"{text.Role}: {text.TokensDropped} tokens beyond the limit were not read"));

    // By way of decimal digits: 7.5f is 7.5, and 0.1f is not 0.10000000149.
    private static JsonNode? Plain(float? number) =>
        number is { } value ? JsonNode.Parse(value.ToString("R", CultureInfo.InvariantCulture)) : null;

    private static JsonArray Repeat(string text, int count) => new([.. Enumerable.Repeat(text, count).Select(item => (JsonNode?)item)]);

    private static JsonArray Lines(IEnumerable<string> lines) => new([.. lines.Distinct().Select(line => (JsonNode?)line)]);
}

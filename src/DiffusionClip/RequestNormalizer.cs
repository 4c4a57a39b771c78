using System.Globalization;
using System.Security.Cryptography;
using DiffusionClip.Conditioning;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Families;
using DiffusionClip.Models;
using DiffusionClip.Origins;
using DiffusionClip.Scoring;
using DiffusionClip.Selection;

namespace DiffusionClip;

/// <summary>
/// Checks a request and makes it whole: seeds concrete, defaults filled in. Only normalized requests run, are hashed and are written down.
/// </summary>
internal sealed class RequestNormalizer(PipelineOptions options, IReadOnlyCollection<string> strategies)
{
    private const int MaxClipSkip = 64;
    private const int MaxCondition = 1 << 20;
    private const int MaxWebpSide = 16_383;

    /// <summary>Fills what a request leaves open; normalizing twice changes nothing.</summary>
    /// <param name="request">The request.</param>
    /// <param name="folder">The generator's folder.</param>
    /// <param name="family">Its family.</param>
    /// <param name="scorers">The scorers that were found.</param>
    /// <param name="missing">Optional scorers that were not.</param>
    /// <param name="images">The pictures that the request names; asked for their size only.</param>
    public ImageRequest Normalize(
        ImageRequest request, GeneratorFolder folder, IModelFamily family, IReadOnlyList<ScorerChoice> scorers,
        IReadOnlyList<ScorerRequest> missing,
        IReadOnlyDictionary<string, RgbImage>? images)
    {
        SamplingRequest sampling = request.Sampling;
        PromptSyntax syntax = request.Prompt.Syntax ?? PromptSyntax.A1111;
        int candidates = request.Search.Candidates ?? options.Candidates;
        int keep = request.Search.Keep ?? candidates;
        CheckRange("keep", keep, 1, candidates);
        family.Check(request, folder);
        OriginRequest? origin = request.Origin is { } given
            ? given with
            {
                Strength = given.Strength ?? (given.Mask is null ? folder.Defaults.Strength : folder.Defaults.InpaintStrength),
            }
            : null;
        (int ownWidth, int ownHeight) = OwnSize(request, folder, images);
        int width = Size("width", ownWidth, folder);
        int height = Size("height", ownHeight, folder);
        SchedulerConfig scheduler = SchedulerCatalog.Configure(folder.Scheduler, sampling.Scheduler, sampling.SchedulerOptions);
        string scoreText = syntax == PromptSyntax.Plain ? request.Prompt.Text : PlainText.Of(request.Prompt.Text);
        ImageRequest normalized = request with
        {
            SchemaVersion = ImageRequest.CurrentSchemaVersion,
            Origin = origin,
            Prompt = request.Prompt with { Syntax = syntax },
            Model = request.Model with { Id = folder.Id, Provider = request.Model.Provider ?? options.Provider },
            Sampling = sampling with
            {
                Scheduler = sampling.Scheduler ?? scheduler.ClassName,
                NumInferenceSteps = sampling.NumInferenceSteps ?? Math.Min(folder.Defaults.NumInferenceSteps, options.Limits.Steps),
                GuidanceScale = sampling.GuidanceScale ?? folder.Defaults.GuidanceScale,
                GuidanceRescale = sampling.GuidanceRescale ?? 0,
                Seed = sampling.Seed ?? (uint)RandomNumberGenerator.GetInt32(int.MaxValue),
                Noise = sampling.Noise ?? options.Noise,
                Width = width,
                Height = height,
            },
            Search = ScorerCatalog.Normalize(request.Search, scorers, scoreText, missing) with
            {
                Strategy = request.Search.Strategy ?? BestOfN.StrategyName,
                Candidates = candidates,
                Keep = keep,
            },
            Output =
                request.Output.Format == OutputFormat.Png
                    ? request.Output
                    : request.Output with
                    {
                        Quality = request.Output.Quality ?? OutputRequest.DefaultQuality,
                    },
        };

        // What was filled in has to keep the limits too.
        Check(normalized);
        return normalized;
    }

    /// <summary>Checks what can be judged without a model.</summary>
    public void Check(ImageRequest request)
    {
        if (request.SchemaVersion is < 1 or > ImageRequest.CurrentSchemaVersion)
        {
            throw new InvalidRequestException(
                "schema_version",
                Text(request.SchemaVersion),
                $"this build reads up to {ImageRequest.CurrentSchemaVersion}");
        }

        CheckText("prompt", request.Prompt.Text);
        CheckText("negative_prompt", request.Prompt.Negative);
        CheckText("prompt_2", request.Prompt.Text2 ?? "");
        CheckText("negative_prompt_2", request.Prompt.Negative2 ?? "");
        CheckText("score_text", request.Search.ScoreText ?? "");
        SamplingRequest sampling = request.Sampling;
        CheckRange("num_inference_steps", sampling.NumInferenceSteps ?? 1, 1, options.Limits.Steps);
        CheckRange("guidance_scale", sampling.GuidanceScale ?? 1, 0, 100);
        CheckRange("guidance_rescale", sampling.GuidanceRescale ?? 0, 0, 1);
        if (sampling.GuidanceInterval is { } interval && !(interval.From >= 0 && interval.From < interval.To && interval.To <= 1))
        {
            string given = string.Create(CultureInfo.InvariantCulture, $"{interval.From:R}-{interval.To:R}");
            throw new InvalidRequestException("guidance_interval", given, "it begins at 0 or later, and ends after that, at 1 or earlier");
        }

        CheckRange("eta", sampling.Eta ?? 0, 0, 1);
        CheckRange("clip_skip", sampling.ClipSkip ?? 0, 0, MaxClipSkip);
        CheckSizes(sampling);
        CheckOrigin(request.Origin);
        CheckRange("width", sampling.Width ?? 1, 1, Math.Min(options.Limits.Side, LimitOptions.MostSide));
        CheckRange("height", sampling.Height ?? 1, 1, Math.Min(options.Limits.Side, LimitOptions.MostSide));
        CheckRange("candidates", request.Search.Candidates ?? 1, 1, options.Limits.Candidates);
        RequestChecks.CheckKnown("syntax", request.Prompt.Syntax);
        RequestChecks.CheckKnown("noise", sampling.Noise);
        RequestChecks.CheckKnown("long_text", request.Search.LongText);
        CheckOutput(request.Output, sampling);
        if (request.Search.Strategy is { } strategy && !strategies.Contains(strategy, StringComparer.OrdinalIgnoreCase))
        {
            throw new InvalidRequestException("strategy", strategy, $"known are {string.Join(", ", strategies)}");
        }
    }

    private static void CheckOutput(OutputRequest output, SamplingRequest sampling)
    {
        RequestChecks.CheckKnown("format", (OutputFormat?)output.Format);
        if (output is { Format: OutputFormat.Png, Quality: { } quality })
        {
            throw new InvalidRequestException(
                "quality",
                Text(quality),
                "png is lossless and has none; leave it out, or choose jpeg or webp");
        }

        CheckRange("quality", output.Quality ?? 1, 1, 100);
        if (output.Format == OutputFormat.Webp && Math.Max(sampling.Width ?? 1, sampling.Height ?? 1) > MaxWebpSide)
        {
            throw new InvalidRequestException(
                "format",
                "webp",
                $"a WebP has at most {Text(MaxWebpSide)} pixels a side; choose png or jpeg");
        }
    }

    private static void CheckOrigin(OriginRequest? origin)
    {
        if (origin is null)
        {
            return;
        }

        if (origin.Image.Length == 0)
        {
            throw new InvalidRequestException("init_image", null, "strength and mask go with a picture to start from; give one");
        }

        CheckName("init_image", origin.Image);
        CheckName("mask", origin.Mask);
        if (origin.Strength is { } strength && !(strength is > 0 and <= 1))
        {
            throw new InvalidRequestException(
                "strength",
                strength.ToString("R", CultureInfo.InvariantCulture),
                "it lies above 0 and up to 1: the part of the way that is painted anew");
        }

        static void CheckName(string field, string? name)
        {
            if (name is not null && (name.Length != 64 || !name.All(char.IsAsciiHexDigitLower)))
            {
                throw new InvalidRequestException(
                    field,
                    name,
                    "pictures are named by the SHA-256 of their files, in 64 lower-case hex digits");
            }
        }
    }

    private void CheckSizes(SamplingRequest sampling)
    {
        foreach ((string field, RowsColumns? size, int least) in SizeConditions.Of(sampling))
        {
            if (
                size is { } given
                && (given.Rows < least || given.Columns < least || given.Rows > MaxCondition || given.Columns > MaxCondition))
            {
                throw new InvalidRequestException(
                    field,
                    $"{Text(given.Rows)}, {Text(given.Columns)}",
                    $"both numbers lie from {Text(least)} to {Text(MaxCondition)}");
            }
        }
    }

    /// <summary>
    /// The size asked for; else that of the picture to start from, rounded down to what the model paints; else the model's.
    /// </summary>
    private static (int Width, int Height) OwnSize(
        ImageRequest request,
        GeneratorFolder folder,
        IReadOnlyDictionary<string, RgbImage>? images)
    {
        SamplingRequest sampling = request.Sampling;
        if (sampling is { Width: { } width, Height: { } height })
        {
            return (width, height);
        }

        if (request.Origin is not { } origin)
        {
            return (sampling.Width ?? folder.Defaults.Width, sampling.Height ?? folder.Defaults.Height);
        }

        RgbImage image = OriginPictures.Find("init_image", origin.Image, images);
        int multiple = folder.SizeMultiple;
        return (sampling.Width ?? Down(image.Width), sampling.Height ?? Down(image.Height));

        int Down(int side) => Math.Max(side / multiple, 1) * multiple;
    }

    private void CheckText(string field, string text) => RequestChecks.Check(field, text, options.Limits.PromptLength);

    private static int Size(string field, int value, GeneratorFolder folder)
    {
        int multiple = folder.SizeMultiple;
        if (value % multiple == 0)
        {
            return value;
        }

        int below = value / multiple * multiple;
        string nearest = below == 0 ? $"is {Text(multiple)}" : $"are {Text(below)} and {Text(below + multiple)}";
        throw new InvalidRequestException(field, Text(value), $"{folder.Id} paints multiples of {Text(multiple)}, the nearest {nearest}");
    }

    private static void CheckRange(string field, double value, double least, double most)
    {
        if (!(value >= least && value <= most))
        {
            throw new InvalidRequestException(
                field,
                value.ToString("R", CultureInfo.InvariantCulture),
                $"it lies from {Text(least)} to {Text(most)}");
        }
    }

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}

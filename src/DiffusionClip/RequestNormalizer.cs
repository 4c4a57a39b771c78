using System.Globalization;
using System.Security.Cryptography;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Scoring;

namespace DiffusionClip;

/// <summary>Checks a request and makes it whole: seeds concrete, defaults filled in. Only normalized requests run, are hashed and are written down.</summary>
internal sealed class RequestNormalizer(PipelineOptions options, IReadOnlyCollection<string> strategies)
{
    /// <summary>Fills what a request leaves open; normalizing twice changes nothing.</summary>
    public ImageRequest Normalize(ImageRequest request, DiffusionFolder folder, ScorerChoice scorer)
    {
        Check(request);
        SamplingRequest sampling = request.Sampling;
        PromptSyntax syntax = request.Prompt.Syntax ?? PromptSyntax.A1111;
        int candidates = request.Search.Candidates ?? options.Candidates;
        int keep = request.Search.Keep ?? candidates;
        CheckRange("keep", keep, 1, candidates);
        int width = Size("width", sampling.Width ?? folder.Defaults.Width, folder);
        int height = Size("height", sampling.Height ?? folder.Defaults.Height, folder);

        // Building checks the scheduler's name, options and number of steps before anything is loaded.
        int steps = sampling.NumInferenceSteps ?? folder.Defaults.NumInferenceSteps;
        SchedulerConfig scheduler = SchedulerCatalog.Configure(folder.Scheduler, sampling.Scheduler, sampling.SchedulerOptions);
        scheduler.Build(new ScheduleRequest { NumInferenceSteps = steps, Eta = sampling.Eta });
        return request with
        {
            Prompt = request.Prompt with { Syntax = syntax },
            Model = request.Model with { Id = folder.Id, Provider = request.Model.Provider ?? options.Provider },
            Sampling = sampling with
            {
                Scheduler = sampling.Scheduler ?? scheduler.ClassName,
                NumInferenceSteps = steps,
                GuidanceScale = sampling.GuidanceScale ?? folder.Defaults.GuidanceScale,
                GuidanceRescale = sampling.GuidanceRescale ?? 0,
                Seed = sampling.Seed ?? (uint)RandomNumberGenerator.GetInt32(int.MaxValue),
                Noise = sampling.Noise ?? options.Noise,
                Width = width,
                Height = height,
            },
            Search = request.Search with
            {
                Strategy = request.Search.Strategy ?? "best-of-n",
                Candidates = candidates,
                Keep = keep,
                Scorer = scorer.Name,
                ScoreText = request.Search.ScoreText ?? (syntax == PromptSyntax.Plain ? request.Prompt.Text : PlainText.Of(request.Prompt.Text)),
            },
        };
    }

    /// <summary>Checks what can be judged without a model.</summary>
    public void Check(ImageRequest request)
    {
        if (request.SchemaVersion is < 1 or > ImageRequest.CurrentSchemaVersion)
        {
            throw new InvalidRequestException("schema_version", Text(request.SchemaVersion), $"this build reads up to {ImageRequest.CurrentSchemaVersion}");
        }

        CheckText("prompt", request.Prompt.Text);
        CheckText("negative_prompt", request.Prompt.Negative);
        CheckText("score_text", request.Search.ScoreText ?? "");
        SamplingRequest sampling = request.Sampling;
        CheckRange("num_inference_steps", sampling.NumInferenceSteps ?? 1, 1, options.Limits.Steps);
        CheckRange("guidance_scale", sampling.GuidanceScale ?? 1, 0, 100);
        CheckRange("guidance_rescale", sampling.GuidanceRescale ?? 0, 0, 1);
        CheckRange("eta", sampling.Eta ?? 0, 0, 1);
        CheckRange("width", sampling.Width ?? 1, 1, options.Limits.Side);
        CheckRange("height", sampling.Height ?? 1, 1, options.Limits.Side);
        CheckRange("candidates", request.Search.Candidates ?? 1, 1, options.Limits.Candidates);
        if (request.Search.Strategy is { } strategy && !strategies.Contains(strategy, StringComparer.OrdinalIgnoreCase))
        {
            throw new InvalidRequestException("strategy", strategy, $"known are {string.Join(", ", strategies)}");
        }
    }

    private void CheckText(string field, string text)
    {
        if (text.Length > options.Limits.PromptLength)
        {
            throw new InvalidRequestException(field, text, $"it may have up to {Text(options.Limits.PromptLength)} characters");
        }

        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(text[i]))
            {
                throw new InvalidRequestException(field, text, $"it is no valid Unicode: half a surrogate pair at character {Text(i)}; remove it");
            }
        }
    }

    private static int Size(string field, int value, DiffusionFolder folder)
    {
        int multiple = folder.Decoder.SpatialScale << folder.Denoiser.Downsamplings;
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
            throw new InvalidRequestException(field, value.ToString("R", CultureInfo.InvariantCulture), $"it lies from {Text(least)} to {Text(most)}");
        }
    }

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}

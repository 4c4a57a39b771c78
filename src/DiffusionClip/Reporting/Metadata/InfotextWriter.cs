using System.Globalization;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>Says in A1111's words what our record says in ours, so that other programs can read, sort and repeat it.</summary>
public static class InfotextWriter
{
    /// <summary>Key of the score; browsers of pictures sort by it.</summary>
    public const string ScoreKey = "Score";

    /// <summary>Key of the scorer's model.</summary>
    public const string ScoreModelKey = "Score model";

    /// <summary>Field with the raw score of each of several scorers: <c>emoji-clip=0.31 facts=0.5</c>.</summary>
    internal const string ScoresKey = "Scores";

    private const int ShortHash = 10;

    /// <summary>The text of a picture. Keys stand in A1111's order, since some readers go by position.</summary>
    /// <param name="record">Our record.</param>
    /// <param name="scheduler">The scheduler in A1111's words.</param>
    public static Infotext For(PictureRecord record, SchedulerReport scheduler)
    {
        ArgumentNullException.ThrowIfNull(record);
        ImageRequest request = record.Request;
        SamplingRequest sampling = request.Sampling;
        ArgumentNullException.ThrowIfNull(scheduler);
        ModelReport? generator = record.Models.FirstOrDefault(model => model.Role == "generator");
        List<InfotextField> fields = [];
        void Add(string key, string? value)
        {
            if (!string.IsNullOrEmpty(value))
            {
                fields.Add(new(key, value));
            }
        }

        Add("Steps", Text(sampling.NumInferenceSteps));
        Add("Sampler", scheduler.Label);
        Add("Schedule type", scheduler.ScheduleType);
        Add("CFG scale", Text(sampling.GuidanceScale));
        Add("Seed", Text(record.Candidate.Seed));
        Add(
            "Size",
            sampling is { Width: { } width, Height: { } height } ? string.Create(CultureInfo.InvariantCulture, $"{width}x{height}") : null);
        Add("Model hash", generator?.Sha256 is { Length: > 0 } hash ? hash[..Math.Min(ShortHash, hash.Length)] : null);
        Add("Model", FolderName(generator?.Id ?? request.Model.Id));
        Add("Denoising strength", Text(request.Origin?.Strength));
        Add("Clip skip", sampling.ClipSkip is { } skip and > 0 ? Text(skip + 1) : null); // A1111 counts the last layer as 1
        Add("CFG rescale", sampling.GuidanceRescale is > 0 ? Text(sampling.GuidanceRescale) : null);
        Add("Eta", Text(sampling.Eta));
        Add("RNG", sampling.Noise switch
        {
            NoiseKind.Cpu => "CPU",
            NoiseKind.Philox => "NV", // A1111's own name for Philox computed elsewhere
            _ => null,
        });
        Add(ScoreKey, record.Candidate.Score is { } score ? ScoreText(score) : null);
        Add(ScoreModelKey, record.Candidate.Score is null ? null : FolderName(record.Scoring?.Model));
        Add(
            ScoresKey,
            record.Candidate.Scores.Count > 1
                ? string.Join(
                    ' ',
                    record.Candidate.Scores.Select(scored =>
                        $"{FolderName(scored.Scorer)}={(scored.Score is { } raw ? ScoreText(raw) : "none")}"))
                : null);
        Add("Version", record.Software);
        return new()
        {
            Prompt = request.Prompt.Text,
            NegativePrompt = request.Prompt.Negative.Length == 0 ? null : request.Prompt.Negative,
            Fields = fields,
        };
    }

    /// <summary>The texts of a picture in the order in which they are written: <c>parameters</c>, then our own.</summary>
    /// <param name="record">Our record.</param>
    /// <param name="scheduler">The scheduler in A1111's words.</param>
    public static IReadOnlyList<KeyValuePair<string, string>> Texts(PictureRecord record, SchedulerReport scheduler) =>
    [
        new("parameters", For(record, scheduler).ToString()),
        new(PictureRecordJson.Keyword, PictureRecordJson.Write(record)),
    ];

    /// <summary>A score with up to six decimals.</summary>
    internal static string ScoreText(double score) => score.ToString("0.0#####", CultureInfo.InvariantCulture);

    /// <summary>An id without the folders above it, should it be a path.</summary>
    internal static string? FolderName(string? id) =>
        id?.TrimEnd('/', '\\') is { } trimmed ? trimmed[(trimmed.AsSpan().LastIndexOfAny('/', '\\') + 1)..] : null;

    private static string? Text(IFormattable? value) => value?.ToString(null, CultureInfo.InvariantCulture);
}

using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Hosting;
using DiffusionClip.Imaging;
using DiffusionClip.Models;
using DiffusionClip.Onnx;
using DiffusionClip.Scoring;
using DiffusionClip.Worker.Jobs.Artifacts;
using DiffusionClip.Worker.Jobs.Ledger;

namespace DiffusionClip.Worker.Jobs;

/// <summary>Checks submissions and makes them whole before they are written down.</summary>
internal sealed class JobIntake(
    ImagePipeline pipeline,
    ModelCatalog catalog,
    ScorerCatalog scorers,
    IImageCodec codec,
    ImageLimits limits,
    ArtifactStore artifacts,
    DiffusionClipOptions options)
{
    private const int MostImages = 10_000;
    private const int MostTexts = 1000;
    private const int LongestKey = 255;

    // Submissions are compared also where a number in them is NaN or infinite.
    private static readonly JsonSerializerOptions Lenient = new(DiffusionClipJson.Compact)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private readonly ConcurrentDictionary<string, long> _bytes = new(StringComparer.Ordinal);

    /// <summary>SHA-256 of a submission as it came: what an idempotency key stands for.</summary>
    public static string Identify(JobSubmission submission) => Convert.ToHexStringLower(SHA256.HashData(
        JsonSerializer.SerializeToUtf8Bytes(new { submission.Kind, submission.Priority, submission.Body }, Lenient)));

    /// <summary>Checks a submission.</summary>
    /// <exception cref="InvalidRequestException">A field cannot be used.</exception>
    /// <exception cref="ModelFolderException">The model cannot be used.</exception>
    public async Task<LedgerEntry> PrepareAsync(
        JobSubmission submission,
        string identity,
        TimeSpan retryAfter,
        CancellationToken cancellationToken)
    {
        JobBody body = submission.Body;
        int parts = (body.Generate is null ? 0 : 1) + (body.Rank is null ? 0 : 1) + (body.Score is null ? 0 : 1);
        object? part = submission.Kind switch { JobKind.Generate => body.Generate, JobKind.Rank => body.Rank, _ => body.Score };
        if (part is null || parts != 1)
        {
            throw new InvalidRequestException(
                "body",
                null,
                $"a {LedgerReading.Word(submission.Kind)} job has exactly the part '{LedgerReading.Word(submission.Kind)}'");
        }

        if (submission.IdempotencyKey is { } key && (key.Length is 0 or > LongestKey || key.Any(c => c is < ' ' or > '~')))
        {
            throw new InvalidRequestException(
                "Idempotency-Key",
                key,
                FormattableString.Invariant($"it has 1 to {LongestKey} printable ASCII characters"));
        }

        (JobBody checkedBody, string model, long bytes, IReadOnlyList<string> inputs) = submission.Kind switch
        {
            JobKind.Generate => await PrepareAsync(submission.Caller, body, body.Generate!, cancellationToken).ConfigureAwait(false),
            JobKind.Rank => Prepare(submission.Caller, body, body.Rank!),
            _ => Prepare(submission.Caller, body, body.Score!),
        };
        return new LedgerEntry
        {
            Caller = submission.Caller,
            Kind = submission.Kind,
            Priority = submission.Priority,
            Body = checkedBody,
            SubmittedSha256 = identity,
            IdempotencyKey = submission.IdempotencyKey,
            Model = model,
            ModelBytes = bytes,
            Inputs = inputs,
            RetryAfter = retryAfter,
        };
    }

    private async Task<(JobBody, string, long, IReadOnlyList<string>)> PrepareAsync(
        string caller,
        JobBody body,
        ImageRequest request,
        CancellationToken cancellationToken)
    {
        RequireName("model", request.Model.Id);
        if (request.Model.Provider is { } provider)
        {
            ExecutionProviders.Resolve(provider);
        }

        RequireNames(request.Search);
        string[] inputs =
        [
            .. new[] { request.Origin?.Image, request.Origin?.Mask }
                .OfType<string>()
                .Where(name => name.Length > 0)
                .Distinct(StringComparer.Ordinal),
        ];
        RequireVisible("init_image", caller, request.Origin is { Image.Length: > 0 } origin ? [origin.Image] : []);
        RequireVisible("mask", caller, request.Origin?.Mask is { } mask ? [mask] : []);
        IReadOnlyDictionary<string, RgbImage>? images =
            inputs.Length > 0
                ? await artifacts.DecodeAsync(request.Origin, codec, limits, cancellationToken).ConfigureAwait(false)
                : null;
        PreparedRun prepared = pipeline.Prepare(request, images);
        string model = prepared.Request.Model.Id!;
        long bytes = Bytes(model, catalog.ResolveGenerator) + prepared.Scorers.Sum(scorer => BytesOf(scorer.Request));
        return (body with { Generate = prepared.Request }, model, bytes, inputs);
    }

    private (JobBody, string, long, IReadOnlyList<string>) Prepare(string caller, JobBody body, RankBody rank)
    {
        if (rank.Images.Count is 0 or > MostImages)
        {
            throw new InvalidRequestException(
                "images",
                FormattableString.Invariant($"{rank.Images.Count} of them"),
                FormattableString.Invariant($"give 1 to {MostImages}"));
        }

        CheckText("prompt", rank.Prompt);
        CheckText("score_text", rank.ScoreText ?? "");
        RequireVisible("images", caller, rank.Images);
        SearchRequest search = Scorers(SearchOf(rank), toRank: true);
        RankBody explicitly = rank with
        {
            Scorer = null,
            Scorers = search.Scorers,
            Combination = search.Combination,
            LongText = search.LongText,
        };
        return (
            body with
            {
                Rank = explicitly,
            },
            search.Scorers![0].Id,
            search.Scorers.Sum(BytesOf),
            [.. rank.Images.Distinct(StringComparer.Ordinal)]);
    }

    private (JobBody, string, long, IReadOnlyList<string>) Prepare(string caller, JobBody body, ScoreBody score)
    {
        if (score.Pairs.Count is 0 or > MostImages)
        {
            throw new InvalidRequestException(
                "pairs",
                FormattableString.Invariant($"{score.Pairs.Count} of them"),
                FormattableString.Invariant($"give 1 to {MostImages}"));
        }

        foreach (ScorePair pair in score.Pairs)
        {
            if (pair is null || pair.Texts is null || pair.Texts.Count > MostTexts)
            {
                throw new InvalidRequestException(
                    "texts",
                    null,
                    FormattableString.Invariant($"give up to {MostTexts} texts with each picture, or none for the prompt that it carries"));
            }

            foreach (string words in pair.Texts)
            {
                CheckText("texts", words);
            }
        }

        string[] images = [.. score.Pairs.Select(pair => pair.Image).Distinct(StringComparer.Ordinal)];
        RequireVisible("pairs", caller, images);
        SearchRequest search = Scorers(SearchOf(score), toRank: false);
        ScoreBody explicitly = score with { Scorer = null, Scorers = search.Scorers, LongText = search.LongText };
        return (body with { Score = explicitly }, search.Scorers![0].Id, search.Scorers.Sum(BytesOf), images);
    }

    /// <summary>What a rank job asks of scorers.</summary>
    public static SearchRequest SearchOf(RankBody rank) => new()
    {
        Scorer = rank.Scorer,
        Scorers = rank.Scorers,
        Combination = rank.Combination,
        ScoreText = rank.ScoreText ?? PlainText.Of(rank.Prompt),
        LongText = rank.LongText,
    };

    /// <summary>What a score job asks of scorers.</summary>
    public static SearchRequest SearchOf(ScoreBody score) =>
        new()
        {
            Scorer = score.Scorer,
            Scorers = score.Scorers,
            LongText = score.LongText,
        };

    private SearchRequest Scorers(SearchRequest search, bool toRank)
    {
        RequireNames(search);
        return ScorerCatalog.Normalize(search, scorers.ChooseForPictures(search, toRank), text: null);
    }

    private void RequireNames(SearchRequest search)
    {
        foreach (ScorerRequest scorer in scorers.Asked(search) ?? [])
        {
            RequireName(search.Scorers is null ? "scorer" : "scorers", scorer.Id);
        }
    }

    private long BytesOf(ScorerRequest scorer) => scorers.FindRegistered(scorer.Id) is null ? Bytes(scorer.Id, catalog.ResolveScorer) : 0;

    private void CheckText(string field, string words)
    {
        if (words is null)
        {
            throw new InvalidRequestException(field, null, "it has to be a text");
        }

        RequestChecks.Check(field, words, options.Limits.PromptLength);
    }

    private void RequireVisible(string field, string caller, IEnumerable<string> names)
    {
        foreach (string name in names)
        {
            if (!artifacts.IsVisible(caller, name) || !artifacts.Exists(name))
            {
                throw ArtifactPictures.Missing(field, name);
            }
        }
    }

    // Requests must not name paths on this machine.
    private static void RequireName(string field, string? name)
    {
        if (
            name is not null
            && (
                string.IsNullOrWhiteSpace(name)
                || name is "." or ".."
                || name.Contains('\\', StringComparison.Ordinal)
                || Path.IsPathRooted(name)
                || (name.Contains('/', StringComparison.Ordinal) && !HubCache.IsName(name.Split('#')[0]))))
        {
            throw new InvalidRequestException(field, name, "name a model by its id, not by a path");
        }
    }

    private long Bytes(string id, Func<string, ModelFolder> resolve) => _bytes.GetOrAdd(id, name =>
    {
        try
        {
            return OnnxModelStore.EstimateBytes(resolve(name));
        }
        catch (ModelFolderException)
        {
            // Found out when it is loaded, with a better message.
            return 0;
        }
    });
}

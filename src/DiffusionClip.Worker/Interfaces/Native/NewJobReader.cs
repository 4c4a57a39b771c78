using System.Globalization;
using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker.Interfaces.Native;

/// <summary>Checks a new job's shape and turns the pictures in it into artefacts of its caller.</summary>
internal sealed class NewJobReader(ImageSource pictures, string caller, CancellationToken cancellationToken)
{
    private const int MostPictures = 1_000;
    private const int MostTexts = 1_000;
    private const int LongestKey = 255;

    /// <exception cref="InvalidRequestException">A part is missing, or a picture cannot be used.</exception>
    public async Task<JobSubmission> ReadAsync(NewJob job, string? idempotencyKey)
    {
        JobKind kind = KindOf(job);
        CheckKey(idempotencyKey);
        RequestChecks.CheckKnown("priority", (JobPriority?)job.Priority);
        RequestChecks.CheckKnown("cache", (CacheUse?)job.Cache);
        var body = new JobBody
        {
            Generate = kind == JobKind.Generate ? await OfAsync(job.Generate!).ConfigureAwait(false) : null,
            Rank = kind == JobKind.Rank ? await OfAsync(job.Rank!).ConfigureAwait(false) : null,
            Score = kind == JobKind.Score ? await OfAsync(job.Score!).ConfigureAwait(false) : null,
            Cache = job.Cache,
            Pinned = job.Pinned,
        };
        return new JobSubmission(caller, kind, body) { Priority = job.Priority, IdempotencyKey = idempotencyKey };
    }

    private static JobKind KindOf(NewJob job)
    {
        JobKind[] parts =
        [
            .. job.Generate is null ? Array.Empty<JobKind>() : [JobKind.Generate],
            .. job.Rank is null ? Array.Empty<JobKind>() : [JobKind.Rank],
            .. job.Score is null ? Array.Empty<JobKind>() : [JobKind.Score],
        ];
        return parts is [var only] && (job.Kind is null || job.Kind == only)
            ? only
            : throw new InvalidRequestException(
                "kind",
                job.Kind is { } kind ? Name(kind) : null,
                $"give one of generate, rank and score and the part of that name; there {(parts.Length == 1 ? "is" : "are")} {(parts.Length == 0 ? "none" : string.Join(", ", parts.Select(Name)))}"
            );
    }

    private static string Name(JobKind kind) => kind switch
    {
        JobKind.Generate => "generate",
        JobKind.Rank => "rank",
        _ => "score",
    };

    private static void CheckKey(string? key)
    {
        if (key is not null && (key.Length is 0 or > LongestKey || !key.All(character => character is >= ' ' and <= '~')))
        {
            throw new InvalidRequestException(
                "Idempotency-Key",
                key,
                string.Create(CultureInfo.InvariantCulture, $"1 to {LongestKey} ASCII characters"));
        }
    }

    private async Task<ImageRequest> OfAsync(ImageRequest request)
    {
        // JSON can say null where the record has a value.
        Need("generate.prompt", request.Prompt);
        Need("generate.prompt.text", request.Prompt.Text);
        Need("generate.prompt.negative", request.Prompt.Negative);
        Need("generate.model", request.Model);
        Need("generate.sampling", request.Sampling);
        Need("generate.search", request.Search);
        Need("generate.output", request.Output);
        return request.Origin is not { } origin ? request : request with
        {
            Origin = origin with
            {
                Image = await pictures.ResolveAsync(caller, "generate.origin.image", origin.Image, cancellationToken).ConfigureAwait(false),
                Mask = origin.Mask is null ? null : await pictures.ResolveAsync(caller, "generate.origin.mask", origin.Mask, cancellationToken).ConfigureAwait(false),
            },
        };
    }

    private async Task<RankBody> OfAsync(RankBody rank)
    {
        Need("rank.prompt", rank.Prompt);
        RequestChecks.CheckKnown("rank.combination", rank.Combination);
        RequestChecks.CheckKnown("rank.long_text", rank.LongText);
        CheckCount("rank.images", rank.Images?.Count, 1, MostPictures);
        var images = new string[rank.Images!.Count];
        for (int i = 0; i < images.Length; i++)
        {
            images[i] = await pictures
                .ResolveAsync(caller, string.Create(CultureInfo.InvariantCulture, $"rank.images[{i}]"), rank.Images[i], cancellationToken)
                .ConfigureAwait(false);
        }

        return rank with { Images = images };
    }

    private async Task<ScoreBody> OfAsync(ScoreBody score)
    {
        CheckCount("score.pairs", score.Pairs?.Count, 1, MostPictures);
        RequestChecks.CheckKnown("score.long_text", score.LongText);
        var pairs = new ScorePair[score.Pairs!.Count];
        for (int i = 0; i < pairs.Length; i++)
        {
            string field = string.Create(CultureInfo.InvariantCulture, $"score.pairs[{i}]");
            ScorePair pair = score.Pairs[i];
            Need(field, pair);
            IReadOnlyList<string> texts = pair.Texts ?? [];
            CheckCount(field + ".texts", texts.Count, 0, MostTexts);
            foreach (string text in texts)
            {
                Need(field + ".texts", text);
            }

            pairs[i] = new ScorePair(
                await pictures.ResolveAsync(caller, field + ".image", pair.Image, cancellationToken).ConfigureAwait(false),
                texts);
        }

        return score with { Pairs = pairs };
    }

    private static void Need(string field, object? value)
    {
        if (value is null)
        {
            throw new InvalidRequestException(field, null, "leave it out or give a value");
        }
    }

    private static void CheckCount(string field, int? count, int least, int most)
    {
        if (count is null || count < least || count > most)
        {
            throw new InvalidRequestException(
                field,
                count?.ToString(CultureInfo.InvariantCulture),
                string.Create(CultureInfo.InvariantCulture, $"give {least} to {most}"));
        }
    }
}

using System.Globalization;
using DiffusionClip.Imaging;
using DiffusionClip.Reporting;
using DiffusionClip.Reporting.Metadata;
using DiffusionClip.Scoring;
using DiffusionClip.Selection;
using DiffusionClip.Worker.Jobs.Artifacts;
using DiffusionClip.Worker.Jobs.Ledger;

namespace DiffusionClip.Worker.Jobs.Running;

/// <summary>Does a job's work: generates, ranks or scores, and puts what came of it into the store.</summary>
internal sealed class JobRunner(
    ImagePipeline pipeline,
    ScorerCatalog scorers,
    IImageCodec codec,
    ImageLimits limits,
    PictureEncoder encoder,
    ITextRasterizer text,
    ArtifactStore artifacts,
    ResultCache cache,
    SnapshotStore snapshots,
    DataFolder folder,
    MachinePaths paths,
    JobTelemetry telemetry,
    WorkerOptions options,
    TimeProvider time)
{
    /// <summary>Runs a job to its result.</summary>
    /// <exception cref="OperationCanceledException">It was aborted.</exception>
    public async Task<(JobResult Result, string? CacheKey)> RunAsync(StartedJob started, RunningJob run, JobFeed feed)
    {
        JobResult result = await DoAsync(started, run, feed).ConfigureAwait(false);
        return (result, started.Job.Body.Generate is { } request ? cache.KeyOf(request, result) : null);
    }

    private Task<JobResult> DoAsync(StartedJob started, RunningJob run, JobFeed feed) => started.Job.Kind switch
    {
        JobKind.Generate => GenerateAsync(started, run, feed),
        JobKind.Rank => RankAsync(started.Job.Body.Rank!, run, feed),
        _ => ScoreAsync(started.Job.Body.Score!, run, feed),
    };

    private async Task<JobResult> GenerateAsync(StartedJob started, RunningJob run, JobFeed feed)
    {
        ImageRequest request = started.Job.Body.Generate!;
        if (cache.Find(started.Job) is { } cached)
        {
            return cached;
        }

        PreparedRun prepared = pipeline.Prepare(
            request, await artifacts.DecodeAsync(request.Origin, codec, limits, run.Abort).ConfigureAwait(false));
        var control = new RunControl
        {
            Abort = run.Abort,
            Finish = run.Finish,
            Observer = new JobObserver(feed, telemetry, codec, options.Queue.PreviewInterval, time),
            Snapshots = snapshots.For(started, run),
        };
        RankedImages ranked = paths.Hide(await pipeline.GenerateAsync(prepared, control).ConfigureAwait(false));
        if (started.Job.Attempts > 1 && ranked.Report.Resumed is null)
        {
            ranked = ranked with
            {
                Report = ranked.Report with
                {
                    Resumed = new() { FromSnapshot = false, Reason = "the start before ended before it wrote a snapshot" },
                },
            };
        }

        if (ranked.Best is null)
        {
            CandidateReport? failed = ranked.Report.Candidates.FirstOrDefault(candidate => candidate.Failure is not null);
            throw new DiffusionClipException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"candidates: none of {ranked.Report.Candidates.Count} gave a picture; seed {failed?.Seed}: {failed?.Failure ?? "stopped"}; try another seed, guidance or model"
                ));
        }

        // Side by side: the disk takes its time, and the sheet takes longest to be drawn.
        Task<(string Sha256, string? Warning)>? sheet =
            ranked.Report.Candidates.Count > 1
                ? PutAsync(() =>
                    new PictureFile { Content = encoder.EncodePlain(ContactSheet.Compose(ranked, text)), Format = OutputFormat.Png })
                : null;
        List<Task<(string Sha256, string? Warning)>> files =
        [
            .. ranked.Images.Select(image => PutAsync(() => encoder.Encode(image, ranked.Report))),
        ];
        (string Sha256, string? Warning)[] put = await Task.WhenAll(sheet is null ? files : [.. files, sheet]).ConfigureAwait(false);
        RunReport report = ranked.Report with
        {
            Warnings = [.. ranked.Report.Warnings, .. put.Select(file => file.Warning).OfType<string>().Distinct()],
        };
        return new JobResult
        {
            Images =
            [
                .. ranked.Images.Zip(put, (image, file) => new ResultImage
                {
                    Sha256 = file.Sha256,
                    Index = image.Candidate.Index,
                    Rank = image.Candidate.Rank,
                    Seed = image.Candidate.Seed,
                    Score = image.Candidate.Score,
                    Scores = image.Candidate.Scores.Count > 1 ? image.Candidate.Scores : null,
                    Margin = image.Candidate.Margin,
                    Kept = image.Candidate.Kept,
                    Failure = image.Candidate.ScoringFailure,
                }),
            ],
            Report = report,
            ContactSheet = sheet is null ? null : put[^1].Sha256,
            Warnings = report.Warnings,
        };

        Task<(string Sha256, string? Warning)> PutAsync(Func<PictureFile> encode) => Task.Run(
            async () =>
            {
                PictureFile file = encode();
                return (await artifacts.PutAsync(file.Content, file.MediaType, run.Abort).ConfigureAwait(false), file.Warning);
            },
            run.Abort);
    }

    private async Task<JobResult> RankAsync(RankBody body, RunningJob run, JobFeed feed)
    {
        using PictureScoring scoring = await OpenAsync(JobIntake.SearchOf(body), run).ConfigureAwait(false);
        IEnumerable<ScoringItem> pictures = body.Images.Select(image => Item(image, texts: null));
        List<ScoredItem> items = await ScoreAsync(scoring, pictures, body.Images.Count, run, feed).ConfigureAwait(false);
        var ranking = new PictureRanking(items, scoring.Scorers);
        if (ranking.Order.Count == 0)
        {
            throw new DiffusionClipException($"images: none of {items.Count} could be scored; the first: {ranking.Failures[0]}");
        }

        bool several = scoring.Scorers.Entries.Count > 1;
        IEnumerable<ResultImage> ranked = ranking.Order.Select((index, rank) => new ResultImage
        {
            Sha256 = body.Images[index],
            Index = index,
            Rank = rank + 1,
            Score = ranking.Total(rank),
            Scores = several ? ranking.Scores[index] : null,
            Margin = ranking.Margin(rank),
        });
        var failures = ranking.Failures.Index().Where(failure => failure.Item is not null);
        IEnumerable<ResultImage> failed = failures.Select(failure => new ResultImage
        {
            Sha256 = body.Images[failure.Index],
            Index = failure.Index,
            Scores = several ? ranking.Scores[failure.Index] : null,
            Kept = false,
            Failure = failure.Item,
        });
        return new JobResult
        {
            Images = [.. ranked, .. failed],
            Scorers = scoring.Scorers.Report(),
            Warnings = [.. scoring.Scorers.Warnings(), .. Warnings(items)],
        };
    }

    private async Task<JobResult> ScoreAsync(ScoreBody body, RunningJob run, JobFeed feed)
    {
        using PictureScoring scoring = await OpenAsync(JobIntake.SearchOf(body), run).ConfigureAwait(false);
        IEnumerable<ScoringItem> pictures = body.Pairs.Select(pair => Item(pair.Image, file => Texts(pair.Texts, file)));
        List<ScoredItem> items = await ScoreAsync(scoring, pictures, body.Pairs.Count, run, feed).ConfigureAwait(false);
        bool several = scoring.Scorers.Entries.Count > 1;
        return new JobResult
        {
            Scores = [.. items.SelectMany((item, i) => item.Scorers.SelectMany(scored => Rows(scored, body.Pairs[i], several)))],
            Warnings = Warnings(items),
        };
    }

    private static IEnumerable<ScoreRow> Rows(ScoredBy scored, ScorePair pair, bool several)
    {
        IEnumerable<ScoreRow> rows = scored.Outcome.Failure is { } failure
            ? (pair.Texts.Count > 0 ? (IEnumerable<string?>)pair.Texts : [null]).Select(words => new ScoreRow(
                pair.Image,
                words,
                null,
                null,
                failure))
            : scored.Texts.Select(
                (words, i) => new ScoreRow(pair.Image, words, scored.Outcome.ScoresPerText.Span[i], scored.Records[i], null));
        return several ? rows.Select(row => row with { Scorer = scored.Scorer }) : rows;
    }

    private Task<PictureScoring> OpenAsync(SearchRequest search, RunningJob run) =>
        PictureScoring.OpenAsync(scorers, codec, limits, search, provider: null, folder.Embeddings, run.Abort);

    private ScoringItem Item(string image, Func<ReadOnlyMemory<byte>, IReadOnlyList<string>>? texts) =>
        new() { Name = image, ReadAsync = cancellationToken => ReadAsync(image, cancellationToken), Texts = texts };

    private async Task<List<ScoredItem>> ScoreAsync(
        PictureScoring scoring, IEnumerable<ScoringItem> items, int count, RunningJob run, JobFeed feed)
    {
        var scored = new List<ScoredItem>(count);
        await foreach (ScoredItem item in scoring.ScoreAsync(items, run.Abort).ConfigureAwait(false))
        {
            scored.Add(item with { Scorers = [.. item.Scorers.Select(entry => entry with { Outcome = paths.Hide(entry.Outcome) })] });
            feed.Progress = Math.Round((double)scored.Count / Math.Max(1, count), 4);
            if (run.Finish.IsCancellationRequested)
            {
                break;
            }
        }

        return scored;
    }

    private async Task<byte[]> ReadAsync(string sha256, CancellationToken cancellationToken) =>
        (await artifacts.FindAsync(sha256, cancellationToken).ConfigureAwait(false))?.Content.ToArray()
        ?? throw new DiffusionClipException("its file is gone");

    private static IReadOnlyList<string> Texts(IReadOnlyList<string> given, ReadOnlyMemory<byte> file) =>
        given.Count > 0 ? given
        : PictureMetadataReader.Read(file).ScoredText is { } own ? [own]
        : throw new DiffusionClipException("it carries no prompt; give texts");

    private static string[] Warnings(List<ScoredItem> items)
    {
        int dropped = items
            .SelectMany(item => item.Scorers)
            .SelectMany(scored => scored.Records)
            .Select(record => record.TokensDropped)
            .DefaultIfEmpty()
            .Max();
        return dropped > 0
            ?
            [
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"text: up to {dropped} tokens are beyond the scorer's limit and were not read"),
            ]
            : [];
    }
}

using System.Globalization;
using DiffusionClip.Conditioning.Prompts;
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
    ScorerSource scorers,
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
    WorkerOptions options)
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

        // A scorer that nobody asked for by name may be missing: then there are pictures without scores, and a warning.
        if (!started.ScorerAsked)
        {
            request = request with { Search = request.Search with { Scorer = null } };
        }

        var control = new RunControl(run.Abort, run.Finish, new JobObserver(feed, telemetry, codec, options.Queue.PreviewInterval))
        {
            Images = await artifacts.DecodeAsync(request.Origin, codec, limits, run.Abort).ConfigureAwait(false),
            Snapshots = snapshots.For(started, run),
        };
        RankedImages ranked = paths.Hide(await pipeline.GenerateAsync(request, control).ConfigureAwait(false));
        if (started.Job.Attempts > 1 && ranked.Report.Resumed is null)
        {
            ranked = ranked with { Report = ranked.Report with { Resumed = new() { FromSnapshot = false, Reason = "the start before ended before it wrote a snapshot" } } };
        }

        if (ranked.Best is null)
        {
            CandidateReport? failed = ranked.Report.Candidates.FirstOrDefault(candidate => candidate.Failure is not null);
            throw new DiffusionClipException(string.Create(
                CultureInfo.InvariantCulture, $"candidates: none of {ranked.Report.Candidates.Count} gave a picture; seed {failed?.Seed}: {failed?.Failure ?? "stopped"}; try another seed, guidance or model"));
        }

        // Side by side: the disk takes its time, and the sheet takes longest to be drawn.
        Task<(string Sha256, string? Warning)>? sheet = ranked.Report.Candidates.Count > 1
            ? PutAsync(() => new PictureFile { Content = encoder.EncodePlain(ContactSheet.Compose(ranked, text)), Format = OutputFormat.Png })
            : null;
        List<Task<(string Sha256, string? Warning)>> files = [.. ranked.Images.Select(image => PutAsync(() => encoder.Encode(image, ranked.Report)))];
        (string Sha256, string? Warning)[] put = await Task.WhenAll(sheet is null ? files : [.. files, sheet]).ConfigureAwait(false);
        RunReport report = ranked.Report with { Warnings = [.. ranked.Report.Warnings, .. put.Select(file => file.Warning).OfType<string>().Distinct()] };
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
        string scored = body.ScoreText ?? PlainText.Of(body.Prompt);
        (List<ScoredItem> items, bool higherIsBetter) = await ScoreItemsAsync(
            body.Scorer, body.LongText, body.Images.Select(image => (image, (IReadOnlyList<string>)[scored])), body.Images.Count, run, feed).ConfigureAwait(false);
        int[] order = Ranking.Order([.. items.Select(item => item.Outcome.Failure is null ? (double?)item.Outcome.ScoresPerText.Span[0] : null)], higherIsBetter);
        if (order.Length == 0)
        {
            throw new DiffusionClipException($"images: none of {items.Count} could be scored; the first: {items[0].Outcome.Failure}");
        }

        var images = new List<ResultImage>(items.Count);
        for (int i = 0; i < order.Length; i++)
        {
            double score = ScoreOf(order[i]);
            images.Add(new ResultImage
            {
                Sha256 = body.Images[order[i]],
                Index = order[i],
                Rank = i + 1,
                Score = score,
                Margin = i + 1 < order.Length ? Math.Abs(score - ScoreOf(order[i + 1])) : null,
            });
        }

        images.AddRange(items.Index().Where(item => item.Item.Outcome.Failure is not null).Select(item => new ResultImage
        {
            Sha256 = body.Images[item.Index],
            Index = item.Index,
            Kept = false,
            Failure = item.Item.Outcome.Failure,
        }));
        return new JobResult { Images = images, Warnings = Warnings(items) };

        double ScoreOf(int index) => items[index].Outcome.ScoresPerText.Span[0];
    }

    private async Task<JobResult> ScoreAsync(ScoreBody body, RunningJob run, JobFeed feed)
    {
        (List<ScoredItem> items, _) = await ScoreItemsAsync(body.Scorer, body.LongText, body.Pairs.Select(pair => (pair.Image, pair.Texts)), body.Pairs.Count, run, feed).ConfigureAwait(false);
        var rows = new List<ScoreRow>();
        for (int i = 0; i < items.Count; i++)
        {
            (ScoredItem item, ScorePair pair) = (items[i], body.Pairs[i]);
            if (item.Outcome.Failure is { } failure)
            {
                rows.AddRange((pair.Texts.Count > 0 ? (IEnumerable<string?>)pair.Texts : [null]).Select(words => new ScoreRow(pair.Image, words, null, null, failure)));
            }
            else
            {
                rows.AddRange(item.Texts.Select((words, at) => new ScoreRow(pair.Image, words.Text, item.Outcome.ScoresPerText.Span[at], words.Record, null)));
            }
        }

        return new JobResult { Scores = rows, Warnings = Warnings(items) };
    }

    private async Task<(List<ScoredItem> Items, bool HigherIsBetter)> ScoreItemsAsync(
        string? scorer, LongTextPolicy? longText, IEnumerable<(string Image, IReadOnlyList<string> Texts)> pairs, int count, RunningJob run, JobFeed feed)
    {
        var scored = new List<ScoredItem>(count);
        if (scorers.Registered(scorer) is { } plugin)
        {
            foreach ((string image, IReadOnlyList<string> texts) in pairs)
            {
                Add(await ScoreByPluginAsync(plugin, image, texts, run.Abort).ConfigureAwait(false));
                if (run.Finish.IsCancellationRequested)
                {
                    break;
                }
            }

            return (scored, plugin.Descriptor.HigherIsBetter);
        }

        using ClipScoring clip = await ClipScoring.OpenAsync(
            scorers, codec, limits, scorer, null, longText ?? LongTextPolicy.Truncate, folder.Embeddings, run.Abort).ConfigureAwait(false);
        IEnumerable<ScoringItem> items = pairs.Select(pair => new ScoringItem(pair.Image, cancellationToken => ReadAsync(pair.Image, cancellationToken), file => Texts(pair.Texts, file)));
        await foreach (ScoredItem item in clip.Stream.ScoreAsync(ScoringStream.Feed(items, run.Abort), run.Abort).ConfigureAwait(false))
        {
            Add(item);
            if (run.Finish.IsCancellationRequested)
            {
                break;
            }
        }

        return (scored, clip.Scorer.Descriptor.HigherIsBetter);

        void Add(ScoredItem item)
        {
            scored.Add(item with { Outcome = paths.Hide(item.Outcome) });
            feed.Progress = Math.Round((double)scored.Count / Math.Max(1, count), 4);
        }
    }

    private async Task<ScoredItem> ScoreByPluginAsync(IImageScorer plugin, string image, IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        try
        {
            byte[] file = await ReadAsync(image, cancellationToken).ConfigureAwait(false);
            texts = Texts(texts, file);
            ScoringResult result = await plugin.ScoreAsync(new ScoringBatch([codec.Decode(file, limits)], texts), cancellationToken).ConfigureAwait(false);
            if (result.Images is not [var outcome] || result.Texts.Count != texts.Count || (outcome.Failure is null && outcome.ScoresPerText.Length != texts.Count))
            {
                throw new DiffusionClipException($"{plugin.Descriptor.Name} gave {result.Images.Count} outcomes for 1 picture and {texts.Count} texts");
            }

            return new ScoredItem(image, [.. texts.Select((words, i) => new TextScore(words, result.Texts[i]))], outcome, image);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            return new ScoredItem(image, [], new ImageOutcome(default, default, exception.Message), image);
        }
    }

    private async Task<byte[]> ReadAsync(string sha256, CancellationToken cancellationToken) =>
        (await artifacts.FindAsync(sha256, cancellationToken).ConfigureAwait(false))?.Content.ToArray() ?? throw new DiffusionClipException("its file is gone");

    private static IReadOnlyList<string> Texts(IReadOnlyList<string> given, ReadOnlyMemory<byte> file) => given.Count > 0
        ? given
        : PictureSources.ScoredText(file) is { } own ? [own] : throw new DiffusionClipException("it carries no prompt; give texts");

    private static string[] Warnings(List<ScoredItem> items)
    {
        int dropped = items.SelectMany(item => item.Texts).Select(item => item.Record.TokensDropped).DefaultIfEmpty().Max();
        return dropped > 0 ? [string.Create(CultureInfo.InvariantCulture, $"text: up to {dropped} tokens are beyond the scorer's limit and were not read")] : [];
    }
}

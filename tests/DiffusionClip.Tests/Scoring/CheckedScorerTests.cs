using DiffusionClip.Testing;

namespace DiffusionClip.Scoring;

public sealed class CheckedScorerTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(150);

    [Fact]
    public async Task Batches_are_cut_to_what_the_scorer_takes_and_come_back_in_order()
    {
        var sizes = new List<int>();
        var scorer = new Scripted(batch =>
        {
            sizes.Add(batch.Images.Count);
            return Scripted.Answer(batch, image => image.Width);
        }) { Descriptor = Scripted.Describe(maxBatch: 4) };
        using var isChecked = new CheckedScorer(scorer);
        ScoringResult result = await isChecked.ScoreAsync(Batch(10), default);
        Assert.Equal([4, 4, 2], sizes);
        Assert.Equal(Enumerable.Range(1, 10).Select(width => (float)width), result.Images.Select(outcome => outcome.ScoresPerText.Span[0]));

        sizes.Clear();
        Assert.Empty((await isChecked.ScoreAsync(Batch(0), default)).Images);
        Assert.Equal([0], sizes);
    }

    [Fact]
    public async Task Any_number_is_one_batch_where_the_scorer_takes_any()
    {
        var sizes = new List<int>();
        using var isChecked = new CheckedScorer(new Scripted(batch =>
        {
            sizes.Add(batch.Images.Count);
            return Scripted.Answer(batch, _ => 1);
        }) { Descriptor = Scripted.Describe(maxBatch: null) });
        await isChecked.ScoreAsync(Batch(1000), default);
        Assert.Equal([1000], sizes);
    }

    [Fact]
    public async Task A_picture_that_makes_the_batch_throw_costs_only_its_own_score()
    {
        using var isChecked = new CheckedScorer(new Scripted(batch => batch.Images.Any(image => image.Width == 3)
            ? throw new InvalidOperationException("it is three wide")
            : Scripted.Answer(batch, image => image.Width)));
        ScoringResult result = await isChecked.ScoreAsync(Batch(5), default);
        Assert.Equal([null, null, "scripted failed: it is three wide", null, null], result.Images.Select(outcome => outcome.Failure));
        Assert.Equal(5, result.Images[4].ScoresPerText.Span[0]);
    }

    public static TheoryData<string, string> Faults => new()
    {
        { "none", "no result" },
        { "few", "outcomes for" },
        { "many", "outcomes for" },
        { "records", "records for 1 texts" },
        { "null record", "records for 1 texts" },
        { "null outcome", "no outcome" },
        { "scores", "2 scores for 1 texts" },
        { "nan", "not finite" },
        { "infinity", "not finite" },
        { "throws", "failed: out of order" },
        { "cancels", "failed:" },
        { "times out", "failed:" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task What_breaks_the_contract_is_a_failure_of_each_picture_and_nothing_else(string fault, string reason)
    {
        using var isChecked = new CheckedScorer(
            new Scripted(batch =>
                fault switch
                {
                    "none" => null!,
                    "few" => Scripted.Answer(batch with { Images = [.. batch.Images.Skip(1)] }, _ => 1),
                    "many" => Scripted.Answer(batch with { Images = [.. batch.Images, batch.Images[0]] }, _ => 1),
                    "records" => Scripted.Answer(batch, _ => 1) with { Texts = [] },
                    "null record" => Scripted.Answer(batch, _ => 1) with { Texts = [null!] },
                    "null outcome" => Scripted.Answer(batch, _ => 1) with { Images = new ImageOutcome[batch.Images.Count] },
                    "scores" => Scripted.Answer(batch, _ => 1) with
                    {
                        Images = [.. batch.Images.Select(_ => new ImageOutcome { ScoresPerText = new float[2] })],
                    },
                    "nan" => Scripted.Answer(batch, _ => float.NaN),
                    "infinity" => Scripted.Answer(batch, _ => float.NegativeInfinity),
                    "throws" => throw new InvalidOperationException("out of order"),
                    "cancels" => throw new OperationCanceledException(),
                    _ => throw new TimeoutException(),
                }));
        ScoringResult result = await isChecked.ScoreAsync(Batch(3), default);
        Assert.Equal(3, result.Images.Count);
        Assert.All(result.Images, outcome =>
        {
            Assert.Contains(reason, outcome.Failure, StringComparison.Ordinal);
            Assert.Equal(0, outcome.ScoresPerText.Length);
        });
        Assert.Equal("a text", Assert.Single(result.Texts).Text);
    }

    [Fact]
    public async Task A_failure_has_no_scores_beside_it()
    {
        using var isChecked = new CheckedScorer(new Scripted(batch => Scripted.Answer(batch, _ => 1) with
        {
            Images = [.. batch.Images.Select(_ => new ImageOutcome { ScoresPerText = new float[] { 1 }, Failure = "too dark" })],
        }));
        ImageOutcome outcome = Assert.Single((await isChecked.ScoreAsync(Batch(1), default)).Images);
        Assert.Equal(("too dark", 0), (outcome.Failure, outcome.ScoresPerText.Length));
    }

    [Fact]
    public async Task Pieces_that_were_scored_in_another_way_are_refused()
    {
        int call = 0;
        using var isChecked = new CheckedScorer(new Scripted(batch =>
        {
            ScoringResult result = Scripted.Answer(batch, _ => 1);
            return result with { Texts = [result.Texts[0] with { Model = call++ == 0 ? "one" : "two" }] };
        }) { Descriptor = Scripted.Describe(maxBatch: 2) });
        ScoringResult result = await isChecked.ScoreAsync(Batch(3), default);
        Assert.Null(result.Images[1].Failure);
        Assert.Contains("model: one and two", result.Images[2].Failure, StringComparison.Ordinal);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_scorer_that_hangs_and_ignores_its_token_costs_only_its_scores()
    {
        using var release = new ManualResetEventSlim();
        int calls = 0;
        var scorer = new Scripted(batch =>
        {
            if (Interlocked.Increment(ref calls) == 1)
            {
                release.Wait(CancellationToken.None);
            }

            return Scripted.Answer(batch, _ => 1);
        }) { Descriptor = Scripted.Describe(maxBatch: 2) };
        var isChecked = new CheckedScorer(scorer, Short);
        ScoringResult result = await isChecked.ScoreAsync(Batch(6), default);
        Assert.Contains("no answer within 150 ms", result.Images[0].Failure, StringComparison.Ordinal);

        // No second thread is given to a scorer that still holds one.
        Assert.Contains("has not answered an earlier call yet", result.Images[5].Failure, StringComparison.Ordinal);
        Assert.Equal(1, calls);

        // It is not taken from under the call that runs.
        isChecked.Dispose();
        Assert.False(scorer.IsDisposed);
        release.Set();
        while (!scorer.IsDisposed)
        {
            await Task.Delay(5);
        }
    }

    [Fact(Timeout = 30_000)]
    public async Task A_scorer_that_has_come_to_itself_scores_again()
    {
        using var release = new ManualResetEventSlim();
        bool hang = true;
        using var isChecked = new CheckedScorer(
            new Scripted(batch =>
            {
                if (hang)
                {
                    release.Wait(CancellationToken.None);
                }

                return Scripted.Answer(batch, _ => 1);
            }),
            Short);
        Assert.NotNull((await isChecked.ScoreAsync(Batch(1), default)).Images[0].Failure);
        hang = false;
        release.Set();
        ImageOutcome outcome;
        do
        {
            await Task.Delay(5);
            outcome = (await isChecked.ScoreAsync(Batch(1), default)).Images[0];
        }
        while (outcome.Failure is not null);
        Assert.Equal(1, outcome.ScoresPerText.Span[0]);
    }

    [Fact(Timeout = 30_000)]
    public async Task An_abort_goes_on_though_the_scorer_hangs_in_its_cancellation()
    {
        using var release = new ManualResetEventSlim();
        using var abort = new CancellationTokenSource();
        using var isChecked = new CheckedScorer(new Scripted((batch, token) =>
        {
            token.Register(() => release.Wait(CancellationToken.None));
            abort.CancelAfter(20);
            release.Wait(CancellationToken.None);
            return Scripted.Answer(batch, _ => 1);
        }));
        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => isChecked.ScoreAsync(Batch(1), abort.Token).AsTask());
        Assert.Equal(abort.Token, exception.CancellationToken);
        release.Set();
    }

    [Fact]
    public async Task The_callers_thread_does_not_compute()
    {
        int caller = Environment.CurrentManagedThreadId;
        using var entered = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        using var isChecked = new CheckedScorer(new Scripted(batch =>
        {
            entered.Set();
            release.Wait(CancellationToken.None);
            return Scripted.Answer(batch, _ => 1);
        }));
        ValueTask<ScoringResult> scoring = isChecked.ScoreAsync(Batch(1), default);
        Assert.False(scoring.IsCompleted);
        Assert.Equal(caller, Environment.CurrentManagedThreadId);
        release.Set();
        Assert.Null((await scoring).Images[0].Failure);
    }

    [Fact]
    public async Task A_scorer_that_is_not_ready_says_so()
    {
        using var isChecked = new CheckedScorer(
            new Scripted(batch => Scripted.Answer(batch, _ => 1)) { Ready = _ => throw new IOException("no such program") });
        DiffusionClipException exception = await Assert.ThrowsAsync<DiffusionClipException>(() => isChecked.ReadyAsync(default).AsTask());
        Assert.Contains("scorer scripted cannot be used: scripted failed: no such program", exception.Message, StringComparison.Ordinal);
        await ((IImageScorer)new ToyScorer()).ReadyAsync(default);
    }

    [Fact]
    public void Descriptors_that_cannot_be_are_refused()
    {
        Assert.Throws<InvalidRequestException>(
            () => new CheckedScorer(new Scripted(_ => null!) { Descriptor = Scripted.Describe(maxBatch: 0) }));
        Assert.Throws<InvalidRequestException>(
            () => new CheckedScorer(new Scripted(_ => null!) { Descriptor = Scripted.Describe() with { Phases = [] } }));
    }

    private static ScoringBatch Batch(int images) => new()
    {
        Images = [.. Enumerable.Range(1, images).Select(width => new RgbImage(width, 1, new byte[3 * width]))],
        Texts = ["a text"],
    };
}

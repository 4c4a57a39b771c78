namespace DiffusionClip.Testing;

public sealed class ScorerConformanceTests
{
    [Fact]
    public Task The_toy_scorer_conforms() => ScorerConformance.CheckAsync(new ToyScorer());

    [Fact]
    public Task A_scorer_that_rightly_fails_one_picture_conforms() => ScorerConformance.CheckAsync(new Scripted
    {
        Outcome = (_, image, texts) => image.Width == 1 ? ImageOutcome.Failed("too small") : Scores(texts, 0.5f),
    });

    [Fact]
    public Task A_scorer_that_takes_one_picture_and_no_text_conforms() => ScorerConformance.CheckAsync(new Scripted
    {
        Descriptor = Described with { MaxBatch = 1, NeedsText = false, Phases = [ScoringPhase.Final] },
        Check = batch => Assert.Equal(ScoringPhase.Final, batch.Phase),
    });

    [Fact]
    public Task A_scorer_that_fails_what_has_an_odd_text_conforms() => ScorerConformance.CheckAsync(new Scripted
    {
        Outcome = (_, _, texts) =>
            texts.Any(text => text.Contains('\0', StringComparison.Ordinal)) ? ImageOutcome.Failed("no such letter") : Scores(texts, 0.5f),
    });

    public static TheoryData<string, string> Faults => new()
    {
        { "loses one", "4 pictures give as many outcomes, not 3" },
        { "no records", "3 texts give as many records, not 0" },
        { "depends on the batch", "in a batch and alone" },
        { "depends on the order", "in two orders" },
        { "depends on the other texts", "among others and alone" },
        { "fails in batches only", "can be scored again" },
        { "throws in batches only", "not InvalidOperationException (no batches)" },
        { "not finite", "finite" },
        { "infinite", "finite" },
        { "too few scores", "2 scores for 3 texts" },
        { "out of scale", "probability lies" },
        { "other records", "agree with the descriptor" },
        { "throws at a text", "not ArgumentException (too long)" },
        { "one at a time", "other calls" },
        { "throws when cancelled", "ends as cancelled or with a result, not with ObjectDisposedException" },
        { "half a result when cancelled", "is cancelled or gives a whole result" },
        { "hangs when cancelled", "not with TimeoutException" },
        { "hangs", "gave no answer within" },
        { "remembers", "before and after other calls" },
        { "reads texts all the same", "does not need texts" },
        { "no name", "has a name" },
        { "a name with a comma", "requests can ask for the name" },
        { "no batch", "at least 1, not 0" },
        { "not ready", "the scorer becomes ready" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task A_broken_scorer_is_found(string fault, string rule)
    {
        TimeSpan timeout = TimeSpan.FromSeconds(fault.StartsWith("hangs", StringComparison.Ordinal) ? 0.5 : 30);
        ScorerConformanceException exception = await Assert.ThrowsAsync<ScorerConformanceException>(
            () => ScorerConformance.CheckAsync(Broken(fault), timeout: timeout));
        Assert.Contains(rule, exception.Message, StringComparison.Ordinal);
    }

    private static ScorerDescriptor Described { get; } = new() { Name = "scripted", Version = "1", Scale = ScoreScale.Probability };

    private static ImageOutcome Scores(IReadOnlyList<string> texts, float score) =>
        new() { ScoresPerText = texts.Select(_ => score).ToArray() };

    private static Scripted Broken(string fault)
    {
        int busy = 0, calls = 0;
        return fault switch
        {
            "loses one" => new() { Result = result => result with { Images = [.. result.Images.Skip(1)] } },
            "no records" => new() { Result = result => result with { Texts = [] } },
            "depends on the batch" => new() { Outcome = (batch, _, texts) => Scores(texts, 0.1f * batch.Images.Count) },
            "depends on the order" => new()
            {
                Outcome = (batch, image, texts) => Scores(texts, batch.Images.Count > 1 && batch.Images[0].Width == 300 ? 0.1f : 0.5f),
            },
            "depends on the other texts" => new() { Outcome = (_, _, texts) => Scores(texts, 1f / texts.Count) },
            "fails in batches only" =>
                new() { Outcome = (batch, _, texts) => batch.Images.Count > 1 ? ImageOutcome.Failed("too many") : Scores(texts, 0.5f) },
            "throws in batches only" =>
                new() { Check = batch => Throw(batch.Images.Count > 1, new InvalidOperationException("no batches")) },
            "not finite" => new() { Outcome = (_, _, texts) => Scores(texts, float.NaN) },
            "infinite" => new() { Outcome = (_, _, texts) => Scores(texts, float.PositiveInfinity) },
            "too few scores" => new() { Outcome = (_, _, texts) => Scores([.. texts.Skip(1)], 0.5f) },
            "out of scale" => new() { Outcome = (_, _, texts) => Scores(texts, 2) },
            "other records" =>
                new() { Result = result => result with { Texts = [.. result.Texts.Select(text => text with { Version = "2" })] } },
            "throws at a text" =>
                new() { Check = batch => Throw(batch.Texts.Any(text => text.Length > 1000), new ArgumentException("too long")) },
            "one at a time" => new()
            {
                Outcome = (_, _, texts) =>
                {
                    bool alone = Interlocked.Increment(ref busy) == 1;
                    Thread.Sleep(20);
                    Interlocked.Decrement(ref busy);
                    return Scores(texts, alone ? 0.5f : 0.7f);
                },
            },
            "throws when cancelled" => new() { Cancelled = _ => throw new ObjectDisposedException("model") },
            "half a result when cancelled" => new() { Cancelled = result => result with { Images = [] } },
            "hangs when cancelled" => new() { Cancelled = _ => Hang() },
            "hangs" => new() { Check = _ => Hang() },
            "remembers" => new()
            {
                Outcome = (batch, _, texts) =>
                    Scores(texts, batch.Images.Count == 4 && texts.Count == 3 && Interlocked.Increment(ref calls) > 4 * 7 ? 0.7f : 0.5f),
            },
            "reads texts all the same" => new()
            {
                Descriptor = Described with { NeedsText = false },
                Outcome = (_, _, texts) => new() { ScoresPerText = texts.Select(text => text.Length / 20_000f).ToArray() },
            },
            "no name" => new() { Descriptor = Described with { Name = " " } },
            "a name with a comma" => new() { Descriptor = Described with { Name = "a,b" } },
            "no batch" => new() { Descriptor = Described with { MaxBatch = 0 } },
            "not ready" => new() { Ready = () => throw new IOException("no such program") },
            _ => throw new ArgumentException(fault),
        };

        static void Throw(bool condition, Exception exception)
        {
            if (condition)
            {
                throw exception;
            }
        }

        static ScoringResult Hang()
        {
            Thread.Sleep(2000);
            throw new InvalidOperationException("the hang is over");
        }
    }

    /// <summary>Conforms, but for what a test changes.</summary>
    private sealed class Scripted : IImageScorer
    {
        public ScorerDescriptor Descriptor { get; init; } = Described;

        public Action<ScoringBatch> Check { get; init; } = _ => { };

        public Func<ScoringBatch, RgbImage, IReadOnlyList<string>, ImageOutcome> Outcome { get; init; } = (_, _, texts) =>
            Scores(texts, 0.5f);

        public Func<ScoringResult, ScoringResult> Result { get; init; } = result => result;

        public Func<ScoringResult, ScoringResult>? Cancelled { get; init; }

        public Func<ValueTask> Ready { get; init; } = () => ValueTask.CompletedTask;

        public ValueTask ReadyAsync(CancellationToken cancellationToken) => Ready();

        public ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken)
        {
            Check(batch);
            var result = new ScoringResult
            {
                Images = [.. batch.Images.Select(image => Outcome(batch, image, batch.Texts))],
                Texts =
                [
                    .. batch.Texts.Select(text => new ScoreRecord
                    {
                        Scorer = Descriptor.Name,
                        Version = "1",
                        Scale = ScoreScale.Probability,
                        Text = text,
                    }),
                ],
            };
            if (cancellationToken.IsCancellationRequested)
            {
                return Cancelled is { } cancelled
                    ? ValueTask.FromResult(cancelled(result))
                    : throw new OperationCanceledException(cancellationToken);
            }

            return ValueTask.FromResult(Result(result));
        }

        public void Dispose()
        {
        }
    }
}

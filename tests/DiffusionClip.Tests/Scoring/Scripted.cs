namespace DiffusionClip.Scoring;

/// <summary>A scorer that does what a test says.</summary>
internal sealed class Scripted(Func<ScoringBatch, CancellationToken, ScoringResult> score) : IImageScorer
{
    public Scripted(Func<ScoringBatch, ScoringResult> score)
        : this((batch, _) => score(batch))
    {
    }

    public ScorerDescriptor Descriptor { get; init; } = Describe();

    public Func<CancellationToken, ValueTask> Ready { get; init; } = _ => ValueTask.CompletedTask;

    public bool IsDisposed { get; private set; }

    public static ScorerDescriptor Describe(string name = "scripted", ScoreScale scale = ScoreScale.Unbounded, int? maxBatch = 64) =>
        new() { Name = name, Version = "1", Scale = scale, MaxBatch = maxBatch };

    /// <summary>A right answer.</summary>
    public static ScoringResult Answer(ScoringBatch batch, Func<RgbImage, float> score, string name = "scripted") => new()
    {
        Images = [.. batch.Images.Select(image => new ImageOutcome { ScoresPerText = batch.Texts.Select(_ => score(image)).ToArray() })],
        Texts = [.. batch.Texts.Select(text => new ScoreRecord { Scorer = name, Version = "1", Scale = ScoreScale.Unbounded, Text = text })],
    };

    public ValueTask ReadyAsync(CancellationToken cancellationToken) => Ready(cancellationToken);

    public ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken) => ValueTask.FromResult(score(batch, cancellationToken));

    public void Dispose() => IsDisposed = true;
}

namespace DiffusionClip.Testing;

public sealed class ScorerConformanceTests
{
    [Fact]
    public Task The_toy_scorer_conforms() => ScorerConformance.CheckAsync(new ToyScorer());

    [Theory]
    [InlineData(Fault.LosesOne, "as many outcomes")]
    [InlineData(Fault.DependsOnBatch, "alone and")]
    [InlineData(Fault.NotFinite, "finite")]
    [InlineData(Fault.OutOfScale, "probability lies")]
    public async Task A_broken_scorer_is_found(Fault fault, string rule)
    {
        ScorerConformanceException exception = await Assert.ThrowsAsync<ScorerConformanceException>(() => ScorerConformance.CheckAsync(new BrokenScorer(fault)));
        Assert.Contains(rule, exception.Message, StringComparison.Ordinal);
    }

    public enum Fault
    {
        LosesOne,
        DependsOnBatch,
        NotFinite,
        OutOfScale,
    }

    private sealed class BrokenScorer(Fault fault) : IImageScorer
    {
        public ScorerDescriptor Descriptor { get; } = new() { Name = "toy", Version = "1", Scale = ScoreScale.Probability };

        public ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken)
        {
            float score = fault switch { Fault.DependsOnBatch => 0.1f * batch.Images.Count, Fault.NotFinite => float.NaN, Fault.OutOfScale => 2, _ => 0.5f };
            IEnumerable<RgbImage> images = fault == Fault.LosesOne ? batch.Images.Skip(1) : batch.Images;
            return ValueTask.FromResult(new ScoringResult
            {
                Images = [.. images.Select(_ => new ImageOutcome { ScoresPerText = batch.Texts.Select(_ => score).ToArray() })],
                Texts = [.. batch.Texts.Select(text => new ScoreRecord { Scorer = "toy", Version = "1", Scale = ScoreScale.Probability, Text = text })],
            });
        }

        public void Dispose()
        {
        }
    }
}

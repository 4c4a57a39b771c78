namespace DiffusionClip.Worker.Tests.Page;

/// <summary>
/// A strategy whose population shrinks and branches: at half the way the worse half is cut and the best is forked, at three quarters again.
/// </summary>
internal sealed class HalveAndFork : ISearchStrategy
{
    public string Name => "halve-and-fork";

    public SearchMove Next(SearchState state)
    {
        SearchBudget budget = state.Budget;
        int[] stops =
        [
            .. new[] { budget.Evaluations / 2, budget.Evaluations * 3 / 4 }.Select(evaluation =>
                budget.Boundaries.Last(boundary => boundary <= evaluation)),
        ];
        if (state.Rounds.Count == 0)
        {
            return SearchMove.Advance.Roots(budget.Candidates, stops[0]);
        }

        List<CandidateScore> ranked =
        [
            .. state.Rounds[^1].Population.Where(candidate => candidate.Failure is null).OrderByDescending(candidate => candidate.Total),
        ];
        if (state.Rounds.Count > stops.Length)
        {
            return new SearchMove.Finish { Kept = [.. ranked.Take(budget.Keep).Select(candidate => candidate.Candidate)] };
        }

        IEnumerable<CandidateId> better = ranked.Take(Math.Max(1, ranked.Count / 2)).Select(candidate => candidate.Candidate);
        return SearchMove.Advance.On([.. better, ranked[0].Candidate], state.Rounds.Count < stops.Length ? stops[1] : budget.Evaluations);
    }
}

/// <summary>A scorer that likes it bright, whatever the text says.</summary>
internal sealed class BrightnessScorer : IImageScorer
{
    public ScorerDescriptor Descriptor { get; } = new() { Name = "brightness", Version = "1", Scale = ScoreScale.Probability };

    public ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken)
    {
        ImageOutcome[] images =
        [
            .. batch.Images.Select(image => new ImageOutcome
            {
                ScoresPerText = Enumerable.Repeat(Brightness(image), batch.Texts.Count).ToArray(),
            }),
        ];
        ScoreRecord[] texts =
        [
            .. batch.Texts.Select(text => new ScoreRecord
            {
                Scorer = Descriptor.Name,
                Version = Descriptor.Version,
                Scale = Descriptor.Scale,
                Text = text,
            }),
        ];
        return ValueTask.FromResult(new ScoringResult { Images = images, Texts = texts });
    }

    public void Dispose()
    {
    }

    private static float Brightness(RgbImage image)
    {
        long sum = 0;
        foreach (byte value in image.Pixels.Span)
        {
            sum += value;
        }

        return sum / (255f * image.Pixels.Length);
    }
}

using DiffusionClip.Scoring;

namespace DiffusionClip.Testing;

/// <summary>A scorer does not keep the contract.</summary>
public sealed class ScorerConformanceException(string message) : Exception(message);

/// <summary>
/// What every scorer has to hold, whatever it scores; for the tests of scorer authors, with any test framework. Scorers are called as the
/// program calls them, through <see cref="CheckedScorer"/>; what the program would make a picture's failure is an error here.
/// </summary>
public static class ScorerConformance
{
    private const int Callers = 4;

    /// <summary>Runs every check.</summary>
    /// <param name="scorer">The scorer; stays the caller's.</param>
    /// <param name="tolerance">How far a score may move between a batch and a single picture, between orders and between callers.</param>
    /// <param name="timeout">How long one call may take; null: <see cref="CheckedScorer.DefaultTimeout"/>.</param>
    /// <exception cref="ScorerConformanceException">Names the rule that was broken and what was seen.</exception>
    public static async Task CheckAsync(IImageScorer scorer, float tolerance = 1e-4f, TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(scorer);
        CheckDescriptor(scorer.Descriptor);
        var called = new Called(scorer, timeout ?? CheckedScorer.DefaultTimeout);
        await called.ReadyAsync().ConfigureAwait(false);

        RgbImage[] images = [Plain(64, 64, 200, 30, 40), Plain(31, 77, 10, 220, 60), Plain(1, 1, 5, 5, 250), Plain(300, 20, 128, 128, 128)];
        string[] texts = ["a red square", "green", ""];
        ScoringResult together = await called.ScoreAsync(images, texts).ConfigureAwait(false);
        for (int i = 0; i < images.Length; i++)
        {
            ScoringResult alone = await called.ScoreAsync([images[i]], texts).ConfigureAwait(false);
            Compare(together.Images[i], alone.Images[0], tolerance, $"picture {i} in a batch and alone");
        }

        ScoringResult reversed = await called.ScoreAsync([.. images.Reverse()], texts).ConfigureAwait(false);
        for (int i = 0; i < images.Length; i++)
        {
            Compare(together.Images[i], reversed.Images[images.Length - 1 - i], tolerance, $"picture {i} in two orders");
        }

        for (int j = 0; j < texts.Length; j++)
        {
            ScoringResult one = await called.ScoreAsync(images, [texts[j]]).ConfigureAwait(false);
            for (int i = 0; i < images.Length; i++)
            {
                Compare(Only(together.Images[i], j), one.Images[i], tolerance, $"picture {i} against text {j} among others and alone");
            }
        }

        ScoringResult none = await called.ScoreAsync([], texts).ConfigureAwait(false);
        Require(none.Images.Count == 0, "no pictures give no outcomes");
        if (scorer.Descriptor.Phases.Contains(ScoringPhase.Checkpoint))
        {
            await called.ScoreAsync(images, texts, ScoringPhase.Checkpoint).ConfigureAwait(false);
        }

        // A text that the scorer cannot read is a failure of the pictures, and of these alone.
        foreach (string odd in new[] { new string('x', 20_000), "\0\u0001\ufffe", "e\u0301 \U0001F98A", " \n\t " })
        {
            await called.ScoreAsync([images[0]], [odd]).ConfigureAwait(false);
        }

        await CheckConcurrencyAsync(called, images, texts, together, tolerance).ConfigureAwait(false);
        await CheckCancellationAsync(called, images, texts).ConfigureAwait(false);
        ScoringResult after = await called.ScoreAsync(images, texts).ConfigureAwait(false);
        for (int i = 0; i < images.Length; i++)
        {
            Compare(together.Images[i], after.Images[i], tolerance, $"picture {i} before and after other calls");
        }
    }

    private static void CheckDescriptor(ScorerDescriptor descriptor)
    {
        Require(descriptor is not null, "there is a descriptor");
        Require(!string.IsNullOrWhiteSpace(descriptor!.Name), "the descriptor has a name");
        Require(descriptor.Name.AsSpan().IndexOfAny(",=/\\") < 0 && descriptor.Name != ScorerCatalog.None, $"requests can ask for the name, which '{descriptor.Name}' does not allow");
        Require(!string.IsNullOrWhiteSpace(descriptor.Version), "the descriptor has a version");
        Require(descriptor.MaxBatch is null or >= 1, $"the largest batch is at least 1, not {descriptor.MaxBatch}");
        Require(descriptor.Phases is { Count: > 0 }, "the scorer scores checkpoints, finished pictures or both");
    }

    private static async Task CheckConcurrencyAsync(Called called, RgbImage[] images, string[] texts, ScoringResult expected, float tolerance)
    {
        ScoringResult[] results = await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(() => called.ScoreAsync(images, texts)))).ConfigureAwait(false);
        foreach (ScoringResult result in results)
        {
            for (int i = 0; i < images.Length; i++)
            {
                Compare(expected.Images[i], result.Images[i], tolerance, $"picture {i} alone and beside {Callers - 1} other calls");
            }
        }
    }

    private static async Task CheckCancellationAsync(Called called, RgbImage[] images, string[] texts)
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync().ConfigureAwait(false);
        await called.EndsAsync(images, texts, cancelled.Token, "cancelled before it began").ConfigureAwait(false);

        using var late = new CancellationTokenSource(TimeSpan.FromMilliseconds(1));
        await called.EndsAsync(images, texts, late.Token, "cancelled while it ran").ConfigureAwait(false);
    }

    private static void Compare(ImageOutcome one, ImageOutcome other, float tolerance, string what)
    {
        Require(
            one.Failure is null == other.Failure is null,
            $"{what}: a picture that can be scored once can be scored again, but there is {Text(one)} and {Text(other)}");
        for (int j = 0; j < one.ScoresPerText.Length; j++)
        {
            float a = one.ScoresPerText.Span[j], b = other.ScoresPerText.Span[j];
            Require(MathF.Abs(a - b) <= tolerance, FormattableString.Invariant($"{what}: {a:R} and {b:R} are more than {tolerance:R} apart"));
        }

        static string Text(ImageOutcome outcome) => outcome.Failure is { } failure ? $"a failure ({failure})" : "a score";
    }

    private static ImageOutcome Only(ImageOutcome outcome, int text) =>
        outcome.Failure is null ? outcome with { ScoresPerText = outcome.ScoresPerText.Slice(text, 1) } : outcome;

    private static RgbImage Plain(int width, int height, byte red, byte green, byte blue)
    {
        byte[] pixels = new byte[3 * width * height];
        for (int i = 0; i < pixels.Length; i += 3)
        {
            (pixels[i], pixels[i + 1], pixels[i + 2]) = (red, green, blue);
        }

        return new RgbImage(width, height, pixels);
    }

    private static void Require(bool condition, string rule)
    {
        if (!condition)
        {
            throw new ScorerConformanceException(rule);
        }
    }

    /// <summary>Calls a scorer as the program does, and looks at what it answered before the program made the best of it.</summary>
    private sealed class Called(IImageScorer scorer, TimeSpan timeout)
    {
        public async Task ReadyAsync()
        {
            try
            {
                await new CheckedScorer(new Watched(scorer), timeout).ReadyAsync(CancellationToken.None).ConfigureAwait(false);
            }
            catch (DiffusionClipException exception)
            {
                throw new ScorerConformanceException($"the scorer becomes ready: {exception.Message}");
            }
        }

        public async Task<ScoringResult> ScoreAsync(RgbImage[] images, string[] texts, ScoringPhase phase = ScoringPhase.Final)
        {
            var watched = new Watched(scorer);
            var batch = new ScoringBatch { Images = images, Texts = texts, Phase = phase };
            ScoringResult result = await new CheckedScorer(watched, timeout).ScoreAsync(batch, CancellationToken.None).ConfigureAwait(false);
            if (watched.Problem is { } problem)
            {
                throw new ScorerConformanceException(problem);
            }

            foreach (ImageOutcome outcome in result.Images)
            {
                // What the scorer itself did not call a failure.
                Require(outcome.Failure is null || watched.Failures.Contains(outcome.Failure), $"every picture has its scores or a failure: {outcome.Failure}");
                foreach (float score in outcome.ScoresPerText.Span)
                {
                    CheckScale(score);
                }

                Require(
                    scorer.Descriptor.NeedsText || outcome.ScoresPerText.Length < 2 || outcome.ScoresPerText.Span.IndexOfAnyExcept(outcome.ScoresPerText.Span[0]) < 0,
                    "a scorer that does not need texts gives the same score for each");
            }

            Require(
                result.Texts.All(record => (record.Scorer, record.Version, record.Scale) == (scorer.Descriptor.Name, scorer.Descriptor.Version, scorer.Descriptor.Scale)),
                "records agree with the descriptor");
            return result;
        }

        /// <summary>A call whose token is cancelled ends: as cancelled, or with a result that holds.</summary>
        public async Task EndsAsync(RgbImage[] images, string[] texts, CancellationToken token, string when)
        {
            RgbImage[] batch = [.. images.Take(scorer.Descriptor.MaxBatch ?? images.Length)];
            try
            {
                ScoringResult result = await Task.Run(
                    async () => await scorer.ScoreAsync(new ScoringBatch { Images = batch, Texts = texts }, token).ConfigureAwait(false),
                    CancellationToken.None).WaitAsync(timeout, CancellationToken.None).ConfigureAwait(false);
                Require(result.Images.Count == batch.Length && result.Texts.Count == texts.Length, $"a call {when} is cancelled or gives a whole result");
            }
            catch (OperationCanceledException)
            {
                // What a scorer that looks at its token does; one that is done before it looks is as good.
            }
            catch (Exception exception) when (exception is not ScorerConformanceException)
            {
                throw new ScorerConformanceException($"a call {when} ends as cancelled or with a result, not with {exception.GetType().Name} ({exception.Message})");
            }
        }

        private void CheckScale(float score)
        {
            ScoreScale scale = scorer.Descriptor.Scale;
            Require(scale != ScoreScale.Cosine || MathF.Abs(score) <= 1.0001f, FormattableString.Invariant($"a cosine lies in -1 to 1, not at {score:R}"));
            Require(scale != ScoreScale.Probability || score is >= 0 and <= 1, FormattableString.Invariant($"a probability lies in 0 to 1, not at {score:R}"));
        }
    }

    /// <summary>Notes what a scorer answers. Its life is the caller's.</summary>
    private sealed class Watched(IImageScorer scorer) : IImageScorer
    {
        private readonly HashSet<string> _failures = new(StringComparer.Ordinal);

        public ScorerDescriptor Descriptor => scorer.Descriptor;

        /// <summary>Failures that the scorer gave of its own accord.</summary>
        public IReadOnlySet<string> Failures => _failures;

        /// <summary>The first rule that a call broke.</summary>
        public string? Problem { get; private set; }

        public ValueTask ReadyAsync(CancellationToken cancellationToken) => scorer.ReadyAsync(cancellationToken);

        public async ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken)
        {
            try
            {
                ScoringResult result = await scorer.ScoreAsync(batch, cancellationToken).ConfigureAwait(false);
                Note(result?.Images is { } images && images.Count == batch.Images.Count, $"{batch.Images.Count} pictures give as many outcomes, not {result?.Images?.Count ?? 0}");
                Note(result?.Texts is { } texts && texts.Count == batch.Texts.Count, $"{batch.Texts.Count} texts give as many records, not {result?.Texts?.Count ?? 0}");
                foreach (string failure in (result?.Images ?? []).Select(outcome => outcome?.Failure).OfType<string>())
                {
                    _failures.Add(failure);
                }

                return result!;
            }
            catch (Exception exception)
            {
                Note(false, $"what cannot be scored is an outcome with a failure, not {exception.GetType().Name} ({exception.Message})");
                throw;
            }
        }

        public void Dispose()
        {
        }

        private void Note(bool holds, string rule) => Problem ??= holds ? null : rule;
    }
}

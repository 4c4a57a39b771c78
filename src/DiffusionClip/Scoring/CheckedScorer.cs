using System.Globalization;

namespace DiffusionClip.Scoring;

/// <summary>
/// The one way in which scorers are called. Counts, finiteness and time are checked; batches are cut to what the scorer takes; a batch that
/// fails is tried picture by picture, so that a picture costs only its own scores. The scorer runs on threads of the pool. A call that has
/// timed out or was aborted is left to itself; as long as one runs on beyond its time, further calls fail at once instead of piling up.
/// Thread-safe.
/// </summary>
public sealed class CheckedScorer : IImageScorer
{
    /// <summary>Time for a batch where none is configured.</summary>
    public static readonly TimeSpan DefaultTimeout = new ScoringOptions().Timeout;

    private readonly IImageScorer _scorer;
    private readonly TimeSpan _timeout;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly Dictionary<long, long> _started = [];
    private long _calls;
    private bool _isDisposed;

    /// <summary>Wraps a scorer, which is disposed with the wrapper.</summary>
    /// <param name="scorer">The scorer.</param>
    /// <param name="timeout">How long one call may take; null: <see cref="DefaultTimeout"/>.</param>
    /// <param name="time">Measures it; null: the system's.</param>
    /// <exception cref="InvalidRequestException">The scorer describes itself in a way that cannot be.</exception>
    public CheckedScorer(IImageScorer scorer, TimeSpan? timeout = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(scorer);
        _scorer = scorer;
        _timeout = timeout ?? DefaultTimeout;
        _time = time ?? TimeProvider.System;
        Descriptor = scorer.Descriptor;
        if (Descriptor.MaxBatch < 1)
        {
            throw new InvalidRequestException(
                "max_batch",
                Descriptor.MaxBatch?.ToString(CultureInfo.InvariantCulture),
                $"scorer {Descriptor.Name} takes at least 1 picture, or any number");
        }

        if (Descriptor.Phases.Count == 0)
        {
            throw new InvalidRequestException("phases", null, $"scorer {Descriptor.Name} scores checkpoints, finished pictures or both");
        }
    }

    /// <inheritdoc/>
    public ScorerDescriptor Descriptor { get; }

    /// <summary>The scorer itself.</summary>
    public IImageScorer Inner => _scorer;

    /// <inheritdoc/>
    /// <exception cref="DiffusionClipException">The scorer cannot be used, or was not ready in time.</exception>
    public async ValueTask ReadyAsync(CancellationToken cancellationToken)
    {
        Answer<bool> answer = await CallAsync(
            async token =>
            {
                await _scorer.ReadyAsync(token).ConfigureAwait(false);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
        if (answer.Failure is { } failure)
        {
            throw new DiffusionClipException($"scorer {Descriptor.Name} cannot be used: {failure}", answer.Exception);
        }
    }

    /// <inheritdoc/>
    /// <returns>Per picture one finite score per text, or a failure; per text a record.</returns>
    public ValueTask<ScoringResult> ScoreAsync(ScoringBatch batch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return ScoreAsync(
            batch.Images.Count,
            batch.Texts,
            (start, count, token) => _scorer.ScoreAsync(Part(batch, start, count), token),
            cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>A call that still runs keeps the scorer until it ends.</remarks>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            if (_started.Count > 0)
            {
                return;
            }
        }

        _scorer.Dispose();
    }

    /// <summary>Scores pictures that the caller holds in a form of its own, by the same rules.</summary>
    /// <param name="images">How many.</param>
    /// <param name="texts">The texts.</param>
    /// <param name="score">Scores so many of them, from one of them on.</param>
    /// <param name="cancellationToken">Ends the call early.</param>
    internal async ValueTask<ScoringResult> ScoreAsync(
        int images,
        IReadOnlyList<string> texts,
        Func<int, int, CancellationToken, ValueTask<ScoringResult>> score,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var collected = new Collected(Descriptor, images, texts);
        int size = Math.Max(1, Math.Min(images, Descriptor.MaxBatch ?? images));
        for (int start = 0; start < Math.Max(images, 1); start += size)
        {
            int count = Math.Min(size, images - start);
            Answer<ScoringResult> answer = await TryAsync(start, count).ConfigureAwait(false);
            if (answer.Value is { } result)
            {
                collected.Add(start, result);
            }
            else if (count <= 1 || answer.IsLate)
            {
                collected.Fail(start, count, answer.Failure!);
            }
            else
            {
                for (int i = start; i < start + count; i++)
                {
                    Answer<ScoringResult> alone = await TryAsync(i, 1).ConfigureAwait(false);
                    if (alone.Value is { } one)
                    {
                        collected.Add(i, one);
                    }
                    else
                    {
                        collected.Fail(i, 1, alone.Failure!);
                    }
                }
            }
        }

        return collected.ToResult();

        async Task<Answer<ScoringResult>> TryAsync(int start, int count)
        {
            Answer<ScoringResult> answer = await CallAsync(token => score(start, count, token), cancellationToken).ConfigureAwait(false);
            return answer.Failure is null && Miscounted(answer.Value, count, texts.Count) is { } problem
                ? new() { Failure = $"{Descriptor.Name} gave {problem}" }
                : answer;
        }
    }

    private static string? Miscounted(ScoringResult? result, int images, int texts) => result?.Images is null || result.Texts is null
        ? "no result"
        : result.Images.Count != images
            ? string.Create(CultureInfo.InvariantCulture, $"{result.Images.Count} outcomes for {images} pictures")
            : result.Texts.Count != texts || result.Texts.Contains(null!)
                ? string.Create(CultureInfo.InvariantCulture, $"{result.Texts.Count(text => text is not null)} records for {texts} texts")
                : null;

    private static ScoringBatch Part(ScoringBatch batch, int start, int count) =>
        count == batch.Images.Count ? batch : batch with { Images = [.. batch.Images.Skip(start).Take(count)] };

    private async Task<Answer<T>> CallAsync<T>(Func<CancellationToken, ValueTask<T>> call, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Enter() is not { } number)
        {
            return new() { Failure = $"{Descriptor.Name} has not answered an earlier call yet", IsLate = true };
        }

        var stop = new CancellationTokenSource();
        Task<T> running = Task.Run(async () => await call(stop.Token).ConfigureAwait(false), CancellationToken.None);
        _ = running.ContinueWith(
            ended =>
            {
                _ = ended.Exception;
                Leave(number);
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        try
        {
            // Not linked: what the scorer does at its cancellation must not block the thread that cancels.
            using (cancellationToken.UnsafeRegister(static source => _ = ((CancellationTokenSource)source!).CancelAsync(), stop))
            {
                return new() { Value = await running.WaitAsync(_timeout, _time, cancellationToken).ConfigureAwait(false) };
            }
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (TimeoutException) when (!running.IsCompleted)
        {
            _ = stop.CancelAsync();
            return new()
            {
                Failure = $"{Descriptor.Name} gave no answer within {Text(_timeout)}; "
                    + "if it is only slow, raise DiffusionClip:Scoring:Timeout",
                IsLate = true,
            };
        }
        catch (Exception exception)
        {
            return new() { Failure = $"{Descriptor.Name} failed: {exception.Message}", Exception = exception };
        }
    }

    private static string Text(TimeSpan time) =>
        time < TimeSpan.FromSeconds(1)
            ? FormattableString.Invariant($"{time.TotalMilliseconds:0.#} ms")
            : FormattableString.Invariant($"{time.TotalSeconds:0.#} s");

    /// <summary>Notes a call; null while an earlier one runs on beyond its time.</summary>
    private long? Enter()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_timeout != Timeout.InfiniteTimeSpan && _started.Values.Any(started => _time.GetElapsedTime(started) >= _timeout))
            {
                return null;
            }

            _started.Add(++_calls, _time.GetTimestamp());
            return _calls;
        }
    }

    private void Leave(long number)
    {
        lock (_lock)
        {
            _started.Remove(number);
            if (!_isDisposed || _started.Count > 0)
            {
                return;
            }
        }

        _scorer.Dispose();
    }

    /// <summary>What a call gave.</summary>
    private readonly record struct Answer<T>
    {
        public T? Value { get; init; }

        public string? Failure { get; init; }

        /// <summary>Whether there was no time: another try would only take more of it.</summary>
        public bool IsLate { get; init; }

        public Exception? Exception { get; init; }
    }

    /// <summary>Outcomes as they come in.</summary>
    private sealed class Collected(ScorerDescriptor descriptor, int images, IReadOnlyList<string> texts)
    {
        private readonly ImageOutcome[] _outcomes = new ImageOutcome[images];
        private IReadOnlyList<ScoreRecord>? _records;

        public void Add(int start, ScoringResult result)
        {
            IReadOnlyList<ScoreRecord> records = _records ??= result.Texts;
            string? difference = records
                .Zip(result.Texts, (first, record) => first.DifferenceFrom(record))
                .FirstOrDefault(found => found is not null);
            for (int i = 0; i < result.Images.Count; i++)
            {
                _outcomes[start + i] = difference is null
                    ? Check(result.Images[i])
                    : ImageOutcome.Failed($"{descriptor.Name} scored it in another way than the pictures before it ({difference})");
            }
        }

        public void Fail(int start, int count, string failure) =>
            _outcomes.AsSpan(start, Math.Max(count, 0)).Fill(ImageOutcome.Failed(failure));

        public ScoringResult ToResult() => new()
        {
            Images = _outcomes,

            // Where nothing was scored, there is nothing else to say of the texts.
            Texts = _records ?? [.. texts.Select(text => new ScoreRecord
            {
                Scorer = descriptor.Name,
                Version = descriptor.Version,
                Scale = descriptor.Scale,
                Text = text,
            })],
        };

        private ImageOutcome Check(ImageOutcome? outcome)
        {
            if (outcome is null)
            {
                return ImageOutcome.Failed($"{descriptor.Name} gave no outcome for it");
            }

            if (outcome.Failure is { } failure)
            {
                return ImageOutcome.Failed(failure);
            }

            if (outcome.ScoresPerText.Length != texts.Count)
            {
                return ImageOutcome.Failed(string.Create(
                    CultureInfo.InvariantCulture, $"{descriptor.Name} gave {outcome.ScoresPerText.Length} scores for {texts.Count} texts"));
            }

            foreach (float score in outcome.ScoresPerText.Span)
            {
                if (!float.IsFinite(score))
                {
                    return ImageOutcome.Failed($"{descriptor.Name} gave a score that is not finite");
                }
            }

            return outcome;
        }
    }
}

using System.Collections.Concurrent;
using System.Diagnostics;

namespace DiffusionClip.Cli.Output;

/// <summary>Counts what happens in a run. The run only counts and queues; the display reads at its own pace.</summary>
internal sealed class RunProgress : IRunObserver
{
    private static readonly int Stages = Enum.GetValues<Stage>().Length;

    private readonly int[] _begun = new int[Stages];
    private readonly int[] _ended = new int[Stages];
    private readonly long[] _ticks = new long[Stages];
    private readonly long[] _since = new long[Stages];
    private readonly ConcurrentQueue<CandidateNews> _news = new();
    private int _evaluationsDone;
    private int _evaluationsEach;
    private int _started;
    private int _over;
    private int _skipped;

    /// <summary>Evaluations done, of all candidates.</summary>
    public int EvaluationsDone => Volatile.Read(ref _evaluationsDone);

    /// <summary>Evaluations that the candidates started so far will need; 0 until the first one ended.</summary>
    public int EvaluationsTotal =>
        Math.Max(EvaluationsDone, (Volatile.Read(ref _started) * Volatile.Read(ref _evaluationsEach)) - Volatile.Read(ref _skipped));

    /// <summary>Candidates that began.</summary>
    public int Started => Volatile.Read(ref _started);

    /// <summary>Candidates that ended: finished, stopped or failed.</summary>
    public int Over => Volatile.Read(ref _over);

    /// <summary>Whether a stage has begun at least once.</summary>
    public bool HasBegun(Stage stage) => Volatile.Read(ref _begun[(int)stage]) > 0;

    /// <summary>Whether a stage is being worked on.</summary>
    public bool IsRunning(Stage stage) => Volatile.Read(ref _begun[(int)stage]) > Volatile.Read(ref _ended[(int)stage]);

    /// <summary>How often a stage ended.</summary>
    public int Count(Stage stage) => Volatile.Read(ref _ended[(int)stage]);

    /// <summary>Time spent in a stage so far.</summary>
    public TimeSpan Elapsed(Stage stage)
    {
        TimeSpan ended = TimeSpan.FromTicks(Interlocked.Read(ref _ticks[(int)stage]));
        return IsRunning(stage) ? ended + Stopwatch.GetElapsedTime(Interlocked.Read(ref _since[(int)stage])) : ended;
    }

    /// <summary>The next candidate that ended, if there is one to report.</summary>
    public bool TryNext(out CandidateNews news) => _news.TryDequeue(out news);

    /// <inheritdoc/>
    public void OnStage(in StageUpdate update)
    {
        if (update.Elapsed is not { } elapsed)
        {
            Interlocked.Exchange(ref _since[(int)update.Stage], Stopwatch.GetTimestamp());
            Interlocked.Increment(ref _begun[(int)update.Stage]);
            return;
        }

        Interlocked.Add(ref _ticks[(int)update.Stage], elapsed.Ticks);
        Interlocked.Increment(ref _ended[(int)update.Stage]);
    }

    /// <inheritdoc/>
    public void OnStep(in StepUpdate update)
    {
        Volatile.Write(ref _evaluationsEach, update.Evaluations);
        Interlocked.Increment(ref _evaluationsDone);
    }

    /// <inheritdoc/>
    public void OnCandidate(CandidateUpdate update)
    {
        switch (update.Event)
        {
            case CandidateEvent.Started:
                Interlocked.Increment(ref _started);
                Interlocked.Add(ref _skipped, update.Evaluation);
                break;
            case CandidateEvent.Finished or CandidateEvent.Stopped or CandidateEvent.Failed:
                Interlocked.Increment(ref _over);
                Interlocked.Add(ref _skipped, Volatile.Read(ref _evaluationsEach) - update.Evaluation);
                _news.Enqueue(new CandidateNews(update.Candidate.Value, update.Event, update.Seed, update.Score, update.Reason));
                break;
        }
    }
}

/// <summary>A candidate ended.</summary>
/// <param name="Index">Its number.</param>
/// <param name="Event">How.</param>
/// <param name="Seed">Its seed.</param>
/// <param name="Score">Its score, if it has one.</param>
/// <param name="Reason">Why it stopped or failed.</param>
internal readonly record struct CandidateNews(int Index, CandidateEvent Event, ulong Seed, double? Score, string? Reason);

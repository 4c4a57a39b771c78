using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace DiffusionClip.Worker.Jobs;

/// <summary>Numbers and spans of the jobs. Never holds words of a request.</summary>
internal sealed class JobTelemetry : IDisposable
{
    /// <summary>Name of the meter and of the source of spans.</summary>
    public const string Name = "DiffusionClip.Worker";

    /// <summary>Spans: <c>job</c>, and in it the stages by their names.</summary>
    public static readonly ActivitySource Spans = new(Name);

    private readonly Meter _meter = new(Name);
    private readonly Histogram<double> _queueWait;
    private readonly Histogram<double> _step;
    private readonly Histogram<double> _stage;
    private readonly Histogram<double> _score;
    private readonly Histogram<double> _snapshot;
    private readonly Counter<long> _jobs;
    private Func<int> _length = static () => 0;
    private Func<int> _models = static () => 0;

    /// <summary>Creates the instruments.</summary>
    public JobTelemetry()
    {
        _queueWait = _meter.CreateHistogram<double>("diffusionclip.queue.wait", "s", "Time between a job's acceptance and its start.");
        _step = _meter.CreateHistogram<double>("diffusionclip.step.duration", "s", "Time between two evaluations of a job.");
        _stage = _meter.CreateHistogram<double>("diffusionclip.stage.duration", "s", "Time at a stop of the road.");
        _score = _meter.CreateHistogram<double>("diffusionclip.clip.score", description: "Scores of finished candidates.");
        _snapshot = _meter.CreateHistogram<double>(
            "diffusionclip.snapshot.duration",
            "s",
            "Time that a run waited for a snapshot to be put together and synced.");
        _jobs = _meter.CreateCounter<long>("diffusionclip.jobs", "{job}", "Jobs that are over.");
        _meter.CreateObservableUpDownCounter("diffusionclip.queue.length", () => _length(), "{job}", "Jobs that wait.");
        _meter.CreateObservableUpDownCounter("diffusionclip.models.loaded", () => _models(), "{model}", "Models loaded or loading.");
    }

    /// <summary>The meter of this host; another host in the process has one of its own with the same name.</summary>
    public Meter Meter => _meter;

    /// <summary>Says where lengths are asked.</summary>
    public void Observe(Func<int> length, Func<int> models)
    {
        _length = length;
        _models = models;
    }

    /// <summary>A job started.</summary>
    public void Started(TimeSpan waited) => _queueWait.Record(Math.Max(0, waited.TotalSeconds));

    /// <summary>An evaluation ended.</summary>
    public void Step(TimeSpan elapsed) => _step.Record(elapsed.TotalSeconds);

    /// <summary>A stage ended.</summary>
    public void Stage(string stage, string cause, TimeSpan elapsed) =>
        _stage.Record(
            elapsed.TotalSeconds,
            new KeyValuePair<string, object?>("stage", stage),
            new KeyValuePair<string, object?>("cause", cause));

    /// <summary>A finished candidate was scored.</summary>
    public void Score(double score) => _score.Record(score);

    /// <summary>A run waited for a snapshot.</summary>
    public void Snapshot(TimeSpan elapsed) => _snapshot.Record(elapsed.TotalSeconds);

    /// <summary>A job is over.</summary>
    public void Ended(JobKind kind, JobState state) => _jobs.Add(
        1,
        new KeyValuePair<string, object?>("outcome", Ledger.LedgerReading.Word(state)),
        new KeyValuePair<string, object?>("kind", Ledger.LedgerReading.Word(kind)));

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();
}

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace DiffusionClip.Worker.Jobs;

/// <summary>Numbers and spans of jobs, which hold nothing of their words.</summary>
public sealed class TelemetryTests
{
    [Fact]
    public async Task Jobs_are_measured_and_traced_without_their_words()
    {
        const string secret = "xylophone";
        var measured = new ConcurrentBag<(string Name, double Value, string Tags)>();
        var spans = new ConcurrentBag<Activity>();
        using var meters = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == JobTelemetry.Name)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        meters.SetMeasurementEventCallback<double>((instrument, value, tags, _) => measured.Add((instrument.Name, value, Text(tags))));
        meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) => measured.Add((instrument.Name, value, Text(tags))));
        meters.SetMeasurementEventCallback<int>((instrument, value, tags, _) => measured.Add((instrument.Name, value, Text(tags))));
        meters.Start();
        using var activities = new ActivityListener
        {
            ShouldListenTo = source => source.Name == JobTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Add,
        };
        ActivitySource.AddActivityListener(activities);

        await using QueueHost host = await QueueHost.StartAsync(services: services =>
            services.AddSingleton<ISearchStrategyFactory>(
                new SearchStrategyFactory(new TrapStrategy("bug", () => throw new InvalidOperationException(secret)))));
        Job done = await host.RunAsync(QueueHost.Generate(secret));
        JobSubmission bad = QueueHost.Generate(secret, seed: 2);
        Job failed = await host.RunAsync(
            bad with
            {
                Body = new JobBody
                {
                    Generate = bad.Body.Generate! with
                    {
                        Search = new() { Strategy = "bug", Candidates = 1 },
                    },
                },
            });
        Assert.Equal((JobState.Done, JobState.Failed), (done.State, failed.State));
        meters.RecordObservableInstruments();

        foreach (
            string name in new[]
            {
                "queue.length",
                "queue.wait",
                "step.duration",
                "stage.duration",
                "clip.score",
                "jobs",
                "models.loaded",
            })
        {
            Assert.Contains(measured, entry => entry.Name == $"diffusionclip.{name}");
        }

        Assert.Contains(
            measured,
            entry => entry is { Name: "diffusionclip.jobs", Value: 1 } && entry.Tags.Contains("outcome=done", StringComparison.Ordinal));
        Assert.Contains(
            measured,
            entry => entry is { Name: "diffusionclip.jobs", Value: 1 } && entry.Tags.Contains("outcome=failed", StringComparison.Ordinal));
        Assert.Contains(
            measured,
            entry => entry.Name == "diffusionclip.stage.duration" && entry.Tags.Contains("stage=denoising", StringComparison.Ordinal));
        Assert.DoesNotContain(measured, entry => entry.Tags.Contains(secret, StringComparison.Ordinal));

        // Spans end beside the answer.
        for (int i = 0; i < 100 && !spans.Any(span => IsOf(span, failed)); i++)
        {
            await Task.Delay(20);
        }

        Activity job = Assert.Single(spans, span => IsOf(span, done));
        Assert.Contains(spans, span => span.OperationName == "denoising" && span.ParentSpanId == job.SpanId);
        Assert.DoesNotContain(
            spans,
            span => (span.StatusDescription + string.Join(' ', span.Tags)).Contains(secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Snapshots_become_rarer_the_more_they_cost()
    {
        var costs = new ConcurrentQueue<(Meter Meter, double Value)>();
        using var meters = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "diffusionclip.snapshot.duration")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        meters.SetMeasurementEventCallback<double>((instrument, value, _, _) => costs.Enqueue((instrument.Meter, value)));
        meters.Start();
        await using QueueHost host = await QueueHost.StartAsync(options => options.Queue.SnapshotInterval = TimeSpan.Zero);
        Job job = await host.RunAsync(QueueHost.Generate(candidates: 1, steps: 60));
        Assert.Equal(JobState.Done, job.State);
        double[] all = [.. costs.Where(cost => cost.Meter == host.Get<JobTelemetry>().Meter).Select(cost => cost.Value)];
        double seconds = job.Result!.Report!.Seconds;
        TestContext.Current.SendDiagnosticMessage(
            FormattableString.Invariant(
                $"snapshots: {all.Length} of them in {seconds:F2} s, {all.Sum():F4} s in all ({100 * all.Sum() / seconds:F2} %), the first {all.FirstOrDefault():F4} s"
            ));

        // Between two of them lies a hundred times the cost of the first of the two: this holds whatever the machine does.
        Assert.NotEmpty(all);
        Assert.True(all.SkipLast(1).Sum() <= 0.01 * seconds);
    }

    private static bool IsOf(Activity span, Job job) => span.OperationName == "job" && (string?)span.GetTagItem("job.id") == job.Id;

    private static string Text(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var text = new List<string>();
        foreach (KeyValuePair<string, object?> tag in tags)
        {
            text.Add($"{tag.Key}={tag.Value}");
        }

        return string.Join(' ', text);
    }
}

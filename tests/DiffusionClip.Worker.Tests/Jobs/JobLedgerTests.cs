using System.Diagnostics;
using CsCheck;
using DiffusionClip.Worker.Jobs.Ledger;
using Microsoft.Data.Sqlite;

namespace DiffusionClip.Worker.Jobs;

/// <summary>What is written down, and that nothing else happens to it than the table of states says.</summary>
public sealed class JobLedgerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dclip-ledger-").FullName;
    private readonly Clock _clock = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Whatever_is_asked_of_a_job_it_ends_once_and_its_transitions_say_how()
    {
        using DataFolder data = Folder();
        using JobLedger ledger = await OpenAsync(data);
        await OneOf("start", "done", "fail", "cancel", "finish", "requeue", "restart").Array[1, 12].SampleAsync(
            async operations =>
            {
                Job job = await ledger.AcceptAsync(Entry(), (_, _) => { });
                foreach (string operation in operations)
                {
                    Job before = ledger.Find("a", job.Id)!;
                    switch (operation)
                    {
                        case "start":
                            Assert.Equal(before.State == JobState.Queued, await ledger.StartAsync(job.Id, _ => { }) is not null);
                            break;
                        case "done":
                            Assert.Equal(before.State == JobState.Running, await ledger.EndAsync(job.Id, before.Attempts, JobState.Done, null, new JobResult(), null, _ => { }) is not null);
                            break;
                        case "fail":
                            Assert.Equal(before.State == JobState.Running, await ledger.EndAsync(job.Id, before.Attempts, JobState.Failed, "why", null, null, _ => { }) is not null);
                            break;
                        case "requeue":
                            Assert.Equal(before.State == JobState.Running, await ledger.RequeueAsync(job.Id, before.Attempts, "drain", _ => { }) is not null);
                            break;
                        case "restart":
                            await ledger.RecoverAsync();
                            break;
                        default:
                            (CancelOutcome outcome, _) = await ledger.CancelAsync("a", job.Id, operation == "cancel" ? CancelKind.Abort : CancelKind.Finish, _ => { });
                            Assert.Equal(
                                before.State switch
                                {
                                    JobState.Queued => CancelOutcome.Cancelled,
                                    JobState.Running => CancelOutcome.Stopping,
                                    JobState.Cancelled => CancelOutcome.AlreadyCancelled,
                                    _ => CancelOutcome.Over,
                                },
                                outcome);
                            break;
                    }

                    Job after = ledger.Find("a", job.Id)!;
                    Assert.True(!before.IsOver || (before.State, before.Reason) == (after.State, after.Reason), $"{before.State} after {operation} is {after.State}");
                }

                IReadOnlyList<JobTransition> changes = ledger.Transitions(job.Id);
                Assert.Equal((null, JobState.Queued), (changes[0].From, changes[0].To));
                Assert.All(changes.Zip(changes.Skip(1)), pair => Assert.Equal(pair.First.To, pair.Second.From));
                Assert.Equal(ledger.Find("a", job.Id)!.State, changes[^1].To);
                Assert.True(changes.Count(change => change.To is JobState.Done or JobState.Failed or JobState.Cancelled or JobState.SetAside) <= 1);
            },
            iter: 60, threads: 1);
        Assert.Equal("ok", Pragma("integrity_check"));
    }

    [Fact]
    public async Task Ids_sort_by_acceptance_also_when_the_clock_goes_back_and_after_a_restart()
    {
        var ids = new List<string>();
        using DataFolder data = Folder();
        using (JobLedger ledger = await OpenAsync(data))
        {
            for (int i = 0; i < 20; i++)
            {
                _clock.Jump(TimeSpan.FromSeconds(i % 3 == 0 ? -3600 : 1));
                ids.Add((await ledger.AcceptAsync(Entry(), (_, _) => { })).Id);
            }

            Assert.Equal(ids.AsEnumerable().Reverse(), ledger.List("a", null, 100, null).Select(job => job.Id));
            Assert.Equal(ids.Take(5).Reverse(), ledger.List("a", ids[5], 100, null).Select(job => job.Id));
        }

        _clock.Jump(TimeSpan.FromDays(-400));
        using JobLedger again = await OpenAsync(data);
        Assert.True(string.CompareOrdinal((await again.AcceptAsync(Entry(), (_, _) => { })).Id, ids[^1]) > 0);
    }

    [Fact]
    public async Task One_key_and_body_sent_at_once_are_one_job_and_another_body_is_refused()
    {
        using DataFolder data = Folder();
        using JobLedger ledger = await OpenAsync(data);
        Job[] jobs = await Task.WhenAll(
            Enumerable.Range(0, 50).Select(_ => Task.Run(() => ledger.AcceptAsync(Entry() with { IdempotencyKey = "k" }, (_, _) => { }))));
        Assert.Single(jobs.Select(job => job.Id).Distinct());
        IdempotencyConflictException conflict = await Assert.ThrowsAsync<IdempotencyConflictException>(
            () => ledger.AcceptAsync(Entry() with { IdempotencyKey = "k", SubmittedSha256 = "another" }, (_, _) => { }));
        Assert.Equal(jobs[0].Id, conflict.JobId);
        Assert.Throws<IdempotencyConflictException>(() => ledger.FindByKey("a", "k", "another"));

        // Another caller's key is another key.
        Assert.NotEqual(jobs[0].Id, (await ledger.AcceptAsync(Entry() with { Caller = "b", IdempotencyKey = "k" }, (_, _) => { })).Id);
    }

    [Fact]
    public async Task A_callers_share_and_the_whole_queue_have_bounds_that_hold_under_concurrency()
    {
        using DataFolder data = Folder();
        using JobLedger ledger = await OpenAsync(data, options => (options.Queue.Capacity, options.Queue.CallerCapacity) = (25, 10));
        int accepted = 0, ofCaller = 0, ofAll = 0;
        await Task.WhenAll(Enumerable.Range(0, 80).Select(i => Task.Run(async () =>
        {
            try
            {
                await ledger.AcceptAsync(Entry() with { Caller = i % 4 == 0 ? "d" : i % 2 == 0 ? "b" : "c" }, (_, _) => { });
                Interlocked.Increment(ref accepted);
            }
            catch (QueueFullException full)
            {
                Assert.True(full.RetryAfter > TimeSpan.Zero);
                Interlocked.Increment(ref (full.OfCaller ? ref ofCaller : ref ofAll));
            }
        })));
        Assert.Equal(25, accepted);
        Assert.Equal(55, ofCaller + ofAll);
        Assert.True(ofCaller > 0 && ofAll > 0);
        Assert.Equal((25, 0), (ledger.Count("b").Queued, ledger.Count("b").Running));
    }

    [Fact]
    public async Task A_thousand_single_submissions_of_many_callers_are_accepted()
    {
        using DataFolder data = Folder();
        using JobLedger ledger = await OpenAsync(data);
        long since = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, 1000),
            new ParallelOptions { MaxDegreeOfParallelism = 32 },
            async (i, _) => await ledger.AcceptAsync(Entry() with { Caller = $"{i % 8}" }, (_, _) => { }));
        TestContext.Current.SendDiagnosticMessage(
            FormattableString.Invariant($"ledger: 1000 jobs accepted in {Stopwatch.GetElapsedTime(since).TotalSeconds:F2} s"));
        Assert.Equal(1000, ledger.Count("0").Queued);
    }

    [Fact]
    public async Task A_restart_queues_what_ran_counts_crashes_and_sets_aside_after_three()
    {
        string id;
        using DataFolder data = Folder();
        using (JobLedger ledger = await OpenAsync(data))
        {
            id = (await ledger.AcceptAsync(Entry(), (_, _) => { })).Id;
        }

        for (int start = 1; start <= 3; start++)
        {
            using JobLedger ledger = Open(data);
            IReadOnlyList<QueuedJob> queued = await ledger.RecoverAsync();
            Assert.Equal((id, start > 1), (Assert.Single(queued).Id, queued[0].RunsAlone));
            Assert.Equal(start, (await ledger.StartAsync(id, _ => { }))!.Job.Attempts);
        }

        using (JobLedger ledger = Open(data))
        {
            Assert.Empty(await ledger.RecoverAsync());
            Job job = ledger.Find("a", id)!;
            Assert.Equal((JobState.SetAside, 3), (job.State, job.Attempts));
            Assert.Contains("3 times", job.Reason, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_drained_start_is_no_crash_and_progress_forgives_crashes()
    {
        using DataFolder data = Folder();
        using JobLedger ledger = await OpenAsync(data);
        string id = (await ledger.AcceptAsync(Entry(), (_, _) => { })).Id;
        for (int start = 1; start <= 5; start++)
        {
            StartedJob started = (await ledger.StartAsync(id, _ => { }))!;
            Assert.Equal((start, 0), (started.Job.Attempts, started.Crashes));
            Assert.NotNull(await ledger.RequeueAsync(id, start, "drain", _ => { }));
            Assert.False(Assert.Single(await ledger.RecoverAsync()).RunsAlone);
        }

        for (int crash = 0; crash < 5; crash++)
        {
            Assert.NotNull(await ledger.StartAsync(id, _ => { }));
            await ledger.NoteProgressAsync(id);
            Assert.Single(await ledger.RecoverAsync());
        }
    }

    [Fact]
    public async Task What_was_asked_to_stop_before_a_crash_is_cancelled_after_it()
    {
        using DataFolder data = Folder();
        using JobLedger ledger = await OpenAsync(data);
        string id = (await ledger.AcceptAsync(Entry(), (_, _) => { })).Id;
        await ledger.StartAsync(id, _ => { });
        await ledger.CancelAsync("a", id, CancelKind.Abort, _ => { });
        await ledger.CancelAsync("a", id, CancelKind.Finish, _ => { });
        Assert.Empty(await ledger.RecoverAsync());
        Assert.Equal(JobState.Cancelled, ledger.Find("a", id)!.State);
    }

    [Fact]
    public async Task Another_programs_database_a_newer_ledger_and_rubbish_are_refused_by_name()
    {
        using DataFolder data = Folder();
        string path = data.Ledger;
        foreach ((string make, string expected) in new[]
        {
            ("CREATE TABLE notes(x)", "another program's"),
            ("PRAGMA application_id = 1145269361; CREATE TABLE jobs(x); PRAGMA user_version = 99", "newer build"),
        })
        {
            File.Delete(path);
            using (
                var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString()))
            {
                connection.Open();
                using SqliteCommand command = connection.CreateCommand();
                command.CommandText = make;
                command.ExecuteNonQuery();
            }

            InvalidRequestException refused = Assert.Throws<InvalidRequestException>(() => Open(data));
            Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
            Assert.Contains("Worker:DataFolder", refused.Message, StringComparison.Ordinal);
        }

        await File.WriteAllTextAsync(path, string.Concat(Enumerable.Repeat("no database at all ", 1000)));
        Assert.Contains("damaged", Assert.Throws<InvalidRequestException>(() => Open(data)).Message, StringComparison.Ordinal);
    }

    private static Gen<string> OneOf(params string[] values) => Gen.Int[0, values.Length - 1].Select(index => values[index]);

    private DataFolder Folder() => new(Options());

    private WorkerOptions Options() => new() { DataFolder = _folder };

    private JobLedger Open(DataFolder data, Action<WorkerOptions>? configure = null)
    {
        WorkerOptions options = Options();
        configure?.Invoke(options);
        return new JobLedger(data, options, _clock);
    }

    private async Task<JobLedger> OpenAsync(DataFolder data, Action<WorkerOptions>? configure = null)
    {
        JobLedger ledger = Open(data, configure);
        await ledger.RecoverAsync();
        return ledger;
    }

    private string Pragma(string name)
    {
        using var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = Path.Combine(_folder, "ledger.db"), Pooling = false }.ToString());
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = $"PRAGMA {name}";
        return (string)command.ExecuteScalar()!;
    }

    private static LedgerEntry Entry() => new()
    {
        Caller = "a",
        Kind = JobKind.Generate,
        Priority = JobPriority.Batch,
        Body = new JobBody { Generate = ImageRequest.For("a red apple") },
        SubmittedSha256 = "one",
        Model = "m",
        ModelBytes = 1,
        Inputs = [],
        RetryAfter = TimeSpan.FromSeconds(1),
    };
}

/// <summary>A clock that jumps when it is told to.</summary>
internal sealed class Clock : TimeProvider
{
    private TimeSpan _ahead;
    private TimeSpan _passed;

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + _ahead + _passed;

    public override long GetTimestamp() => base.GetTimestamp() + (long)(_passed.TotalSeconds * TimestampFrequency);

    /// <summary>Somebody sets the clock.</summary>
    public void Jump(TimeSpan by) => _ahead += by;

    /// <summary>Time passes.</summary>
    public void Pass(TimeSpan by) => _passed += by;
}

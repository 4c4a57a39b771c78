using CsCheck;

namespace DiffusionClip.Worker.Jobs;

/// <summary>The order of jobs, by its properties.</summary>
public sealed class JobSchedulerTests
{
    private static readonly Gen<(string Caller, JobPriority Priority, string Model)[]> Jobs =
        Gen.Select(OneOf("a", "b", "c", "d"), Gen.Enum<JobPriority>(), OneOf("m", "n", "o")).Array[1, 60];

    [Fact]
    public void Every_job_is_taken_once() => Jobs.Sample(jobs =>
    {
        List<QueuedJob> taken = TakeAll(Queue(jobs));
        Assert.Equal(jobs.Length, taken.Select(job => job.Id).Distinct().Count());
    });

    [Fact]
    public void Interactive_jobs_come_before_batch_jobs() => Jobs.Sample(jobs =>
    {
        List<QueuedJob> taken = TakeAll(Queue(jobs));
        Assert.Equal(taken.OrderBy(job => job.Priority).Select(job => job.Priority), taken.Select(job => job.Priority));
    });

    [Fact]
    public void Of_one_caller_priority_and_model_the_oldest_comes_first() => Jobs.Sample(jobs =>
    {
        foreach (IGrouping<(string, JobPriority, string), QueuedJob> line in TakeAll(Queue(jobs)).GroupBy(job => (job.Caller, job.Priority, job.Model)))
        {
            Assert.Equal(line.Select(job => job.Id).Order(StringComparer.Ordinal), line.Select(job => job.Id));
        }
    });

    [Fact]
    public void A_model_has_the_line_no_longer_than_the_bound_while_others_wait() => Gen.Select(Jobs, Gen.Int[1, 8]).Sample((jobs, bound) =>
    {
        List<QueuedJob> taken = TakeAll(Queue(jobs, bound));
        int run = 0;
        for (int i = 0; i < taken.Count; i++)
        {
            run = i > 0 && taken[i].Model == taken[i - 1].Model ? run + 1 : 1;
            bool othersWait = taken.Skip(i + 1).Any(job => job.Model != taken[i].Model && job.Priority == taken[i].Priority);
            Assert.True(run <= bound || !othersWait, $"a run of {run} at {i}");
        }
    });

    [Fact]
    public void Callers_of_one_model_take_turns() => Gen.Int[1, 40].Array[2, 5].Sample(counts =>
    {
        // However many jobs each has: while several wait, none is served twice more than another.
        var scheduler = new JobScheduler(8, long.MaxValue);
        var left = new Dictionary<string, int>();
        int number = 0;
        for (int caller = 0; caller < counts.Length; caller++)
        {
            left[$"{caller}"] = counts[caller];
            for (int i = 0; i < counts[caller]; i++)
            {
                scheduler.Add(Job(number++, $"{caller}", JobPriority.Batch, "m"));
            }
        }

        var served = left.ToDictionary(entry => entry.Key, _ => 0);
        while (scheduler.TryTake() is { } job)
        {
            scheduler.End(job.Id);
            served[job.Caller]++;
            left[job.Caller]--;
            int[] waiting = [.. left.Where(entry => entry.Value > 0).Select(entry => served[entry.Key])];
            Assert.True(waiting.Length == 0 || served[job.Caller] <= waiting.Min() + 1);
        }
    });

    [Fact]
    public void Who_comes_late_with_one_job_is_served_within_a_run_of_the_model()
    {
        var scheduler = new JobScheduler(8, long.MaxValue);
        for (int i = 0; i < 1000; i++)
        {
            scheduler.Add(Job(i, "many", JobPriority.Batch, "m"));
        }

        for (int i = 0; i < 20; i++)
        {
            scheduler.End(scheduler.TryTake()!.Id);
        }

        scheduler.Add(Job(2000, "one", JobPriority.Batch, "n"));
        int waited = 0;
        QueuedJob taken;
        while ((taken = scheduler.TryTake()!).Caller != "one")
        {
            scheduler.End(taken.Id);
            waited++;
        }

        Assert.InRange(waited, 0, 8);
    }

    [Fact]
    public void Models_in_use_stay_within_the_memory_budget_and_large_jobs_are_not_passed_over() =>
        Gen.Select(Gen.Int[1, 12].Array[1, 30], Gen.Int[1, 20], Gen.Int[0, 1000].Array[1, 200]).Sample((sizes, budget, choices) =>
        {
            var scheduler = new JobScheduler(4, budget);
            for (int i = 0; i < sizes.Length; i++)
            {
                scheduler.Add(new QueuedJob(Id(i), "a", JobPriority.Batch, $"model {sizes[i]}", sizes[i]));
            }

            var running = new List<QueuedJob>();
            int taken = 0;
            for (int step = 0; taken < sizes.Length || running.Count > 0; step++)
            {
                if (scheduler.TryTake() is { } job)
                {
                    running.Add(job);
                    taken++;
                    long inUse = running.Select(entry => (entry.Model, entry.ModelBytes)).Distinct().Sum(entry => entry.ModelBytes);
                    Assert.True(inUse <= budget || running.Select(entry => entry.Model).Distinct().Count() == 1);
                    continue;
                }

                // Nothing fits: then something runs, and its end makes room.
                Assert.NotEmpty(running);
                int end = choices[step % choices.Length] % running.Count;
                scheduler.End(running[end].Id);
                running.RemoveAt(end);
            }
        });

    [Fact]
    public void A_job_that_ended_the_process_runs_alone()
    {
        var scheduler = new JobScheduler(8, long.MaxValue);
        scheduler.Add(Job(0, "a", JobPriority.Batch, "m"));
        scheduler.Add(Job(1, "a", JobPriority.Batch, "m") with { RunsAlone = true });
        scheduler.Add(Job(2, "a", JobPriority.Batch, "m"));
        QueuedJob first = scheduler.TryTake()!;
        Assert.Null(scheduler.TryTake());
        scheduler.End(first.Id);
        QueuedJob second = scheduler.TryTake()!;
        Assert.True(second.RunsAlone);
        Assert.Null(scheduler.TryTake());
        scheduler.End(second.Id);
        Assert.Equal(Id(2), scheduler.TryTake()!.Id);
    }

    [Fact]
    public void What_is_removed_is_not_taken() => Gen.Select(Jobs, Gen.Int[0, 59].Array[0, 30]).Sample((jobs, removed) =>
    {
        JobScheduler scheduler = Queue(jobs);
        foreach (int index in removed)
        {
            scheduler.Remove(Id(index));
        }

        Assert.Equal(
            Enumerable.Range(0, jobs.Length).Except(removed).Select(Id),
            TakeAll(scheduler).Select(job => job.Id).Order(StringComparer.Ordinal));
        Assert.Equal(0, scheduler.Count);
    });

    private static Gen<string> OneOf(params string[] values) => Gen.Int[0, values.Length - 1].Select(index => values[index]);

    private static JobScheduler Queue((string Caller, JobPriority Priority, string Model)[] jobs, int sameModelRun = 3)
    {
        var scheduler = new JobScheduler(sameModelRun, long.MaxValue);
        for (int i = 0; i < jobs.Length; i++)
        {
            scheduler.Add(Job(i, jobs[i].Caller, jobs[i].Priority, jobs[i].Model));
        }

        return scheduler;
    }

    private static List<QueuedJob> TakeAll(JobScheduler scheduler)
    {
        var taken = new List<QueuedJob>();
        while (scheduler.TryTake() is { } job)
        {
            taken.Add(job);
            scheduler.End(job.Id);
        }

        return taken;
    }

    private static QueuedJob Job(int number, string caller, JobPriority priority, string model) =>
        new(Id(number), caller, priority, model, 1);

    private static string Id(int number) => number.ToString("D6", System.Globalization.CultureInfo.InvariantCulture);
}

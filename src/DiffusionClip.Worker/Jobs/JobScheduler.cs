namespace DiffusionClip.Worker.Jobs;

/// <summary>What the order of jobs depends on.</summary>
/// <param name="Id">The job; ids sort by acceptance.</param>
/// <param name="Caller">The caller.</param>
/// <param name="Priority">Whether a caller waits.</param>
/// <param name="Model">The model that it needs.</param>
/// <param name="ModelBytes">Estimated memory of that model.</param>
internal sealed record QueuedJob(string Id, string Caller, JobPriority Priority, string Model, long ModelBytes)
{
    /// <summary>Whether the process ended while it ran: then it runs alone, so that it cannot take other jobs down with it.</summary>
    public bool RunsAlone { get; init; }
}

/// <summary>
/// Decides which job runs next: interactive before batch; between callers the one served least (start-time fair queueing, Goyal et al.
/// 1996, with one unit a job); of one caller the oldest, but jobs of the model that ran last are taken together up to a bound. Pure, not
/// thread-safe.
/// </summary>
/// <param name="sameModelRun">Most jobs of one model in a row while others wait that need another.</param>
/// <param name="memoryBudget">Largest estimated memory of the models in use; a job that alone is above it runs alone.</param>
internal sealed class JobScheduler(int sameModelRun, long memoryBudget)
{
    private readonly SortedDictionary<JobPriority, SortedDictionary<string, Line>> _lines = [];
    private readonly Dictionary<string, QueuedJob> _queued = new(StringComparer.Ordinal);
    private readonly Dictionary<string, QueuedJob> _running = new(StringComparer.Ordinal);
    private readonly Dictionary<string, double> _served = new(StringComparer.Ordinal);
    private double _virtualTime;
    private string? _lastModel;
    private int _run;

    /// <summary>Jobs that wait.</summary>
    public int Count => _queued.Count;

    /// <summary>Adds a job; one that is known is left alone.</summary>
    public void Add(QueuedJob job)
    {
        if (!_queued.TryAdd(job.Id, job))
        {
            return;
        }

        if (!_lines.TryGetValue(job.Priority, out SortedDictionary<string, Line>? callers))
        {
            _lines.Add(job.Priority, callers = new(StringComparer.Ordinal));
        }

        if (!callers.TryGetValue(job.Caller, out Line? line))
        {
            callers.Add(job.Caller, line = new Line());
        }

        line.Add(job);

        // An idle caller saves up no claim.
        _served[job.Caller] = Math.Max(_served.GetValueOrDefault(job.Caller), _virtualTime);
    }

    /// <summary>Takes a job out that waits no more.</summary>
    public void Remove(string id)
    {
        if (!_queued.Remove(id, out QueuedJob? job))
        {
            return;
        }

        SortedDictionary<string, Line> callers = _lines[job.Priority];
        if (callers[job.Caller].Remove(job))
        {
            callers.Remove(job.Caller);
            if (callers.Count == 0)
            {
                _lines.Remove(job.Priority);
            }

            if (!_lines.Values.Any(line => line.ContainsKey(job.Caller)) && _served[job.Caller] <= _virtualTime)
            {
                _served.Remove(job.Caller);
            }
        }
    }

    /// <summary>The next job to run now; null if none waits or the next one does not fit beside those that run.</summary>
    public QueuedJob? TryTake()
    {
        if (Next() is not { } job || !Fits(job))
        {
            // The next one is not passed over: else small jobs would keep a large one waiting for ever.
            return null;
        }

        _virtualTime = Math.Max(_virtualTime, _served[job.Caller]);
        _served[job.Caller] += 1;
        _run = job.Model == _lastModel ? _run + 1 : 1;
        _lastModel = job.Model;
        Remove(job.Id);
        _running.Add(job.Id, job);
        return job;
    }

    /// <summary>A job that was taken runs no more.</summary>
    public void End(string id) => _running.Remove(id);

    private QueuedJob? Next()
    {
        if (_lines.Count == 0)
        {
            return null;
        }

        SortedDictionary<string, Line> callers = _lines.First().Value;
        IEnumerable<Line> byService = callers.OrderBy(entry => _served[entry.Key]).Select(entry => entry.Value);
        if (
            _lastModel is { } model
            && _run < sameModelRun
            && byService.Select(line => line.OldestOf(model)).FirstOrDefault(job => job is not null) is { } same)
        {
            return same;
        }

        // After a full run another model has its turn, if a job waits for one.
        return
            _lastModel is not null
            && _run >= sameModelRun
            && byService.Select(line => line.OldestOfOthers(_lastModel)).FirstOrDefault(job => job is not null) is { } other
            ? other
            : byService.First().Oldest;
    }

    private bool Fits(QueuedJob job)
    {
        if (_running.Count == 0)
        {
            return true;
        }

        if (job.RunsAlone || _running.Values.Any(running => running.RunsAlone))
        {
            return false;
        }

        long inUse = _running
            .Values.Append(job)
            .GroupBy(running => running.Model, StringComparer.Ordinal)
            .Sum(model => model.Max(running => running.ModelBytes));
        return inUse <= memoryBudget || _running.Values.All(running => running.Model == job.Model);
    }

    /// <summary>One caller's jobs of one priority, by model and age.</summary>
    private sealed class Line
    {
        private readonly SortedDictionary<string, SortedDictionary<string, QueuedJob>> _models = new(StringComparer.Ordinal);

        public QueuedJob Oldest => _models.Values.Select(First).MinBy(job => job.Id, StringComparer.Ordinal)!;

        public QueuedJob? OldestOf(string model) =>
            _models.TryGetValue(model, out SortedDictionary<string, QueuedJob>? jobs) ? First(jobs) : null;

        public QueuedJob? OldestOfOthers(string model) =>
            _models.Where(entry => entry.Key != model).Select(entry => First(entry.Value)).MinBy(job => job.Id, StringComparer.Ordinal);

        public void Add(QueuedJob job)
        {
            if (!_models.TryGetValue(job.Model, out SortedDictionary<string, QueuedJob>? jobs))
            {
                _models.Add(job.Model, jobs = new(StringComparer.Ordinal));
            }

            jobs.Add(job.Id, job);
        }

        /// <summary>Whether nothing is left.</summary>
        public bool Remove(QueuedJob job)
        {
            SortedDictionary<string, QueuedJob> jobs = _models[job.Model];
            jobs.Remove(job.Id);
            if (jobs.Count == 0)
            {
                _models.Remove(job.Model);
            }

            return _models.Count == 0;
        }

        private static QueuedJob First(SortedDictionary<string, QueuedJob> jobs) => jobs.First().Value;
    }
}

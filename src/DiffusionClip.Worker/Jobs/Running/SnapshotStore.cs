using DiffusionClip.Worker.Jobs.Ledger;

namespace DiffusionClip.Worker.Jobs.Running;

/// <summary>Snapshots of running jobs, a file each, removed when the job is over.</summary>
internal sealed class SnapshotStore(DataFolder folder, JobLedger ledger, JobTelemetry telemetry, WorkerOptions options, TimeProvider time)
{
    private const string Extension = ".snapshot";

    /// <summary>The snapshots of one start of a job.</summary>
    public IRunSnapshots For(StartedJob started, RunningJob running) =>
        new JobSnapshots(PathOf(started.Job.Id), started, running, ledger, telemetry, options.Queue.SnapshotInterval, time);

    /// <summary>Removes a job's snapshot.</summary>
    public void Remove(string id) => DurableFile.Remove(PathOf(id));

    /// <summary>Removes what is left of jobs that are over, and of processes that ended while they wrote.</summary>
    /// <param name="isAlive">Whether a job may still need its snapshot.</param>
    public void Sweep(Func<string, bool> isAlive)
    {
        foreach (string path in Directory.EnumerateFiles(folder.Snapshots))
        {
            if (!path.EndsWith(Extension, StringComparison.Ordinal) || !isAlive(Path.GetFileNameWithoutExtension(path)))
            {
                DurableFile.Remove(path);
            }
        }
    }

    private string PathOf(string id) => Path.Combine(folder.Snapshots, id + Extension);

    /// <remarks>
    /// The cost of the last snapshot, from the question to the synced file, decides when the next one is due: a hundred times as much
    /// later, so that snapshots take at most a hundredth of the run.
    /// </remarks>
    private sealed class JobSnapshots(
        string path,
        StartedJob started,
        RunningJob running,
        JobLedger ledger,
        JobTelemetry telemetry,
        TimeSpan interval,
        TimeProvider time
    ) : IRunSnapshots
    {
        private const double LargestShare = 0.01;

        private long _since = time.GetTimestamp();
        private long _asked;
        private TimeSpan _cost;
        private bool _resumed;

        public byte[]? Load()
        {
            try
            {
                return File.Exists(path) ? File.ReadAllBytes(path) : null;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }

        public void OnResumed(ResumeReport report) => _resumed = report.FromSnapshot;

        public bool IsDue()
        {
            _asked = time.GetTimestamp();
            TimeSpan passed = time.GetElapsedTime(_since, _asked);
            return running.IsParking || (passed >= interval && passed * LargestShare >= _cost);
        }

        public void Save(ReadOnlySpan<byte> snapshot)
        {
            try
            {
                DurableFile.Write(path, snapshot);

                // It got further than the starts before that ended the process. A run that begins anew each time does not.
                if (_resumed && started.Crashes > 0)
                {
                    _ = ledger.NoteProgressAsync(started.Job.Id);
                }
            }
            catch (StorageException)
            {
                // A job without a snapshot is slower after a crash, not wrong.
            }

            _since = time.GetTimestamp();
            _cost = time.GetElapsedTime(_asked, _since);
            telemetry.Snapshot(_cost);
            if (running.IsParking)
            {
                running.Leave();
            }
        }
    }
}

using DiffusionClip.Hosting;

namespace DiffusionClip.Worker;

/// <summary>Reads the section <c>Worker</c>; what cannot be used fails at start, by name.</summary>
internal static class WorkerOptionsReader
{
    /// <exception cref="InvalidRequestException">A key is unknown or a value cannot be used.</exception>
    public static WorkerOptions Read(IConfiguration configuration)
    {
        WorkerOptions options = OptionsReader.Read<WorkerOptions>(configuration, WorkerOptions.Section);
        if (string.IsNullOrWhiteSpace(options.DataFolder))
        {
            throw new InvalidRequestException("Worker:DataFolder", options.DataFolder, "name a folder");
        }

        QueueOptions queue = options.Queue;
        Check("Queue:Capacity", queue.Capacity, 1, 1_000_000);
        Check("Queue:CallerCapacity", queue.CallerCapacity, 1, 1_000_000);
        Check("Queue:Concurrency", queue.Concurrency, 1, 64);
        Check("Queue:SameModelRun", queue.SameModelRun, 1, 10_000);
        Check("Queue:MaxAttempts", queue.MaxAttempts, 1, 1_000);
        Check("Queue:DrainTimeout", queue.DrainTimeout, TimeSpan.FromHours(1));
        Check("Queue:SnapshotInterval", queue.SnapshotInterval, TimeSpan.FromDays(1));
        Check("Queue:PreviewInterval", queue.PreviewInterval, TimeSpan.FromHours(1));
        if (queue.MemoryBudget is { } budget)
        {
            Check("Queue:MemoryBudget", budget, 1L << 20, 1L << 50);
        }

        Check("Retention:Age", options.Retention.Age, TimeSpan.FromDays(36_500));
        Check("Retention:TotalBytes", options.Retention.TotalBytes, 1L << 20, 1L << 60);
        Check("Retention:FreeBytes", options.Retention.FreeBytes, 0, 1L << 60);
        Check("Trust:BodyBytes", options.Trust.BodyBytes, 1L << 10, 1L << 30);
        Check("Compatibility:CandidatesPerImage", options.Compatibility.CandidatesPerImage, 1, 1024);
        return options;
    }

    private static void Check(string key, long value, long least, long most) =>
        OptionsReader.CheckRange($"Worker:{key}", value, least, most);

    private static void Check(string key, TimeSpan value, TimeSpan most)
    {
        if (value < TimeSpan.Zero || value > most)
        {
            throw new InvalidRequestException(
                $"Worker:{key}",
                value.ToString("c", System.Globalization.CultureInfo.InvariantCulture),
                $"it lies from 00:00:00 to {most:c}");
        }
    }
}

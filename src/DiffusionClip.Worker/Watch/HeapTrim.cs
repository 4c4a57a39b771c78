namespace DiffusionClip.Worker.Watch;

/// <summary>
/// Gives back what large pictures leave on the managed heap. The collector takes its time where a machine has memory to spare: a few
/// photographs of 100 megapixels, 300 MB each, would be kept as garbage for as long as little else is allocated.
/// </summary>
internal sealed class HeapTrim(TimeProvider time) : BackgroundService
{
    /// <summary>How much above the least that was held is worth a full collection.</summary>
    private const long Slack = 128L << 20;

    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan _longestPause = TimeSpan.FromMinutes(1);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        long least = Held();
        TimeSpan pause = _pause;
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (Held() > least + Slack)
            {
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            }

            // What is still held then is in use: it is asked for less and less often.
            long held = Held();
            least = Math.Min(least, held);
            pause = held <= least + Slack ? _pause : pause < _longestPause / 2 ? 2 * pause : _longestPause;
        }
    }

    // What is in use or garbage, or free and not given back.
    private static long Held() =>
        Math.Max(GC.GetTotalMemory(forceFullCollection: false), GC.GetGCMemoryInfo(GCKind.Any).TotalCommittedBytes);
}

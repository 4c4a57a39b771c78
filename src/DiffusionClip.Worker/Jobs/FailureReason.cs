namespace DiffusionClip.Worker.Jobs;

/// <summary>Why a job failed, in one line for its caller.</summary>
internal static class FailureReason
{
    private const int Longest = 1000;

    /// <summary>The reason of an exception.</summary>
    public static string Of(Exception exception)
    {
        Exception cause = exception is AggregateException { InnerException: { } inner } ? inner : exception;
        string message =
            IsOutOfMemory(cause)
                ? $"out of memory ({cause.Message}); ask for a smaller picture or fewer candidates in a run (Plan:CandidatesPerRun), or let fewer models stay loaded (Worker:Queue:MemoryBudget)"
            : cause is DiffusionClipException ? cause.Message
            : $"{cause.GetType().Name}: {cause.Message}";
        string line = new([.. message.Take(Longest).Select(c => char.IsControl(c) ? ' ' : c)]);
        return message.Length > Longest ? line + "…" : line;
    }

    // The runtime reports failed allocations by their text alone.
    private static bool IsOutOfMemory(Exception exception) =>
        exception is OutOfMemoryException
        || Array.Exists(
            ["bad allocation", "bad_alloc", "Failed to allocate memory", "out of memory"],
            words => exception.Message.Contains(words, StringComparison.OrdinalIgnoreCase));
}

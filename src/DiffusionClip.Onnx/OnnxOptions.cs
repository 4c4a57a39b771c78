namespace DiffusionClip.Onnx;

/// <summary>How models are run. The options of threads are those of the whole process: the first store that is made decides.</summary>
public sealed class OnnxOptions
{
    /// <summary>Execution provider when the request does not name one: <c>auto</c>, <c>cpu</c>, <c>dml</c> or <c>cuda</c>.</summary>
    public string Provider { get; set; } = ExecutionProviders.Auto;

    /// <summary>Threads of the one pool that all sessions share, 1 to 1024; null: one a physical core that this process may use.</summary>
    public int? Threads { get; set; }

    /// <summary>
    /// Whether idle threads of the pool spin for a moment instead of sleeping at once. Faster for the many short operators of a
    /// denoiser; costs processor time that other work on the machine could use.
    /// </summary>
    public bool Spinning { get; set; }

    /// <summary>Unleased models that stay loaded for the next lease, 0 to 1000; the least recently used is evicted first.</summary>
    public int KeepLoaded { get; set; } = 4;

    /// <summary>
    /// Estimated bytes (<see cref="OnnxModelStore.EstimateBytes"/>) of all loaded models above which unleased ones are freed before another
    /// is loaded; null: no bound. Leased models are never freed: a caller that leases several at once has to make sure that they fit.
    /// </summary>
    public long? MemoryBudget { get; set; }

    /// <summary>Fails with the option's name if a value cannot be used.</summary>
    /// <exception cref="InvalidRequestException">A value is out of range.</exception>
    public void Validate()
    {
        ExecutionProviders.Parse(Provider);
        if (Threads is < 1 or > 1024)
        {
            throw new InvalidRequestException("threads", Text(Threads.Value), "give 1 to 1024, or leave it out for one a core");
        }

        if (KeepLoaded is < 0 or > 1000)
        {
            throw new InvalidRequestException("keep_loaded", Text(KeepLoaded), "give 0 to 1000");
        }

        if (MemoryBudget is < 1 and { } budget)
        {
            throw new InvalidRequestException(
                "memory_budget",
                budget.ToString(System.Globalization.CultureInfo.InvariantCulture),
                "give a number of bytes, or leave it out");
        }
    }

    private static string Text(int value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

namespace DiffusionClip.Worker.Jobs.Running;

/// <summary>How a running job is stopped from outside.</summary>
internal sealed class RunningJob : IDisposable
{
    private readonly CancellationTokenSource _abort = new();
    private readonly CancellationTokenSource _finish = new();
    private int _parking;

    /// <summary>Ends it at once.</summary>
    public CancellationToken Abort => _abort.Token;

    /// <summary>Ends it with what is there.</summary>
    public CancellationToken Finish => _finish.Token;

    /// <summary>Whether it is to stop at its next boundary, written down, and to go on in another process.</summary>
    public bool IsParking => Volatile.Read(ref _parking) != 0;

    /// <summary>Whether its caller wants it no more.</summary>
    public bool IsCancelled { get; private set; }

    /// <summary>Its caller asks for its end. Does not wait for what that sets off.</summary>
    public void Stop(CancelKind how)
    {
        if (how == CancelKind.Finish)
        {
            Cancel(_finish);
            return;
        }

        IsCancelled = true;
        Cancel(_abort);
    }

    /// <summary>Asks for a snapshot at the next boundary.</summary>
    public void Park() => Volatile.Write(ref _parking, 1);

    /// <summary>Ends it at once, to go on in another process.</summary>
    public void Leave()
    {
        Park();
        Cancel(_abort);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_abort)
        {
            _abort.Dispose();
            _finish.Dispose();
        }
    }

    // What hangs on the token may run for a while, and the ledger's thread must not.
    private void Cancel(CancellationTokenSource source)
    {
        lock (_abort)
        {
            try
            {
                _ = source.CancelAsync();
            }
            catch (ObjectDisposedException)
            {
                // It was over meanwhile.
            }
        }
    }
}

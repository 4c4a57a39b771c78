using System.Runtime.InteropServices;

namespace DiffusionClip.Cli;

/// <summary>
/// The user's wish to stop: asked once, a verb that can finishes with what it has; asked again, or by SIGTERM, it aborts.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _finish = new();
    private readonly CancellationTokenSource _abort = new();
    private readonly List<PosixSignalRegistration> _signals = [];
    private int _asked;

    /// <summary>Start nothing more; keep what there is.</summary>
    public CancellationToken Finish => _finish.Token;

    /// <summary>Stop at once; keep nothing.</summary>
    public CancellationToken Abort => _abort.Token;

    /// <summary>Whether a stop was requested.</summary>
    public bool WasAsked => Volatile.Read(ref _asked) > 0;

    /// <summary>Called when the run is to finish early; set by a verb that can. Null: the first request aborts.</summary>
    public Action? Finishing { get; set; }

    /// <summary>Listens to the signals of this process.</summary>
    public static Interruption OfThisProcess()
    {
        var interruption = new Interruption();
        void On(PosixSignal signal, Action handle) => interruption._signals.Add(PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            handle();
        }));

        On(PosixSignal.SIGINT, interruption.Ask);
        On(PosixSignal.SIGTERM, interruption.Terminate);
        On(PosixSignal.SIGHUP, interruption.Terminate);
        return interruption;
    }

    /// <summary>Asks to stop, as Ctrl-C does.</summary>
    public void Ask()
    {
        switch (Interlocked.Increment(ref _asked))
        {
            case 1 when Finishing is { } announce:
                announce();
                _finish.Cancel();
                break;
            case 1 or 2:
                _abort.Cancel();
                break;
            case > 3:
                // Whatever hangs, the user is not held.
                Environment.Exit(ExitCodes.Interrupted);
                break;
        }
    }

    /// <summary>Asks to stop at once, as SIGTERM does.</summary>
    public void Terminate()
    {
        Interlocked.Increment(ref _asked);
        _abort.Cancel();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _signals.ForEach(signal => signal.Dispose());
        _finish.Dispose();
        _abort.Dispose();
    }
}

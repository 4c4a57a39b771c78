namespace DiffusionClip.Cli;

/// <summary>What the process ends with.</summary>
internal static class ExitCodes
{
    /// <summary>Everything asked for was done.</summary>
    public const int Success = 0;

    /// <summary>Something asked for could not be done.</summary>
    public const int Failure = 1;

    /// <summary>What was asked for makes no sense.</summary>
    public const int Usage = 2;

    /// <summary>The user stopped it: 128 + SIGINT, as shells have it.</summary>
    public const int Interrupted = 130;
}

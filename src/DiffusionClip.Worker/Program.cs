using System.Globalization;
using DiffusionClip;
using DiffusionClip.Worker;
using DiffusionClip.Worker.Watch;

NativeHeap.ShareArenas();

// Numbers, dates and messages look the same on every machine.
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.InvariantCulture;
CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.InvariantCulture;

// Threads that compute must not make requests wait for new ones, which come two a second.
ThreadPool.SetMinThreads(Math.Max(16, 4 * Environment.ProcessorCount), Math.Max(16, 4 * Environment.ProcessorCount));

try
{
    await using WebApplication application = WorkerApplication.Build(args);
    await application.StartAsync();
    Console.Out.WriteLine($"DiffusionClip listens at {string.Join(" and ", application.Urls)}");
    await application.WaitForShutdownAsync();
    return 0;
}
catch (Exception exception)
    when (exception is DiffusionClipException or IOException or UnauthorizedAccessException or InvalidDataException or FormatException)
{
    Console.Error.WriteLine(LineFormatter.OneLine($"dclip-worker: {exception.Message}"));
    return 1;
}

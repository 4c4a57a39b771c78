using System.Globalization;
using DiffusionClip.Worker;

// Numbers, dates and messages look the same on every machine.
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.InvariantCulture;
CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.InvariantCulture;

await using WebApplication application = WorkerApplication.Build(args);
await application.RunAsync();

using System.Globalization;
using DiffusionClip.Cli;
using DiffusionClip.Cli.Output;

// Numbers, dates and messages look the same on every machine.
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.InvariantCulture;
CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.InvariantCulture;

using var interruption = Interruption.OfThisProcess();
return await CliApplication.RunAsync(args, Terminal.OfThisProcess(), interruption);

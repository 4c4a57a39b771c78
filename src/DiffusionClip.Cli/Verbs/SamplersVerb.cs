using System.CommandLine;
using System.Text.Json;
using DiffusionClip.Cli.Output;
using DiffusionClip.Denoising;

namespace DiffusionClip.Cli.Verbs;

/// <summary><c>dclip samplers</c>: the names that <c>--sampler</c> takes.</summary>
internal static class SamplersVerb
{
    /// <summary>Describes the verb.</summary>
    public static Command Create(Func<ParseResult, CliContext> context)
    {
        Option<bool> json = new("--json") { Description = "Print JSON." };
        Command command = new("samplers", "Lists the schedulers that --sampler takes, with the names that other programs give them.")
        {
            json,
        };
        command.SetAction(parse =>
        {
            Terminal terminal = context(parse).Terminal;
            if (parse.GetValue(json))
            {
                terminal.Out.WriteLine(JsonSerializer.Serialize(SchedulerCatalog.All, DiffusionClipJson.Indented));
                return ExitCodes.Success;
            }

            var table = new ResultTable("sampler", "class", "also called");
            foreach (SchedulerDescriptor scheduler in SchedulerCatalog.All)
            {
                table.Add(scheduler.Label, scheduler.ClassName, string.Join(", ", scheduler.Aliases));
            }

            table.Write(terminal);
            return ExitCodes.Success;
        });
        return command;
    }
}

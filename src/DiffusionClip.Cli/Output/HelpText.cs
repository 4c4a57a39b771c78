using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.CompilerServices;

namespace DiffusionClip.Cli.Output;

/// <summary>Help with examples: what a verb does, then how it is used.</summary>
/// <param name="width">Characters of a line of the terminal.</param>
internal sealed class HelpText(int width) : SynchronousCommandLineAction
{
    /// <summary>Wider lines are hard to read.</summary>
    private const int MaxWidth = 110;

    private static readonly ConditionalWeakTable<Command, string[]> Examples = [];

    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <summary>Gives a verb examples.</summary>
    public static void AddExamples(Command command, params string[] examples) => Examples.AddOrUpdate(command, examples);

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        Command command = parseResult.CommandResult.Command;
        TextWriter output = parseResult.InvocationConfiguration.Output;
        new HelpAction { MaxWidth = Math.Min(width, MaxWidth) }.Invoke(parseResult);
        if (Examples.TryGetValue(command, out string[]? examples))
        {
            output.WriteLine("Examples:");
            foreach (string example in examples)
            {
                output.WriteLine($"  {example}");
            }

            output.WriteLine();
        }

        return ExitCodes.Success;
    }
}

using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Reflection;
using DiffusionClip.Cli.Output;
using DiffusionClip.Cli.Verbs;
using DiffusionClip.Naming;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Cli;

/// <summary>The command line: parses, runs a verb, and turns whatever happens into one line and an exit code.</summary>
internal static class CliApplication
{
    private static readonly Option<string[]> Set = new("--set")
    {
        HelpName = "KEY=VALUE",
        Description = "Overrides a key of appsettings.json's section DiffusionClip, e.g. Limits:Steps=200. Repeatable.",
        Recursive = true,
    };

    private static readonly Option<bool> Verbose = new("--verbose") { Description = "Show where an error comes from.", Recursive = true };

    /// <summary>Runs a command line.</summary>
    /// <param name="args">The words after the program's name.</param>
    /// <param name="terminal">Where it writes.</param>
    /// <param name="interruption">When it has to stop.</param>
    /// <param name="configure">Replaces services, for tests.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(
        IReadOnlyList<string> args,
        Terminal terminal,
        Interruption interruption,
        Action<IServiceCollection>? configure = null)
    {
        ParseResult? parse = null;
        try
        {
            parse = Parse(args, terminal, interruption, configure);
            if (parse.Action is ParseErrorAction)
            {
                terminal.Fail(Usage(parse));
                return ExitCodes.Usage;
            }

            var invocation = new InvocationConfiguration
            {
                Output = terminal.Out,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            return await parse.InvokeAsync(invocation, interruption.Abort).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (interruption.WasAsked)
        {
            terminal.Fail("interrupted");
            return ExitCodes.Interrupted;
        }
        catch (IOException exception) when (IsBrokenPipe(exception))
        {
            // The reader of the output has closed it.
            return ExitCodes.Failure;
        }
        catch (Exception exception)
        {
            terminal.Fail(Describe(exception));
            if (parse?.GetValue(Verbose) == true || Environment.GetEnvironmentVariable("DCLIP_DEBUG") is { Length: > 0 })
            {
                await terminal.Error.WriteLineAsync(exception.ToString()).ConfigureAwait(false);
            }

            return exception is InvalidRequestException ? ExitCodes.Usage : ExitCodes.Failure;
        }
        finally
        {
            await FlushAsync(terminal).ConfigureAwait(false);
        }
    }

    /// <summary>What an error says to the user: messages of our own exceptions are shown as they are.</summary>
    public static string Describe(Exception exception) => exception switch
    {
        DiffusionClipException => exception.Message,
        OutOfMemoryException => "out of memory; ask for smaller pictures or fewer candidates",
        IOException or UnauthorizedAccessException => $"{exception.Message} (run again with --verbose to see where)",
        _ => $"{exception.GetType().Name}: {exception.Message} (a fault of the program; run again with --verbose and report it)",
    };

    private static ParseResult Parse(IReadOnlyList<string> args, Terminal terminal, Interruption interruption, Action<IServiceCollection>? configure)
    {
        var root = new RootCommand("Paints prompts and ranks the pictures by how well CLIP says they match. Offline, with the models in models/.");
        root.Directives.Clear();
        CliContext Context(ParseResult result) => new(terminal, interruption, result.GetValue(Set) ?? [], configure);
        root.Add(GenerateVerb.Create(Context));
        root.Add(RankVerb.Create(Context));
        root.Add(ScoreVerb.Create(Context));
        root.Add(InspectVerb.Create(Context));
        root.Add(ModelsVerb.Create(Context));
        root.Add(VerifyVerb.Create(Context));
        root.Add(SamplersVerb.Create(Context));
        root.Add(Set);
        root.Add(Verbose);
        root.SetAction(result =>
        {
            new HelpText(terminal.Width).Invoke(result);
            return ExitCodes.Usage;
        });
        foreach (Option option in root.Options)
        {
            switch (option)
            {
                case VersionOption version:
                    version.Action = new VersionAction();
                    break;
                case HelpOption help:
                    help.Action = new HelpText(terminal.Width);
                    help.Aliases.Remove("/h");
                    help.Aliases.Remove("/?");
                    break;
            }
        }

        // A prompt may begin with @ or -, and flags are not bundled.
        return root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
    }

    /// <summary>The first thing that is wrong with a command line, in one line.</summary>
    private static string Usage(ParseResult parse)
    {
        string command = string.Join(' ', Commands(parse).Prepend("dclip"));
        if (parse.UnmatchedTokens is [{ } unknown, ..])
        {
            bool isFlag = unknown.StartsWith('-');
            IEnumerable<string> known = isFlag
                ? parse
                    .CommandResult.Command.Options.Where(option => !option.Hidden)
                    .Select(option => option.Name)
                    .Append(Set.Name)
                    .Append(Verbose.Name)
                : parse.CommandResult.Command.Subcommands.Select(sub => sub.Name);
            string nearest = Suggestions.Likely(unknown, known) is { } name ? $"did you mean {name}? " : "";
            string what = isFlag ? "flag" : parse.CommandResult.Command.Subcommands.Count > 0 ? "verb" : "argument";
            return $"{what}: '{Terminal.OneLine(unknown)}' cannot be used; {nearest}{command} --help lists what there is";
        }

        return $"{parse.Errors[0].Message.Trim().TrimEnd('.')}; {command} --help says what is needed";
    }

    private static IEnumerable<string> Commands(ParseResult parse)
    {
        var names = new Stack<string>();
        for (
            System.CommandLine.Parsing.SymbolResult? result = parse.CommandResult;
            result is System.CommandLine.Parsing.CommandResult { Command: not RootCommand } command;
            result = result.Parent)
        {
            names.Push(command.Command.Name);
        }

        return names;
    }

    private static bool IsBrokenPipe(IOException exception) =>
        (exception.HResult & 0xFFFF) is 32 or 109 or 232 && exception.Message.Contains("pipe", StringComparison.OrdinalIgnoreCase);

    private static async Task FlushAsync(Terminal terminal)
    {
        try
        {
            await terminal.Out.FlushAsync().ConfigureAwait(false);
            await terminal.Error.FlushAsync().ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The output is closed.
        }
    }

    private sealed class VersionAction : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            string? version = typeof(CliApplication)
                .Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()
                ?.InformationalVersion;
            parseResult.InvocationConfiguration.Output.WriteLine($"dclip {version?.Split('+')[0]}");
            return ExitCodes.Success;
        }
    }
}

using System.Text;
using Spectre.Console;

namespace DiffusionClip.Cli.Output;

/// <summary>Results go to standard output, everything said on the way to standard error.</summary>
/// <param name="out">Standard output.</param>
/// <param name="error">Standard error.</param>
/// <param name="outIsRich">Whether results may be drawn with colours and boxes.</param>
/// <param name="errorIsRich">Whether progress may be drawn in place.</param>
/// <param name="width">Characters of a line.</param>
internal sealed class Terminal(TextWriter @out, TextWriter error, bool outIsRich = false, bool errorIsRich = false, int width = 120)
{
    private readonly Lock _lock = new();

    /// <summary>Standard output.</summary>
    public TextWriter Out { get; } = @out;

    /// <summary>Standard error.</summary>
    public TextWriter Error { get; } = error;

    /// <summary>Whether results may be drawn with colours and boxes.</summary>
    public bool OutIsRich { get; } = outIsRich;

    /// <summary>Whether progress may be drawn in place.</summary>
    public bool ErrorIsRich { get; } = errorIsRich;

    /// <summary>Characters of a line.</summary>
    public int Width { get; } = Math.Max(40, width);

    /// <summary>The console of this process. <c>NO_COLOR</c> and dumb terminals get plain lines.</summary>
    public static Terminal OfThisProcess()
    {
        if (OperatingSystem.IsWindows())
        {
            Console.OutputEncoding = Encoding.UTF8;
        }

        bool plain =
            Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 } || Environment.GetEnvironmentVariable("TERM") is "dumb";
        int width = 120;
        try
        {
            width = Console.IsOutputRedirected && Console.IsErrorRedirected ? 120 : Console.WindowWidth;
        }
        catch (IOException)
        {
            // A terminal that does not know its width.
        }

        return new Terminal(
            Console.Out,
            Console.Error,
            !plain && !Console.IsOutputRedirected,
            !plain && !Console.IsErrorRedirected,
            width > 0 ? width : 120);
    }

    /// <summary>A console that draws on standard output.</summary>
    public IAnsiConsole OutConsole() => Draw(Out, OutIsRich);

    /// <summary>A console that draws on standard error.</summary>
    public IAnsiConsole ErrorConsole() => Draw(Error, ErrorIsRich);

    /// <summary>Writes a line to standard error: one line, whatever the message holds.</summary>
    public void Say(string message)
    {
        string line = OneLine(message);
        lock (_lock)
        {
            Error.WriteLine(line);
            Error.Flush();
        }
    }

    /// <summary>Reports an error.</summary>
    public void Fail(string message) => Say($"dclip: {message}");

    /// <summary>Reports something worth knowing.</summary>
    public void Warn(string message) => Say($"dclip: warning: {message}");

    /// <summary>Text without what would break a line or move the cursor.</summary>
    public static string OneLine(string text)
    {
        var line = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            bool broken = char.IsControl(c) || c is '\u2028' or '\u2029';
            if (!broken)
            {
                line.Append(c);
            }
            else if (line.Length > 0 && line[^1] != ' ')
            {
                line.Append(' ');
            }
        }

        return line.ToString().TrimEnd();
    }

    private IAnsiConsole Draw(TextWriter writer, bool rich)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = rich ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = rich ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = rich ? InteractionSupport.Yes : InteractionSupport.No,
            Out = new AnsiConsoleOutput(writer),
        });
        console.Profile.Width = Width;
        console.Profile.Capabilities.Unicode = true;
        return console;
    }
}

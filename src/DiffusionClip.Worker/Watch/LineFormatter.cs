using System.Globalization;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace DiffusionClip.Worker.Watch;

/// <summary>One line per entry, whatever is in it: nothing that a caller sends can look like another entry or move the cursor.</summary>
internal sealed class LineFormatter() : ConsoleFormatter(FormatterName)
{
    /// <summary>Its name.</summary>
    public const string FormatterName = "line";

    private static readonly bool _isJournal = SystemdHelpers.IsSystemdService();

    /// <inheritdoc/>
    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        string text = logEntry.Formatter(logEntry.State, logEntry.Exception);
        if (logEntry.Exception is { } exception)
        {
            text += " | " + exception;
        }

        // The journal has its own clock and reads the level from a number.
        textWriter.Write(
            _isJournal
                ? $"<{Severity(logEntry.LogLevel)}>"
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"{TimeProvider.System.GetUtcNow():yyyy-MM-ddTHH:mm:ss.fffZ} {Word(logEntry.LogLevel)} "));
        textWriter.Write(
            logEntry.Category.StartsWith("DiffusionClip.", StringComparison.Ordinal)
                ? logEntry.Category[(logEntry.Category.LastIndexOf('.') + 1)..]
                : logEntry.Category);
        textWriter.Write(": ");
        textWriter.WriteLine(OneLine(text));
    }

    /// <summary>A text without line ends and control characters.</summary>
    internal static string OneLine(string text) => string.Create(text.Length, text, static (line, given) =>
    {
        for (int i = 0; i < line.Length; i++)
        {
            line[i] = char.IsControl(given[i]) || given[i] is '\u2028' or '\u2029' || CharUnicodeInfo.GetUnicodeCategory(given[i]) == UnicodeCategory.Format ? ' ' : given[i];
        }
    });

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        LogLevel.Error => "error",
        _ => "fatal",
    };

    private static int Severity(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => 7,
        LogLevel.Information => 6,
        LogLevel.Warning => 4,
        LogLevel.Error => 3,
        _ => 2,
    };
}

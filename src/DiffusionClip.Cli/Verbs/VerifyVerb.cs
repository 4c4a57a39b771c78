using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using DiffusionClip.Cli.Output;
using DiffusionClip.Files;
using DiffusionClip.Models;
using DiffusionClip.Onnx;
using DiffusionClip.Verification;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace DiffusionClip.Cli.Verbs;

/// <summary><c>dclip verify</c>: what a model folder is, whether it works here, and for what.</summary>
internal static class VerifyVerb
{
    /// <summary>Describes the verb.</summary>
    public static Command Create(Func<ParseResult, CliContext> context)
    {
        Argument<string> folder = new("FOLDER")
        {
            Description =
                "Path of a model folder, name of a model, or org/name[@revision] of the Hugging Face cache; #q4f16 and the like pick one of several precisions.",
        };
        Option<string?> provider = new("--provider")
        {
            HelpName = "auto|cpu|dml|cuda",
            Description =
                "Execution provider. Another than cpu: every graph runs on the CPU and on the device, and the results are compared. Default: cpu.",
        };
        Option<bool> json = new("--json") { Description = "Print the report as JSON in place of tables." };
        Option<string?> report = new("--report")
        {
            HelpName = "FILE",
            Description =
                "File for the report, which names no folders of this machine and may be posted. Default without --json: verify-NAME.json in the working folder.",
        };
        Command command = new(
            "verify",
            "Loads a model folder, says what it is, tries every graph and the model as a whole, and says whether it can be used. Exit code 1 if it cannot."
        )
        {
            folder,
            provider,
            json,
            report,
        };
        command.SetAction(
            (parse, _) =>
                RunAsync(context(parse), parse.GetValue(folder)!, parse.GetValue(provider), parse.GetValue(json), parse.GetValue(report)));
        HelpText.AddExamples(
            command,
            "dclip verify models/emoji-sd",
            "dclip verify openai/clip-vit-base-patch32 --provider cuda",
            "dclip verify models/clip#q4f16 --json");
        return command;
    }

    private static async Task<int> RunAsync(CliContext context, string name, string? provider, bool json, string? path)
    {
        provider = (provider ?? ExecutionProviders.Cpu).ToLowerInvariant();
        if (!ScoringFlags.Providers.Contains(provider, StringComparer.Ordinal))
        {
            throw new InvalidRequestException("provider", provider, $"known are {string.Join(", ", ScoringFlags.Providers)}");
        }

        if (path is not null && Path.Exists(path))
        {
            throw new InvalidRequestException("--report", path, "it is there already and is not overwritten; name a new file");
        }

        using IHost host = context.BuildHost();
        Terminal terminal = context.Terminal;

        VerificationReport report = await host.Services.GetRequiredService<ModelVerifier>()
            .VerifyAsync(name, provider, cancellationToken: context.Interruption.Abort).ConfigureAwait(false);
        byte[] content = [.. JsonSerializer.SerializeToUtf8Bytes(report, DiffusionClipJson.Indented), (byte)'\n'];
        if (json)
        {
            terminal.Out.WriteLine(JsonSerializer.Serialize(report, DiffusionClipJson.Indented));
        }
        else
        {
            Write(terminal, report);
        }

        if (path is not null || !json)
        {
            string full = Path.GetFullPath(path ?? $"verify-{FileName(report.Model)}.json");
            try
            {
                string written = AtomicFile.Create(Path.GetDirectoryName(full)!, Path.GetFileName(full), content);
                terminal.Say($"report written to {Paths.Shown(written)}");
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new InvalidRequestException(
                    "--report",
                    path ?? full,
                    $"it has to be a file that can be written ({exception.Message})");
            }
        }

        return report.IsUsable ? ExitCodes.Success : ExitCodes.Failure;
    }

    /// <summary>The last line: whether a model can be used, and for what.</summary>
    public static string Line(VerificationReport report) => $"{report.Model} {report.Verdict}";

    private static void Write(Terminal terminal, VerificationReport report)
    {
        var facts = new ResultTable(report.Model, "");
        facts.Add("family", report.Family ?? "?");
        foreach ((string fact, string value) in report.Facts)
        {
            facts.Add(fact, value);
        }

        facts.Add("licence", report.License ?? "not said");
        facts.Add("missing", report.Missing.Count > 0 ? string.Join("; ", report.Missing) : report.Family is null ? "?" : "nothing");
        foreach (string part in report.Without)
        {
            facts.Add("without", part);
        }

        facts.Write(terminal);
        if (report.Graphs.Count > 0)
        {
            var graphs = new ResultTable("graph", "precision", "producer", ">opset", ">nodes", ">MB", "external data");
            foreach (GraphFacts graph in report.Graphs)
            {
                graphs.Add(
                    graph.File,
                    graph.StoredPrecision == graph.Precision ? graph.Precision : $"{graph.Precision} (stored as {graph.StoredPrecision})",
                    graph.Producer.Length == 0 ? "?" : graph.Producer,
                    string.Join(
                        ", ",
                        graph
                            .Opsets.OrderBy(opset => opset.Key != "ai.onnx")
                            .Select(opset => opset.Key == "ai.onnx" ? Number(opset.Value) : $"{opset.Key} {Number(opset.Value)}")),
                    Number(graph.Nodes),
                    (graph.Bytes / 1e6).ToString("0.0", CultureInfo.InvariantCulture),
                    graph.ExternalData.Count == 0 ? "-" : string.Join(", ", graph.ExternalData));
            }

            graphs.Write(terminal);
        }

        if (report.Trials.Count > 0)
        {
            bool hasDevice = report.Trials.Any(trial => trial.DeviceEvaluationsPerSecond is not null);
            ResultTable trials = hasDevice
                ? new("graph", "finite", "repeats", ">cpu evaluations/s", $">{report.Machine.Provider} evaluations/s", ">largest deviation")
                : new("graph", "finite", "repeats", ">cpu evaluations/s");
            foreach (GraphTrial trial in report.Trials)
            {
                string[] cells = trial.Failure is not null
                    ? [trial.File, "failed", "-", "-"]
                    :
                    [
                        trial.File,
                        trial.IsFinite ? "yes" : "NO",
                        trial.IsDeterministic ? "yes" : "no",
                        Rate(trial.CpuEvaluationsPerSecond),
                    ];
                trials.Add(
                    hasDevice
                        ?
                        [
                            .. cells,
                            trial.DeviceEvaluationsPerSecond is { } rate ? Rate(rate) : "-",
                            trial.LargestDeviation?.ToString("0.0e0", CultureInfo.InvariantCulture) ?? "-",
                        ]
                        : cells);
            }

            trials.Write(terminal);
        }

        if (report.Checks.Count > 0)
        {
            var checks = new ResultTable("self-test", "", "");
            foreach (VerificationCheck check in report.Checks)
            {
                checks.Add(
                    check.Name,
                    check.State switch
                    {
                        CheckState.Ok => "ok",
                        CheckState.Note => "note",
                        _ => "FAILED",
                    },
                    check.Detail);
            }

            checks.Write(terminal);
        }

        terminal.Out.WriteLine(Terminal.OneLine(Line(report)));
    }

    private static string FileName(string model) =>
        string.Concat(model.Select(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or '.' ? character : '-'))
            .Trim('-', '.')
            is { Length: > 0 } name
            ? name
            : "model";

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Rate(double value) => value.ToString(value < 10 ? "0.00" : "0", CultureInfo.InvariantCulture);
}

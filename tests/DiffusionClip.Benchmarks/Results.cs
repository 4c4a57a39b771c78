using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Benchmarks;

/// <summary>
/// RESULTS.md: one section a benchmark, each with the command that makes it and where it ran. A run replaces its own sections only.
/// </summary>
internal static class Results
{
    public const string Command = "dotnet run -c Release --project tests/DiffusionClip.Benchmarks --";

    private static string Path => System.IO.Path.Combine(Golden.Repository, "tests", "DiffusionClip.Benchmarks", "RESULTS.md");

    public static string Section(string name, string arguments, (double Before, double After) probe, double seconds, string body) =>
        $"""
        ## {name}

            `{Command} {arguments}` · {Cpu()}, {Environment.ProcessorCount} cores · {RuntimeInformation.FrameworkDescription}, ONNX Runtime {OrtEnv.Instance().GetVersionString()} · {DateTime.UtcNow.ToString(
                "yyyy-MM-dd",
                CultureInfo.InvariantCulture
            )} · took {Table.F(seconds, 0)} s · FMA probe before and after: {Table.F(probe.Before, 0)} and {Table.F(
                probe.After,
                0
            )} GFLOP/s

        {body.Trim()}

        """;

    public static void Write(IReadOnlyDictionary<string, string> fresh, IEnumerable<string> order)
    {
        Dictionary<string, string> sections = File.Exists(Path) ? Read(File.ReadAllText(Path)) : [];
        foreach ((string name, string text) in fresh)
        {
            sections[name] = text;
        }

        var all = new StringBuilder();
        all.AppendLine("# Benchmarks").AppendLine();
        all.AppendLine("`" + Command + " --write` makes all of it; each section names the command that makes it alone.");
        all.AppendLine(
            "Ratios compare actions that ran in turn in one process (A B A B …): the median over the pairs of each pair's ratio, and its range."
        );
        all.AppendLine("CPU time is that of all cores together, and less disturbed by other programs than the wall clock.");
        all.AppendLine(
            "The FMA probe says how quiet the machine was: where its two figures differ, or lie below the machine's best, others were using it."
        );
        foreach (string section in order.Where(sections.ContainsKey).Select(name => sections[name]))
        {
            all.AppendLine().AppendLine(section.TrimEnd());
        }

        File.WriteAllText(Path, all.ToString());
    }

    private static Dictionary<string, string> Read(string text) =>
        text.Split("\n## ")[1..].ToDictionary(section => section.Split('\n')[0].Trim(), section => "## " + section);

    private static string Cpu()
    {
        const string cpus = "/proc/cpuinfo";
        string? line = File.Exists(cpus)
            ? File.ReadLines(cpus).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return line?.Split(':')[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace DiffusionClip.Benchmarks;

/// <summary>Runs a measurement in a process of its own: the runtime's environment and the peak of memory belong to the process.</summary>
internal static class Child
{
    public const string Argument = "--child";

    public static async Task<Dictionary<string, double>> RunAsync(params string[] arguments)
    {
        string program = Environment.ProcessPath!;
        string[] start = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [typeof(Child).Assembly.Location, Argument] : [Argument];
        using Process process = Process.Start(new ProcessStartInfo(program, [.. start, .. arguments]) { RedirectStandardOutput = true })!;
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? JsonSerializer.Deserialize<Dictionary<string, double>>(output.Trim().Split('\n')[^1])!
            : throw new InvalidOperationException($"{string.Join(' ', arguments)} ended with {process.ExitCode}");
    }

    public static void Answer(Dictionary<string, double> values) => Console.WriteLine(JsonSerializer.Serialize(values));

    /// <summary>
    /// Resident memory of this process in MiB: <c>VmRSS</c> now, <c>VmHWM</c> at its peak since the start or <see cref="ForgetPeak"/>; NaN
    /// where the system does not say.
    /// </summary>
    public static double Memory(string what)
    {
        const string status = "/proc/self/status";
        string? line = File.Exists(status)
            ? File.ReadLines(status).FirstOrDefault(line => line.StartsWith(what + ":", StringComparison.Ordinal))
            : null;
        return line is null
            ? double.NaN
            : double.Parse(line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }

    /// <summary>Begins a new peak.</summary>
    public static void ForgetPeak()
    {
        const string references = "/proc/self/clear_refs";
        if (File.Exists(references))
        {
            File.WriteAllText(references, "5");
        }
    }
}

using System.Diagnostics;
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

    /// <summary>Largest resident memory of this process so far, in MiB; NaN where the system does not say.</summary>
    public static double PeakMemory()
    {
        const string status = "/proc/self/status";
        string? line = File.Exists(status) ? File.ReadLines(status).FirstOrDefault(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)) : null;
        return line is null ? double.NaN : double.Parse(line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture) / 1024;
    }
}

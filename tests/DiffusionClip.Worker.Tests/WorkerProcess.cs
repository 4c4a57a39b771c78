using System.Diagnostics;

namespace DiffusionClip.Worker.Tests;

/// <summary>The worker as its users start it.</summary>
internal sealed class WorkerProcess : IDisposable
{
    private WorkerProcess(Process process, Uri address)
    {
        Process = process;
        Client = new HttpClient { BaseAddress = address };
    }

    public Process Process { get; }

    public HttpClient Client { get; }

    /// <summary>Bytes of memory that it has now.</summary>
    public long Resident
    {
        get
        {
            Process.Refresh();
            return Process.WorkingSet64;
        }
    }

    public static Task<WorkerProcess> StartAsync(string folder, params string[] args) => StartAsync(folder, [], args, null);

    /// <param name="folder">The data folder.</param>
    /// <param name="environment">Variables of the process.</param>
    /// <param name="args">Further settings.</param>
    /// <param name="addressSpace">Most kilobytes of addresses that the system gives it; null: as many as it likes.</param>
    public static async Task<WorkerProcess> StartAsync(
        string folder,
        Dictionary<string, string> environment,
        string[] args,
        long? addressSpace = null)
    {
        string[] program = addressSpace is { } most ? ["bash", "-c", $"ulimit -v {most}; exec \"$@\"", "bash", "dotnet"] : ["dotnet"];
        var start = new ProcessStartInfo(
            program[0],
            [
                .. program[1..],
                typeof(WorkerApplication).Assembly.Location,
                "--Worker:Url=http://127.0.0.1:0",
                $"--Worker:DataFolder={folder}",
                "--Worker:Queue:DrainTimeout=00:00:02",
                "--Logging:LogLevel:Default=Warning",
                .. args,
            ])
        {
            RedirectStandardOutput = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        Process process = Process.Start(start)!;
        string line = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("the worker ended at once");
        return new WorkerProcess(process, new Uri(line[line.IndexOf("http", StringComparison.Ordinal)..]));
    }

    /// <summary>Asks it to end as a service manager does.</summary>
    public void Terminate()
    {
        using Process kill = Process.Start("kill", ["-TERM", Process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public void Dispose()
    {
        Client.Dispose();
        if (!Process.HasExited)
        {
            Process.Kill();
            Process.WaitForExit();
        }

        Process.Dispose();
    }
}

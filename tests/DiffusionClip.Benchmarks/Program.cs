using System.Diagnostics;
using System.Globalization;
using DiffusionClip;
using DiffusionClip.Benchmarks;
using Microsoft.ML.OnnxRuntime;

(string Name, Func<bool, Task<string>> Run)[] benchmarks =
[
    ("pipeline-embedded", PipelineBenchmark.EmbeddedAsync),
    ("pipeline-sd15", PipelineBenchmark.FullSizeAsync),
    ("memory-sd15", PipelineBenchmark.MemoryAsync),
    ("allocations", AllocationBenchmark.RunAsync),
    ("abort", AbortBenchmark.RunAsync),
    ("score", ScoreBenchmark.RunAsync),
    ("preprocess", PreprocessBenchmark.RunAsync),
    ("schedulers", SchedulerBenchmark.RunAsync),
    ("load", LoadBenchmark.RunAsync),
    ("worker", WorkerBenchmark.RunAsync),
    ("snapshots", SnapshotBenchmark.RunAsync),
];

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args is [Child.Argument, .. var rest])
{
    Child.Answer(rest switch
    {
        ["memory", var side] => await PipelineBenchmark.MemoryAsync(side),
        ["setting", var spinning, var threads, var batched] => await PipelineBenchmark.SettingAsync(spinning, threads, batched),
        ["load"] => await LoadBenchmark.LoadAsync(),
        _ => throw new ArgumentException(string.Join(' ', rest)),
    });
    return 0;
}

string[] flags = ["--write", "--settings"];
string[] names = [.. args.Except(flags)];
if (names.Except(benchmarks.Select(benchmark => benchmark.Name)).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine(
        $"There is no benchmark {unknown}. Known: {string.Join(", ", benchmarks.Select(benchmark => benchmark.Name))}; flags {string.Join(", ", flags)}; no name: all."
    );
    return 2;
}

bool settings = args.Contains("--settings");
var sections = new Dictionary<string, string>();
int exitCode = 0;
foreach ((string name, Func<bool, Task<string>> run) in benchmarks.Where(benchmark => names.Length == 0 || names.Contains(benchmark.Name)))
{
    long start = Stopwatch.GetTimestamp();
    double before = Measure.Gflops();
    try
    {
        string body = await run(settings);
        string arguments = name + (settings && name == "pipeline-embedded" ? " --settings" : "");
        sections[name] = Results.Section(name, arguments, (before, Measure.Gflops()), Stopwatch.GetElapsedTime(start).TotalSeconds, body);
        Console.WriteLine(sections[name]);
    }
    catch (Exception exception)
        when (exception is DiffusionClipException or OnnxRuntimeException or IOException or InvalidOperationException)
    {
        Console.Error.WriteLine($"{name} cannot run: {exception}");
        exitCode = 1;
    }
}

if (args.Contains("--write"))
{
    Results.Write(sections, benchmarks.Select(benchmark => benchmark.Name));
}

return exitCode;

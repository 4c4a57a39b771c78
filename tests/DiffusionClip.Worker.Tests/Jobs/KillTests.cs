using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DiffusionClip.Worker.Jobs.Ledger;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Hosting;

namespace DiffusionClip.Worker.Jobs;

/// <summary>
/// A real worker in a process of its own that is killed at random points under load. The environment variable KILLS says how often (4
/// without it, one of each kind), KILL_SEED where the points lie.
/// </summary>
public sealed class KillTests
{
    private const string FolderVariable = "DIFFUSIONCLIP_TEST_WORKER_FOLDER";
    private const string AddressFile = "address";
    private const int Backlog = 3;

    private readonly ITestOutputHelper _output = TestContext.Current.TestOutputHelper!;

    [Fact]
    public async Task Killed_at_random_points_every_accepted_job_ends_once_whole_and_in_the_same_bits()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no SIGKILL");
        int kills = int.Parse(Environment.GetEnvironmentVariable("KILLS") ?? "4", CultureInfo.InvariantCulture);
        int seed = int.Parse(Environment.GetEnvironmentVariable("KILL_SEED") ?? "1", CultureInfo.InvariantCulture);
        var random = new Random(seed);
        string folder = Directory.CreateTempSubdirectory("dclip-kill-").FullName;
        var accepted = new Dictionary<string, ImageRequest>(StringComparer.Ordinal);
        try
        {
            var unanswered = new Dictionary<string, ImageRequest>(StringComparer.Ordinal);
            int submitted = 0;
            for (int kill = 0; kill < kills; kill++)
            {
                using Child worker = await Child.StartAsync(folder);
                using HttpClient client = await worker.ConnectAsync();
                for (int i = kill == 0 ? -Backlog : 0; i < 1; i++, submitted++)
                {
                    unanswered.Add($"job-{submitted}", Request(submitted));
                }

                // Some submissions are cut off by the kill: sent again under their key they are one job.
                Task submitting = SubmitAsync(client, unanswered, accepted);
                switch (kill % 4)
                {
                    // The start, the submissions, the models' loading.
                    case 0:
                        await Task.Delay(random.Next(0, 1000));
                        break;

                    // Anywhere in a run and what follows it.
                    case 1:
                        await submitting;
                        await ReachesAsync(client, 0.01);
                        await Task.Delay(random.Next(0, 2000));
                        break;

                    // Where pictures are decoded and files and results are written.
                    default:
                        await submitting;
                        await ReachesAsync(client, 0.9);
                        await Task.Delay(random.Next(0, 350));
                        break;
                }

                worker.Kill();
                await submitting;
            }

            using (Child worker = await Child.StartAsync(folder))
            using (HttpClient client = await worker.ConnectAsync())
            {
                await SubmitAsync(client, unanswered, accepted);
                Assert.Empty(unanswered);
                foreach (string id in accepted.Keys)
                {
                    while (!(await client.GetFromJsonAsync<Job>($"api/v1/jobs/{id}", DiffusionClipJson.Compact))!.IsOver)
                    {
                        await Task.Delay(50);
                    }
                }
            }

            Assert.Equal(submitted, accepted.Count);
            await CheckAsync(folder, accepted, kills);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_job_that_ends_the_process_three_times_is_set_aside_and_the_others_go_on()
    {
        string folder = Directory.CreateTempSubdirectory("dclip-deadly-").FullName;
        try
        {
            string? deadly = null, harmless = null;
            for (int start = 1; start <= 3; start++)
            {
                using Child worker = await Child.StartAsync(folder);
                if (start == 1)
                {
                    using HttpClient client = await worker.ConnectAsync();
                    harmless = await SubmitAsync(client, "harmless", Request(0));
                    deadly = await SubmitAsync(
                        client,
                        "deadly",
                        Request(0) with
                        {
                            Search = new() { Candidates = 1, Strategy = "deadly" },
                        });
                }

                await worker.ExitedAsync();
            }

            using (Child worker = await Child.StartAsync(folder))
            using (HttpClient client = await worker.ConnectAsync())
            {
                Job job = (await client.GetFromJsonAsync<Job>($"api/v1/jobs/{deadly}", DiffusionClipJson.Compact))!;
                Assert.Equal((JobState.SetAside, 3), (job.State, job.Attempts));
                Assert.Contains("3 times", job.Reason, StringComparison.Ordinal);
                string after = (await SubmitAsync(client, "after", Request(2)))!;
                Job last;
                while (!(last = (await client.GetFromJsonAsync<Job>($"api/v1/jobs/{after}", DiffusionClipJson.Compact))!).IsOver)
                {
                    await Task.Delay(50);
                }

                Assert.Equal(JobState.Done, last.State);
                Assert.Equal(
                    JobState.Done,
                    (await client.GetFromJsonAsync<Job>($"api/v1/jobs/{harmless}", DiffusionClipJson.Compact))!.State);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task SIGTERM_lets_jobs_end_or_leaves_them_queued_and_the_process_ends_with_0()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no SIGTERM");
        string folder = Directory.CreateTempSubdirectory("dclip-term-").FullName;
        try
        {
            using (Child worker = Child.StartProgram(folder))
            using (HttpClient client = await worker.ConnectAsync())
            {
                string id = (
                    await SubmitAsync(
                        client,
                        "long",
                        Request(1) with
                        {
                            Sampling = new()
                            {
                                Seed = 1,
                                NumInferenceSteps = 1000,
                                Width = 64,
                                Height = 64,
                            },
                            Search = new() { Candidates = 8 },
                        })
                )!;
                while ((await client.GetFromJsonAsync<Job>($"api/v1/jobs/{id}", DiffusionClipJson.Compact))!.State != JobState.Running)
                {
                    await Task.Delay(20);
                }

                worker.Terminate();
                Assert.Equal(0, await worker.ExitedAsync());
            }

            using var data = new DataFolder(new WorkerOptions { DataFolder = folder });
            using var ledger = new JobLedger(data, new WorkerOptions { DataFolder = folder }, TimeProvider.System);
            Job left = Assert.Single(ledger.List("local", null, 10, null));
            Assert.True(left.State is JobState.Queued or JobState.Done, left.State.ToString());
            Assert.False(Assert.Single(await ledger.RecoverAsync()).RunsAlone, "a drained start is no crash");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The child: a worker with the strategies of the tests, until it is told to end. Run by the tests above only.</summary>
    [Fact(Explicit = true)]
    public async Task Child_process()
    {
        string folder = Environment.GetEnvironmentVariable(FolderVariable)!;
        WebApplication worker = WorkerApplication.Build(
            [
                "--Worker:Url=http://127.0.0.1:0",
                $"--Worker:DataFolder={folder}",
                "--Logging:LogLevel:Default=None",
                "--Worker:Queue:SnapshotInterval=00:00:00.05",
                $"--Worker:Queue:MaxAttempts={Environment.GetEnvironmentVariable("DIFFUSIONCLIP_TEST_ATTEMPTS") ?? "3"}",
                "--Worker:Queue:DrainTimeout=00:00:00.5",
            ],
            services =>
                services
                    .AddSingleton<ISearchStrategyFactory>(new SearchStrategyFactory(new HalvingStrategy()))
                    .AddSingleton<ISearchStrategyFactory>(
                        new SearchStrategyFactory(new TrapStrategy("deadly", () => Process.GetCurrentProcess().Kill()))));
        await worker.StartAsync();
        await File.WriteAllTextAsync(Path.Combine(folder, AddressFile + ".tmp"), worker.Urls.First());
        File.Move(Path.Combine(folder, AddressFile + ".tmp"), Path.Combine(folder, AddressFile), overwrite: true);
        await worker.WaitForShutdownAsync();
        await worker.DisposeAsync();
    }

    private static ImageRequest Request(int number) => ImageRequest.For($"a red apple number {number}") with
    {
        Search = number % 4 == 3 ? new() { Candidates = 4, Keep = 2, Strategy = "halving" } : new() { Candidates = 2 + (number % 3) },
        Sampling = new()
        {
            Seed = (ulong)number,
            NumInferenceSteps = number % 4 == 3 ? 40 : 12 + (number * 17 % 24),
            Width = 64,
            Height = 64,
            Scheduler = number % 2 == 0 ? "DPM++ 2M" : "Euler a",
        },
    };

    private static async Task SubmitAsync(HttpClient client, Dictionary<string, ImageRequest> unanswered, Dictionary<string, ImageRequest> accepted) =>
        await Task.WhenAll(unanswered.ToArray().Select(async entry =>
        {
            if (await SubmitAsync(client, entry.Key, entry.Value) is { } id)
            {
                lock (accepted)
                {
                    accepted.Add(id, entry.Value);
                    unanswered.Remove(entry.Key);
                }
            }
        }));

    /// <summary>Waits until a job stands beyond a point.</summary>
    private static async Task ReachesAsync(HttpClient client, double progress)
    {
        JsonElement jobs;
        do
        {
            await Task.Delay(5);
            jobs = (await client.GetFromJsonAsync<JsonElement>("api/v1/jobs?state=queued&state=running")).GetProperty("jobs");
        } while (
            jobs.GetArrayLength() > 0
            && !jobs.EnumerateArray().Any(job => job.TryGetProperty("progress", out JsonElement done) && done.GetDouble() >= progress));
    }

    /// <summary>The job's id; null if the worker went away before it answered.</summary>
    private static async Task<string?> SubmitAsync(HttpClient client, string key, ImageRequest request)
    {
        try
        {
            using var message = new HttpRequestMessage(HttpMethod.Post, "api/v1/jobs")
            {
                Content = new StringContent(
                    JsonSerializer.Serialize(new { generate = request, priority = "batch" }, DiffusionClipJson.Compact),
                    Encoding.UTF8,
                    "application/json"),
            };
            message.Headers.Add("Idempotency-Key", key);
            using HttpResponseMessage answer = await client.SendAsync(message);
            string text = await answer.Content.ReadAsStringAsync();
            Assert.True(answer.IsSuccessStatusCode, text);
            return JsonSerializer.Deserialize<Job>(text, DiffusionClipJson.Compact)!.Id;
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            return null;
        }
    }

    private async Task CheckAsync(string folder, Dictionary<string, ImageRequest> accepted, int kills)
    {
        Assert.Equal("ok", Integrity(Path.Combine(folder, "ledger.db")));
        string[] files =
        [
            .. Directory
                .EnumerateFiles(Path.Combine(folder, "artifacts"), "*", SearchOption.AllDirectories)
                .Where(file => !file.EndsWith(".tmp", StringComparison.Ordinal)),
        ];
        foreach (string file in files)
        {
            Assert.Equal(
                Path.GetFileNameWithoutExtension(file),
                Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(file))));
        }

        await using QueueHost host = await QueueHost.StartAsync(
            services: services => services.AddSingleton<ISearchStrategyFactory>(new SearchStrategyFactory(new HalvingStrategy())),
            folder: folder);
        int restarted = 0,
            resumed = 0;
        foreach ((string id, ImageRequest request) in accepted)
        {
            Job job = Assert.IsType<Job>(host.Queue.Find("local", id));
            Assert.Equal((JobState.Done, null), (job.State, job.Reason));
            Assert.Single(
                host.Get<JobLedger>().Transitions(id),
                change => change.To is JobState.Done or JobState.Failed or JobState.Cancelled or JobState.SetAside);
            Assert.Equal(job.Attempts > 1, job.Result!.Report!.Resumed is not null);
            restarted += job.Attempts > 1 ? 1 : 0;
            resumed += job.Result.Report.Resumed is { FromSnapshot: true } ? 1 : 0;
            await JobStopTests.SamePicturesAsync(host, await host.Get<ImagePipeline>().GenerateAsync(request), job.Result);
        }

        Assert.Empty(host.Queue.List("local", limit: 200, states: [JobState.Queued, JobState.Running]));
        _output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{kills} kills, {accepted.Count} jobs accepted and done once, {restarted} started more than once, {resumed} went on from a snapshot, {files.Length} artefacts whole"
            ));
        TestContext.Current.SendDiagnosticMessage(
            $"kill: {kills} kills, {accepted.Count} jobs, {restarted} restarted, {resumed} resumed");
    }

    private static string Integrity(string path)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString());
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "PRAGMA integrity_check";
        return (string)command.ExecuteScalar()!;
    }

    /// <summary>A worker in a process of its own.</summary>
    private sealed class Child : IDisposable
    {
        private readonly Process _process;
        private readonly string _address;
        private readonly StringBuilder _said = new();

        private Child(Process process, string address)
        {
            _process = process;
            _address = address;
            process.OutputDataReceived += (_, line) => Hear(line.Data);
            process.ErrorDataReceived += (_, line) => Hear(line.Data);
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        /// <summary>With the strategies of the tests.</summary>
        public static Task<Child> StartAsync(string folder)
        {
            string address = Path.Combine(folder, AddressFile);
            File.Delete(address);
            ProcessStartInfo start = Dotnet(
                $"{typeof(KillTests).Assembly.GetName().Name}.dll",
                "-method",
                $"{typeof(KillTests).FullName}.{nameof(Child_process)}",
                "-explicit",
                "only",
                "-noColor");
            start.Environment[FolderVariable] = folder;
            start.Environment["DIFFUSIONCLIP_TEST_ATTEMPTS"] = folder.Contains("dclip-deadly", StringComparison.Ordinal) ? "3" : "1000";
            return Task.FromResult(new Child(Process.Start(start)!, address));
        }

        /// <summary>The program itself.</summary>
        public static Child StartProgram(string folder)
        {
            using var port = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
            port.Start();
            string url = $"http://127.0.0.1:{((System.Net.IPEndPoint)port.LocalEndpoint).Port}";
            port.Stop();
            string address = Path.Combine(folder, AddressFile);
            File.WriteAllText(address, url);
            return new Child(
                Process.Start(
                    Dotnet(
                        "DiffusionClip.Worker.dll",
                        $"--Worker:Url={url}",
                        $"--Worker:DataFolder={folder}",
                        "--Worker:Queue:DrainTimeout=00:00:00.5")
                )!,
                address);
        }

        private static ProcessStartInfo Dotnet(string program, params string[] arguments)
        {
            var start = new ProcessStartInfo(
                Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet")
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = Golden.Repository,
            };
            start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, program));
            Array.ForEach(arguments, start.ArgumentList.Add);
            return start;
        }

        public async Task<HttpClient> ConnectAsync()
        {
            long since = Stopwatch.GetTimestamp();
            while (!File.Exists(_address))
            {
                RunsSince(since);
                await Task.Delay(20);
            }

            var client = new HttpClient { BaseAddress = new Uri(await File.ReadAllTextAsync(_address)) };
            while (true)
            {
                try
                {
                    using HttpResponseMessage alive = await client.GetAsync("health/live");
                    return client;
                }
                catch (HttpRequestException)
                {
                    RunsSince(since);
                    await Task.Delay(20);
                }
            }
        }

        private void RunsSince(long start)
        {
            if (_process.HasExited || Stopwatch.GetElapsedTime(start) > TimeSpan.FromMinutes(2))
            {
                // Both streams are read on threads of their own.
                lock (_said)
                {
                    Assert.Fail($"the worker {(_process.HasExited ? "ended" : "does not answer")}: {_said}");
                }
            }
        }

        private void Hear(string? line)
        {
            lock (_said)
            {
                _said.AppendLine(line);
            }
        }

        public void Kill()
        {
            _process.Kill();
            _process.WaitForExit();
        }

        public void Terminate()
        {
            using Process kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
            kill.WaitForExit();
        }

        public async Task<int> ExitedAsync()
        {
            using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            await _process.WaitForExitAsync(timeout.Token);
            return _process.ExitCode;
        }

        public void Dispose()
        {
            if (!_process.HasExited)
            {
                _process.Kill();
                _process.WaitForExit();
            }

            _process.Dispose();
        }
    }
}

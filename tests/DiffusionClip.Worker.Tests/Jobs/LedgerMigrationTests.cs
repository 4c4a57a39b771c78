using DiffusionClip.Worker.Jobs.Ledger;
using Microsoft.Data.Sqlite;

namespace DiffusionClip.Worker.Jobs;

/// <summary>The ledger of an older worker opens, and its jobs go on.</summary>
public sealed class LedgerMigrationTests : IDisposable
{
    /// <summary>The tables as the first version made them; never changed.</summary>
    private const string Version1 =
        """
        CREATE TABLE jobs(
            id TEXT NOT NULL PRIMARY KEY, caller TEXT NOT NULL, kind TEXT NOT NULL, priority TEXT NOT NULL, state TEXT NOT NULL, reason TEXT,
            attempts INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0, stop TEXT, model TEXT NOT NULL, model_bytes INTEGER NOT NULL,
            body TEXT NOT NULL, scorer_asked INTEGER NOT NULL, submitted_sha256 TEXT NOT NULL, idempotency_key TEXT, pinned INTEGER NOT NULL,
            epoch INTEGER NOT NULL, accepted_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, cache_key TEXT, result TEXT) WITHOUT ROWID;
        CREATE UNIQUE INDEX jobs_idempotency ON jobs(caller, idempotency_key) WHERE idempotency_key IS NOT NULL;
        CREATE INDEX jobs_queued ON jobs(caller) WHERE state = 'queued';
        CREATE INDEX jobs_running ON jobs(id) WHERE state = 'running';
        CREATE INDEX jobs_caller ON jobs(caller, id);
        CREATE INDEX jobs_ended ON jobs(ended_at) WHERE ended_at IS NOT NULL;
        CREATE INDEX jobs_cache ON jobs(caller, cache_key) WHERE cache_key IS NOT NULL;
        CREATE TABLE transitions(
            job TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, from_state TEXT, to_state TEXT NOT NULL, attempt INTEGER NOT NULL,
            reason TEXT, PRIMARY KEY(job, number)) WITHOUT ROWID;
        CREATE TABLE artifacts(sha256 TEXT NOT NULL PRIMARY KEY, bytes INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE owners(sha256 TEXT NOT NULL, caller TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(sha256, caller)) WITHOUT ROWID;
        CREATE TABLE uses(sha256 TEXT NOT NULL, job TEXT NOT NULL, PRIMARY KEY(sha256, job)) WITHOUT ROWID;
        CREATE INDEX uses_job ON uses(job);
        CREATE TABLE process(epoch INTEGER NOT NULL);
        INSERT INTO process VALUES(3);
        PRAGMA application_id = 1145269361;
        PRAGMA user_version = 1;
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("dclip-ledger-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Scorers_that_nobody_asked_for_by_name_become_optional_in_jobs_that_are_to_run()
    {
        Write(
            ("01A", "generate", "queued", Generate("emoji-clip", 18446744073709551615), 0),
            ("01B", "generate", "running", Generate("emoji-clip", 1), 0),
            ("01C", "generate", "queued", Generate("emoji-clip", 1), 1),
            ("01D", "generate", "queued", Generate("none", 1), 0),
            ("01E", "generate", "done", Generate("emoji-clip", 1), 0),
            (
                "01F",
                "rank",
                "queued",
                """{"rank":{"prompt":"a","scorer":"emoji-clip","long_text":"truncate","images":["00"]},"cache":"allow","pinned":false}""",
                1));
        var options = new WorkerOptions { DataFolder = _folder };
        for (int opened = 0; opened < 2; opened++)
        {
            using var data = new DataFolder(options);
            using var ledger = new JobLedger(data, options, TimeProvider.System);
            IReadOnlyList<QueuedJob> waiting = await ledger.RecoverAsync();
            Assert.Equal(["01A", "01B", "01C", "01D", "01F"], waiting.Select(job => job.Id));
            Assert.Equal(4 + opened, ledger.Epoch);
            foreach (string id in new[] { "01A", "01B" })
            {
                SearchRequest search = ledger.Find("a", id)!.Body.Generate!.Search;
                Assert.Null(search.Scorer);
                ScorerRequest scorer = Assert.Single(search.Scorers!);
                Assert.Equal(("emoji-clip", 1.0, true), (scorer.Id, scorer.Weight, scorer.Optional));
                Assert.Equal("a \"red\" apple, été 🍎", search.ScoreText);
            }

            Assert.Equal(18446744073709551615, ledger.Find("a", "01A")!.Body.Generate!.Sampling.Seed);
            Assert.Equal(("emoji-clip", null), Search("01C"));
            Assert.Equal(("none", null), Search("01D"));
            Assert.Equal(("emoji-clip", null), Search("01E"));
            Assert.Equal("emoji-clip", ledger.Find("a", "01F")!.Body.Rank!.Scorer);

            (string?, IReadOnlyList<ScorerRequest>?) Search(string id) =>
                (ledger.Find("a", id)!.Body.Generate!.Search.Scorer, ledger.Find("a", id)!.Body.Generate!.Search.Scorers);
        }

        using var folder = new DataFolder(options);
        using var again = new JobLedger(folder, options, TimeProvider.System);
        await again.RecoverAsync();
        StartedJob started = (await again.StartAsync("01B", _ => { }))!;
        Assert.Equal((3, false), (started.Epoch, started.Finish));
        Assert.Equal(JobState.Running, started.Job.State);
    }

    [Fact]
    public async Task A_job_of_an_older_worker_runs_without_the_scorer_that_is_gone()
    {
        const string First = "01ARZ3NDEKTSV4RRFFQ69G5FAV", Second = "01ARZ3NDEKTSV4RRFFQ69G5FAW";
        using var models = new ModelFolders();
        models.Copy("emoji-sd");
        Write((First, "generate", "queued", Generate("emoji-clip", 1), 0), (Second, "generate", "queued", Generate("emoji-clip", 1), 1));
        await using QueueHost host = await QueueHost.StartAsync(services: models.Replace, folder: _folder);
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        Job job = await host.Queue.WaitAsync("a", First, timeout.Token);
        Assert.Equal((JobState.Done, null), (job.State, job.Reason));
        Assert.Contains(job.Result!.Warnings, warning => warning.Contains("no scores", StringComparison.Ordinal));
        job = await host.Queue.WaitAsync("a", Second, timeout.Token);
        Assert.Equal(JobState.Failed, job.State);
        Assert.Contains("emoji-clip", job.Reason, StringComparison.Ordinal);
    }

    private static string Generate(string scorer, ulong seed) =>
        $$$"""{"generate":{"schema_version":1,"prompt":{"text":"a \"red\" apple, été 🍎","negative":"","syntax":"a1111"},"model":{"id":"emoji-sd","provider":"cpu"},"sampling":{"scheduler":"DDIMScheduler","num_inference_steps":2,"guidance_scale":2.5,"guidance_rescale":0,"seed":{{{seed}}},"noise":"cpu","width":64,"height":64},"search":{"strategy":"best-of-n","candidates":1,"keep":1,"scorer":"{{{scorer}}}","score_text":"a \"red\" apple, été 🍎","long_text":"truncate"},"output":{"metadata":true}},"cache":"allow","pinned":false}""";

    private void Write(params (string Id, string Kind, string State, string Body, int ScorerAsked)[] jobs)
    {
        using var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = Path.Combine(_folder, "ledger.db"), Pooling = false }.ToString());
        connection.Open();
        using SqliteCommand schema = connection.CreateCommand();
        schema.CommandText = Version1;
        schema.ExecuteNonQuery();
        foreach ((string id, string kind, string state, string body, int asked) in jobs)
        {
            using SqliteCommand insert = connection.CreateCommand();
            insert.CommandText =
                """
                INSERT INTO jobs(
                    id, caller, kind, priority, state, model, model_bytes, body, scorer_asked, submitted_sha256, pinned, epoch, accepted_at)
                VALUES(@id, 'a', @kind, 'batch', @state, 'emoji-sd', 1, @body, @asked, 'x', 0, 3, 1700000000000)
                """;
            insert.Parameters.AddWithValue("@id", id);
            insert.Parameters.AddWithValue("@kind", kind);
            insert.Parameters.AddWithValue("@state", state);
            insert.Parameters.AddWithValue("@body", body);
            insert.Parameters.AddWithValue("@asked", asked);
            insert.ExecuteNonQuery();
        }
    }
}

using System.Globalization;
using Microsoft.Data.Sqlite;

namespace DiffusionClip.Worker.Jobs.Ledger;

/// <summary>The ledger's tables, and how older ones become them.</summary>
internal static class LedgerSchema
{
    // "DClq": tells the ledger from other programs' databases.
    private const int ApplicationId = 0x44436C71;

    /// <summary>One step per version; step i leads from version i to i + 1. Steps that shipped are never changed.</summary>
    private static readonly string[] Steps =
    [
        """
        CREATE TABLE jobs(
            id TEXT NOT NULL PRIMARY KEY,
            caller TEXT NOT NULL,
            kind TEXT NOT NULL,
            priority TEXT NOT NULL,
            state TEXT NOT NULL,
            reason TEXT,
            attempts INTEGER NOT NULL DEFAULT 0,
            crashes INTEGER NOT NULL DEFAULT 0,
            stop TEXT,
            model TEXT NOT NULL,
            model_bytes INTEGER NOT NULL,
            body TEXT NOT NULL,
            scorer_asked INTEGER NOT NULL,
            submitted_sha256 TEXT NOT NULL,
            idempotency_key TEXT,
            pinned INTEGER NOT NULL,
            epoch INTEGER NOT NULL,
            accepted_at INTEGER NOT NULL,
            started_at INTEGER,
            ended_at INTEGER,
            cache_key TEXT,
            result TEXT) WITHOUT ROWID;
        CREATE UNIQUE INDEX jobs_idempotency ON jobs(caller, idempotency_key) WHERE idempotency_key IS NOT NULL;
        CREATE INDEX jobs_queued ON jobs(caller) WHERE state = 'queued';
        CREATE INDEX jobs_running ON jobs(id) WHERE state = 'running';
        CREATE INDEX jobs_caller ON jobs(caller, id);
        CREATE INDEX jobs_ended ON jobs(ended_at) WHERE ended_at IS NOT NULL;
        CREATE INDEX jobs_cache ON jobs(caller, cache_key) WHERE cache_key IS NOT NULL;
        CREATE TABLE transitions(
            job TEXT NOT NULL,
            number INTEGER NOT NULL,
            at INTEGER NOT NULL,
            from_state TEXT,
            to_state TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            reason TEXT,
            PRIMARY KEY(job, number)) WITHOUT ROWID;
        CREATE TABLE artifacts(sha256 TEXT NOT NULL PRIMARY KEY, bytes INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE owners(sha256 TEXT NOT NULL, caller TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(sha256, caller)) WITHOUT ROWID;
        CREATE TABLE uses(sha256 TEXT NOT NULL, job TEXT NOT NULL, PRIMARY KEY(sha256, job)) WITHOUT ROWID;
        CREATE INDEX uses_job ON uses(job);
        CREATE TABLE process(epoch INTEGER NOT NULL);
        INSERT INTO process VALUES(0);
        """,

        // Whether a scorer may be missing stands in the request itself since the requests name several.
        """
        UPDATE jobs SET body = json_set(
            json_remove(body, '$.generate.search.scorer'),
            '$.generate.search.scorers',
            json_array(json_object('id', json_extract(body, '$.generate.search.scorer'), 'optional', json('true'))))
        WHERE kind = 'generate' AND scorer_asked = 0 AND state IN ('queued', 'running')
            AND json_extract(body, '$.generate.search.scorer') IS NOT NULL AND json_extract(body, '$.generate.search.scorer') <> 'none';
        ALTER TABLE jobs DROP COLUMN scorer_asked;
        """,
    ];

    /// <summary>Brings a database to this build's version.</summary>
    /// <exception cref="InvalidRequestException">It is another program's or a newer build's.</exception>
    public static void Prepare(SqliteConnection connection, string path)
    {
        long application = Number(connection, "PRAGMA application_id"), version = Number(connection, "PRAGMA user_version");
        bool empty = Number(connection, "SELECT count(*) FROM sqlite_schema") == 0;
        if (!empty && application != ApplicationId)
        {
            throw new InvalidRequestException("Worker:DataFolder", path, "the file is another program's database; name another folder");
        }

        if (version > Steps.Length)
        {
            throw new InvalidRequestException(
                "Worker:DataFolder",
                path,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"a newer build wrote the ledger (version {version}, this build knows {Steps.Length}); use that build, or another folder"
                ));
        }

        for (int step = (int)version; step < Steps.Length; step++)
        {
            using SqliteTransaction transaction = connection.BeginTransaction();
            Run(connection, Steps[step], transaction);
            Run(
                connection,
                string.Create(CultureInfo.InvariantCulture, $"PRAGMA application_id = {ApplicationId}; PRAGMA user_version = {step + 1}"),
                transaction);
            transaction.Commit();
        }
    }

    private static long Number(SqliteConnection connection, string text)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = text;
        return Convert.ToInt64(command.ExecuteScalar(), CultureInfo.InvariantCulture);
    }

    private static void Run(SqliteConnection connection, string text, SqliteTransaction transaction)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = text;
        command.Transaction = transaction;
        command.ExecuteNonQuery();
    }
}

using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace DiffusionClip.Worker.Jobs.Ledger;

/// <summary>Rows as records, and SQLite's errors as ours.</summary>
internal static class LedgerReading
{
    /// <summary>The columns that <see cref="Job"/> reads, in its order.</summary>
    public const string Columns = "id, caller, kind, priority, state, reason, attempts, body, accepted_at, started_at, ended_at, result";

    private const int Busy = 5, ReadOnly = 8, Corrupt = 11, Full = 13, CannotOpen = 14, NotDatabase = 26;
    private const int WriteFault = 10 | (3 << 8), SyncFault = 10 | (4 << 8);

    /// <summary>Name of a parameter by its position from 0.</summary>
    public static string Parameter(int index) => string.Create(CultureInfo.InvariantCulture, $"?{index + 1}");

    /// <summary>A job of a row with <see cref="Columns"/>.</summary>
    public static Job Job(SqliteDataReader row) => new()
    {
        Id = row.GetString(0),
        Caller = row.GetString(1),
        Kind = Word<JobKind>(row.GetString(2)),
        Priority = Word<JobPriority>(row.GetString(3)),
        State = Word<JobState>(row.GetString(4)),
        Reason = Text(row, 5),
        Attempts = row.GetInt32(6),
        Body = JsonSerializer.Deserialize<JobBody>(row.GetString(7), DiffusionClipJson.Compact)!,
        AcceptedAt = Time(row.GetInt64(8)),
        StartedAt = row.IsDBNull(9) ? null : Time(row.GetInt64(9)),
        EndedAt = row.IsDBNull(10) ? null : Time(row.GetInt64(10)),
        Result = row.IsDBNull(11) ? null : JsonSerializer.Deserialize<JobResult>(row.GetString(11), DiffusionClipJson.Compact),
        Progress = Word<JobState>(row.GetString(4)) == JobState.Done ? 1 : 0,
    };

    /// <summary>A column that may be null.</summary>
    public static string? Text(SqliteDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    /// <summary>A word as it is written.</summary>
    public static string Word(JobState state) => state switch
    {
        JobState.Queued => "queued",
        JobState.Running => "running",
        JobState.Done => "done",
        JobState.Failed => "failed",
        JobState.Cancelled => "cancelled",
        _ => "set_aside",
    };

    /// <summary>A kind as it is written.</summary>
    public static string Word(JobKind kind) => kind switch { JobKind.Generate => "generate", JobKind.Rank => "rank", _ => "score" };

    /// <summary>A priority as it is written.</summary>
    public static string Word(JobPriority priority) => priority == JobPriority.Interactive ? "interactive" : "batch";

    /// <summary>The value of a written word.</summary>
    public static T Word<T>(string text)
        where T : struct, Enum => Enum.Parse<T>(text.Replace("_", "", StringComparison.Ordinal), ignoreCase: true);

    /// <summary>Milliseconds as a time.</summary>
    public static DateTimeOffset Time(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);

    /// <summary>The exception that callers see for an error of SQLite.</summary>
    public static StorageException Fault(string path, SqliteException exception) =>
        exception.SqliteErrorCode switch
        {
            Full => new($"{path}: no space left on the disk; free some", exception) { IsFull = true },
            ReadOnly => new($"{path}: read-only", exception),
            Corrupt or NotDatabase => new($"{path}: the database is damaged ({exception.Message})", exception),
            Busy => new($"{path}: another program holds it", exception),
            CannotOpen => new($"{path}: cannot be opened; if it was removed, restart the worker", exception),
            _ => new($"{path}: cannot be written ({exception.Message})", exception)
            {
                IsFull = exception.SqliteExtendedErrorCode is WriteFault or SyncFault && NoSpace(path),
            },
        };

    // A write that the disk refuses may come as an I/O error.
    private static bool NoSpace(string path)
    {
        try
        {
            return new DriveInfo(Path.GetDirectoryName(path)!).AvailableFreeSpace < 64 << 10;
        }
        catch (IOException)
        {
            return false;
        }
    }
}

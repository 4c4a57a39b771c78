using Microsoft.Data.Sqlite;

namespace DiffusionClip.Worker.Jobs.Ledger;

/// <summary>Reads the ledger beside its one writer, each time what is committed. Thread-safe.</summary>
/// <param name="path">
/// The ledger's file, which has to be there: in place of one that is gone, an empty one would say that there are no jobs.
/// </param>
internal sealed class LedgerReader(string path) : IDisposable
{
    private readonly string _connectionString = new SqliteConnectionStringBuilder
    {
        DataSource = path,
        Mode = SqliteOpenMode.ReadWrite,
        DefaultTimeout = 10,
    }.ToString();

    /// <summary>Reads rows; parameters are by position, ?1 and so on.</summary>
    /// <exception cref="StorageException">They cannot be read.</exception>
    public List<T> Query<T>(string text, Func<SqliteDataReader, T> read, params ReadOnlySpan<object?> parameters)
    {
        try
        {
            using var connection = new SqliteConnection(_connectionString);
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = text;
            for (int i = 0; i < parameters.Length; i++)
            {
                command.Parameters.AddWithValue(LedgerReading.Parameter(i), parameters[i] ?? DBNull.Value);
            }

            using SqliteDataReader row = command.ExecuteReader();
            var rows = new List<T>();
            while (row.Read())
            {
                rows.Add(read(row));
            }

            return rows;
        }
        catch (SqliteException exception)
        {
            throw LedgerReading.Fault(path, exception);
        }
    }

    /// <summary>Closes the connections that are kept for the next reading.</summary>
    public void Dispose()
    {
        using var any = new SqliteConnection(_connectionString);
        SqliteConnection.ClearPool(any);
    }
}

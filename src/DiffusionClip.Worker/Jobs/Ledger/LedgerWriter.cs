using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace DiffusionClip.Worker.Jobs.Ledger;

/// <summary>
/// The one writer of the ledger: changes that arrive together share a transaction and its sync to the disk, so that many
/// callers that each wait for their own commit cost few syncs. A change is done when its transaction is.
/// </summary>
internal sealed class LedgerWriter : IDisposable
{
    private const int LargestBatch = 256;

    private readonly BlockingCollection<Change> _changes = [];
    private readonly SqliteConnection _connection;
    private readonly Dictionary<string, SqliteCommand> _commands = new(StringComparer.Ordinal);
    private readonly string _path;
    private readonly Thread _thread;

    /// <summary>Begins to write.</summary>
    /// <param name="connection">A connection of its own.</param>
    /// <param name="path">The ledger's file.</param>
    public LedgerWriter(SqliteConnection connection, string path)
    {
        _connection = connection;
        _path = path;
        _thread = new Thread(Run) { IsBackground = true, Name = "ledger" };
        _thread.Start();
    }

    /// <summary>Makes a change. What it throws by intent undoes only itself.</summary>
    /// <param name="change">Runs on the writer's thread.</param>
    /// <param name="committed">Runs on the writer's thread after the commit, in the order of the changes.</param>
    /// <exception cref="StorageException">It cannot be written; nothing of it is.</exception>
    public Task<T> WriteAsync<T>(Func<LedgerWriter, T> change, Action<T>? committed = null)
    {
        var pending = new Change<T>(change, committed);
        try
        {
            _changes.Add(pending);
        }
        catch (InvalidOperationException)
        {
            return Task.FromException<T>(new DrainingException());
        }

        return pending.Task;
    }

    /// <summary>A prepared statement; parameters are by position, ?1 and so on.</summary>
    public int Execute(string text, params ReadOnlySpan<object?> parameters) => Prepare(text, parameters).ExecuteNonQuery();

    /// <summary>The first column of the first row; null where there is none.</summary>
    public object? Scalar(string text, params ReadOnlySpan<object?> parameters) =>
        Prepare(text, parameters).ExecuteScalar() is { } value and not DBNull ? value : null;

    /// <summary>Reads rows.</summary>
    public List<T> Query<T>(string text, Func<SqliteDataReader, T> read, params ReadOnlySpan<object?> parameters)
    {
        using SqliteDataReader reader = Prepare(text, parameters).ExecuteReader();
        var rows = new List<T>();
        while (reader.Read())
        {
            rows.Add(read(reader));
        }

        return rows;
    }

    /// <summary>Writes what has arrived and ends.</summary>
    public void Dispose()
    {
        _changes.CompleteAdding();
        _thread.Join();
        foreach (SqliteCommand command in _commands.Values)
        {
            command.Dispose();
        }

        _connection.Dispose();
        _changes.Dispose();
    }

    private SqliteCommand Prepare(string text, ReadOnlySpan<object?> parameters)
    {
        if (!_commands.TryGetValue(text, out SqliteCommand? command))
        {
            command = _connection.CreateCommand();
            command.CommandText = text;
            for (int i = 0; i < parameters.Length; i++)
            {
                command.Parameters.Add(new SqliteParameter { ParameterName = LedgerReading.Parameter(i) });
            }

            _commands.Add(text, command);
        }

        for (int i = 0; i < parameters.Length; i++)
        {
            command.Parameters[i].Value = parameters[i] ?? DBNull.Value;
        }

        return command;
    }

    private void Run()
    {
        var batch = new List<Change>(LargestBatch);
        foreach (Change first in _changes.GetConsumingEnumerable())
        {
            batch.Add(first);
            while (batch.Count < LargestBatch && _changes.TryTake(out Change? next))
            {
                batch.Add(next);
            }

            Write(batch);
            batch.Clear();
        }
    }

    private void Write(List<Change> batch)
    {
        try
        {
            // Writes to a deleted file succeed, and are lost with the process.
            if (!File.Exists(_path))
            {
                throw new StorageException($"{_path}: the ledger was removed while the worker ran; restart the worker");
            }

            Execute("BEGIN IMMEDIATE");
            foreach (Change change in batch)
            {
                Execute("SAVEPOINT change");
                if (!change.Try(this))
                {
                    Execute("ROLLBACK TO change");
                }

                Execute("RELEASE change");
            }

            Execute("COMMIT");
        }
        catch (Exception exception)
        {
            try
            {
                Execute("ROLLBACK");
            }
            catch (SqliteException)
            {
                // SQLite may have rolled back itself.
            }

            Exception fault = exception is SqliteException sqlite ? LedgerReading.Fault(_path, sqlite) : exception;
            batch.ForEach(change => change.Fail(fault));
            return;
        }

        batch.ForEach(change => change.Complete());
    }

    private abstract class Change
    {
        /// <summary>Whether the change stands. Its own exceptions go to its caller; those of SQLite end the batch.</summary>
        public abstract bool Try(LedgerWriter writer);

        public abstract void Complete();

        public abstract void Fail(Exception exception);
    }

    private sealed class Change<T>(Func<LedgerWriter, T> change, Action<T>? committed) : Change
    {
        private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Exception? _refusal;
        private T _value = default!;

        public Task<T> Task => _done.Task;

        public override bool Try(LedgerWriter writer)
        {
            try
            {
                _value = change(writer);
                return true;
            }
            catch (Exception exception) when (exception is not SqliteException)
            {
                _refusal = exception;
                return false;
            }
        }

        public override void Complete()
        {
            if (_refusal is not null)
            {
                _done.SetException(_refusal);
                return;
            }

            try
            {
                committed?.Invoke(_value);
                _done.SetResult(_value);
            }
            catch (Exception exception)
            {
                _done.SetException(exception);
            }
        }

        public override void Fail(Exception exception) => _done.TrySetException(exception);
    }
}

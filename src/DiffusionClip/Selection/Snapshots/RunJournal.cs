using System.Text.Json;
using DiffusionClip.Scoring;

namespace DiffusionClip.Selection.Snapshots;

/// <summary>
/// Writes a run down and brings it back: its identity, how scores came about, and the search
/// (<see cref="SearchLoop.Write(SnapshotWriter)"/>).
/// </summary>
/// <param name="snapshots">Where snapshots go and come from.</param>
/// <param name="identity">The run's identity. While models are being hashed there are no snapshots.</param>
/// <param name="scoring">How scores come about.</param>
/// <param name="maxLength">Bytes of candidates that a snapshot takes; a run that outgrows it is written down no further.</param>
internal sealed class RunJournal(
    IRunSnapshots snapshots, Task<RunIdentity> identity, ICandidateScoring scoring, long maxLength = 1 << 30) : IDisposable
{
    private readonly SnapshotWriter _writer = new(maxLength);
    private bool _isTooLarge;

    /// <summary>Whether it is time to write.</summary>
    public bool IsDue() => !_isTooLarge && identity.IsCompletedSuccessfully && snapshots.IsDue();

    /// <summary>Writes a search down.</summary>
    public void Save(SearchLoop search)
    {
        _writer.Begin();
        identity.GetAwaiter().GetResult().Write(_writer);
        byte[] records = JsonSerializer.SerializeToUtf8Bytes(scoring.Records, DiffusionClipJson.Compact);
        _writer.Write(records.Length);
        _writer.Write(records);
        if (search.Write(_writer))
        {
            snapshots.Save(_writer.End());
        }
        else
        {
            _isTooLarge = true;
        }
    }

    /// <summary>Brings a search to where its snapshot stands, if there is one that fits; else the search stays as it is.</summary>
    /// <returns>What became of the snapshot; null if there was none.</returns>
    public async Task<ResumeReport?> LoadAsync(SearchLoop search)
    {
        if (snapshots.Load() is not { } snapshot)
        {
            return null;
        }

        RunIdentity here = await identity.ConfigureAwait(false);
        string? reason;
        try
        {
            reason = Restore(SnapshotReader.Open(snapshot), search, here);
        }
        catch (Exception exception)
            when (exception is InvalidDataException or EndOfStreamException or JsonException or DiffusionClipException)
        {
            reason = exception.Message;
        }

        ResumeReport report = reason is null
            ? new()
            {
                FromSnapshot = true,
                EvaluationsSkipped = (int)Math.Min(int.MaxValue, search.EvaluationsDone),
                SecondsBefore = Math.Round(search.SecondsBefore, 6),
            }
            : new() { FromSnapshot = false, Reason = $"the snapshot cannot be used: {reason}" };
        snapshots.OnResumed(report);
        return report;
    }

    public void Dispose() => _writer.Dispose();

    private string? Restore(SnapshotReader reader, SearchLoop search, RunIdentity here)
    {
        using (reader)
        {
            if (here.DifferenceFrom(RunIdentity.Read(reader)) is { } difference)
            {
                return difference;
            }

            IReadOnlyList<ScorerRecords> records = ReadRecords(reader);
            if (search.Read(reader) is { } reason)
            {
                return reason;
            }

            scoring.Records = records;
            return null;
        }
    }

    private static ScorerRecords[] ReadRecords(SnapshotReader reader)
    {
        byte[] records = new byte[reader.ReadCount(1, "bytes of scores' records")];
        reader.ReadExactly(records);
        return JsonSerializer.Deserialize<ScorerRecords[]>(records, DiffusionClipJson.Compact) ?? [];
    }
}

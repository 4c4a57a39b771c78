using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DiffusionClip.Selection.Snapshots;

/// <summary>
/// Writes a snapshot: the bytes <c>DCSNAP\r\n</c>, the version of the format (int32), the length of all (int64), the content, and the
/// SHA-256 of everything before it. Little-endian throughout; what may be absent has a byte before it, 0 or 1; lists have their count
/// before them (int32); texts are UTF-16 with the number of code units before them.
/// </summary>
internal sealed class SnapshotWriter : BinaryWriter
{
    /// <summary>Version of the format; raised with every change of it.</summary>
    public const int Version = 2;

    /// <summary>Bytes before the content.</summary>
    public const int HeaderLength = 8 + sizeof(int) + sizeof(long);

    private readonly MemoryStream _bytes;
    private readonly long _maxLength;

    /// <summary>Makes a writer whose memory serves one snapshot after the other.</summary>
    /// <param name="maxLength">Bytes from which on a snapshot takes no further candidate.</param>
    public SnapshotWriter(long maxLength)
        : this(new MemoryStream(), maxLength)
    {
    }

    private SnapshotWriter(MemoryStream bytes, long maxLength)
        : base(bytes) => (_bytes, _maxLength) = (bytes, maxLength);

    /// <summary>Whether it takes no further candidate.</summary>
    public bool IsFull => _bytes.Length > _maxLength;

    /// <summary>What a snapshot begins with.</summary>
    public static ReadOnlySpan<byte> Magic => "DCSNAP\r\n"u8;

    /// <summary>Begins a snapshot; the one before is gone.</summary>
    public void Begin()
    {
        _bytes.SetLength(0);
        Write(Magic);
        Write(Version);
        Write(0L);
    }

    /// <summary>Ends a snapshot.</summary>
    /// <returns>Its bytes, valid until the next one begins.</returns>
    public ReadOnlySpan<byte> End()
    {
        long length = _bytes.Length + SHA256.HashSizeInBytes;
        _bytes.Position = HeaderLength - sizeof(long);
        Write(length);
        _bytes.Position = _bytes.Length;
        Span<byte> checksum = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Written(), checksum);
        Write(checksum);
        return Written();
    }

    /// <summary>Writes a text that may be absent.</summary>
    public void WriteText(string? text)
    {
        Write(text is not null);
        if (text is null)
        {
            return;
        }

        Write(text.Length);
        if (BitConverter.IsLittleEndian)
        {
            Write(MemoryMarshal.AsBytes(text.AsSpan()));
            return;
        }

        foreach (char unit in text)
        {
            Write((ushort)unit);
        }
    }

    /// <summary>Writes a number that may be absent.</summary>
    public void WriteOptional(double? value)
    {
        Write(value.HasValue);
        Write(value.GetValueOrDefault());
    }

    /// <summary>Writes a number that may be absent.</summary>
    public void WriteOptional(int? value)
    {
        Write(value.HasValue);
        Write(value.GetValueOrDefault());
    }

    /// <summary>Writes what scorers gave.</summary>
    public void WriteScores(IReadOnlyList<ScorerScore> scores)
    {
        Write(scores.Count);
        foreach (ScorerScore score in scores)
        {
            WriteText(score.Scorer);
            WriteOptional(score.Score);
            WriteText(score.Failure);
        }
    }

    private ReadOnlySpan<byte> Written() => _bytes.GetBuffer().AsSpan(0, (int)_bytes.Length);
}

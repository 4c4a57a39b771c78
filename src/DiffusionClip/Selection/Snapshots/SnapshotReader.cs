using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DiffusionClip.Selection.Snapshots;

/// <summary>
/// Reads what <see cref="SnapshotWriter"/> wrote. Counts are held against the bytes that are left before anything is allocated for them.
/// </summary>
internal sealed class SnapshotReader : BinaryReader
{
    private SnapshotReader(byte[] snapshot)
        : base(
            new MemoryStream(
                snapshot,
                SnapshotWriter.HeaderLength,
                snapshot.Length - SnapshotWriter.HeaderLength - SHA256.HashSizeInBytes,
                writable: false)
        ) { }

    /// <summary>Bytes not yet read.</summary>
    public long Remaining => BaseStream.Length - BaseStream.Position;

    /// <summary>Checks beginning, version, length and checksum, and opens the content.</summary>
    /// <exception cref="InvalidDataException">The bytes are no whole snapshot of this version.</exception>
    public static SnapshotReader Open(byte[] snapshot)
    {
        ReadOnlySpan<byte> bytes = snapshot;
        if (bytes.Length < SnapshotWriter.HeaderLength + SHA256.HashSizeInBytes || !bytes.StartsWith(SnapshotWriter.Magic))
        {
            throw new InvalidDataException(FormattableString.Invariant($"its {bytes.Length} bytes do not begin as a snapshot does"));
        }

        int version = BinaryPrimitives.ReadInt32LittleEndian(bytes[SnapshotWriter.Magic.Length..]);
        if (version != SnapshotWriter.Version)
        {
            throw new InvalidDataException(
                FormattableString.Invariant($"its format has version {version}, this build reads {SnapshotWriter.Version}"));
        }

        long length = BinaryPrimitives.ReadInt64LittleEndian(bytes[(SnapshotWriter.HeaderLength - sizeof(long))..]);
        if (length != bytes.Length)
        {
            throw new InvalidDataException(FormattableString.Invariant($"it has {bytes.Length} bytes of {length}"));
        }

        Span<byte> checksum = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes[..^SHA256.HashSizeInBytes], checksum);
        if (!checksum.SequenceEqual(bytes[^SHA256.HashSizeInBytes..]))
        {
            throw new InvalidDataException("its checksum is wrong");
        }

        return new(snapshot);
    }

    /// <summary>Reads the count of a list.</summary>
    /// <param name="least">Bytes that each entry has at least.</param>
    /// <param name="name">What is counted, for the error.</param>
    /// <exception cref="InvalidDataException">So many entries do not fit into what is left.</exception>
    public int ReadCount(int least, string name)
    {
        int count = ReadInt32();
        return count >= 0 && count <= Remaining / least
            ? count
            : throw new InvalidDataException(
                FormattableString.Invariant($"{count} {name} do not fit into the {Remaining} bytes that are left"));
    }

    /// <summary>Reads a text that may be absent.</summary>
    public string? ReadText()
    {
        if (!ReadBoolean())
        {
            return null;
        }

        int length = ReadCount(sizeof(char), "characters");
        return string.Create(length, this, static (units, reader) =>
        {
            foreach (ref char unit in units)
            {
                unit = (char)reader.ReadUInt16();
            }
        });
    }

    /// <summary>Reads a number that may be absent.</summary>
    public double? ReadOptionalDouble()
    {
        bool present = ReadBoolean();
        double value = ReadDouble();
        return present ? value : null;
    }

    /// <summary>Reads a number that may be absent.</summary>
    public int? ReadOptionalInt32()
    {
        bool present = ReadBoolean();
        int value = ReadInt32();
        return present ? value : null;
    }

    /// <summary>Reads what scorers gave.</summary>
    public IReadOnlyList<ScorerScore> ReadScores()
    {
        var scores = new ScorerScore[ReadCount(3 + sizeof(double), "scores")];
        foreach (ref ScorerScore score in scores.AsSpan())
        {
            score = new() { Scorer = ReadText() ?? "", Score = ReadOptionalDouble(), Failure = ReadText() };
        }

        return scores;
    }

    /// <summary>Reads a number that lies in a range.</summary>
    /// <exception cref="InvalidDataException">It lies outside.</exception>
    public int ReadInt32(int least, int most, string name)
    {
        int value = ReadInt32();
        return value >= least && value <= most
            ? value
            : throw new InvalidDataException(FormattableString.Invariant($"{name} is {value}, outside of {least} to {most}"));
    }
}

using System.Text;

namespace DiffusionClip.Models.Graphs;

/// <summary>Walks the fields of a protobuf message in a seekable stream without reading what is skipped.</summary>
internal sealed class ProtobufCursor
{
    private readonly Stream _stream;
    private readonly long _end;
    private readonly int _depth;
    private int _wire;

    /// <summary>Walks a whole stream.</summary>
    public ProtobufCursor(Stream stream) : this(stream, stream.Length, 0)
    {
    }

    private ProtobufCursor(Stream stream, long end, int depth)
    {
        _stream = stream;
        _end = end;
        _depth = depth;
    }

    /// <summary>Goes to the next field; false at the end of the message. The field has to be consumed before the next call.</summary>
    public bool Next(out int field)
    {
        field = 0;
        if (_stream.Position >= _end)
        {
            return _stream.Position == _end ? false : throw new EndOfStreamException();
        }

        ulong tag = Varint();
        field = (int)(tag >> 3);
        _wire = (int)(tag & 7);
        return field > 0 ? true : throw new EndOfStreamException();
    }

    /// <summary>The field as a number.</summary>
    public ulong Number()
    {
        if (_wire == 0)
        {
            return Varint();
        }

        Skip();
        return 0;
    }

    /// <summary>The field as numbers: one, or several packed together.</summary>
    /// <param name="most">How many there may be.</param>
    public List<ulong> Numbers(int most)
    {
        if (_wire != 2)
        {
            return most > 0 ? [Number()] : throw new EndOfStreamException();
        }

        long end = Length();
        end += _stream.Position;
        var numbers = new List<ulong>();
        while (_stream.Position < end)
        {
            numbers.Add(numbers.Count < most ? Varint() : throw new EndOfStreamException());
        }

        return _stream.Position == end ? numbers : throw new EndOfStreamException();
    }

    /// <summary>Where the field's bytes lie in the stream; they are passed over.</summary>
    public ByteRange? Range()
    {
        if (_wire != 2)
        {
            Skip();
            return null;
        }

        long length = Length();
        var range = new ByteRange(_stream.Position, length);
        Advance(length);
        return range;
    }

    /// <summary>The field as text of up to 64 KiB.</summary>
    public string Text() => Text(1 << 16) ?? throw new EndOfStreamException();

    /// <summary>The field as text of up to 1 MiB; a longer one is passed over and null.</summary>
    public string? TextIfShort() => Text(1 << 20);

    private string? Text(int most)
    {
        long length = Length();
        if (length > most)
        {
            Advance(length);
            return null;
        }

        byte[] bytes = new byte[length];
        _stream.ReadExactly(bytes);
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>The field as a 32-bit float.</summary>
    public float Single()
    {
        if (_wire != 5)
        {
            Skip();
            return 0;
        }

        Span<byte> bytes = stackalloc byte[4];
        if (_end - _stream.Position < bytes.Length)
        {
            throw new EndOfStreamException();
        }

        _stream.ReadExactly(bytes);
        return System.Buffers.Binary.BinaryPrimitives.ReadSingleLittleEndian(bytes);
    }

    /// <summary>The field as bytes; for files of a few megabytes only.</summary>
    public byte[] Bytes()
    {
        long length = Length();
        byte[] bytes = length <= 1 << 24 ? new byte[length] : throw new EndOfStreamException();
        _stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>The field as a message, which has to be walked to its end.</summary>
    public ProtobufCursor Message()
    {
        // Graphs nest in graphs; a hostile file must not overflow the stack.
        long length = Length();
        return _depth < 100 ? new ProtobufCursor(_stream, _stream.Position + length, _depth + 1) : throw new EndOfStreamException();
    }

    /// <summary>Leaves the field out.</summary>
    public void Skip()
    {
        switch (_wire)
        {
            case 0:
                Varint();
                break;
            case 1:
                Advance(8);
                break;
            case 2:
                Advance(Length());
                break;
            case 5:
                Advance(4);
                break;
            default:
                throw new EndOfStreamException();
        }
    }

    private long Length()
    {
        ulong length = _wire == 2 ? Varint() : throw new EndOfStreamException();
        return length <= (ulong)(_end - _stream.Position) ? (long)length : throw new EndOfStreamException();
    }

    private void Advance(long count)
    {
        if (count > _end - _stream.Position)
        {
            throw new EndOfStreamException();
        }

        _stream.Seek(count, SeekOrigin.Current);
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            int next = _stream.ReadByte();
            if (next < 0)
            {
                throw new EndOfStreamException();
            }

            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw new EndOfStreamException();
    }
}

/// <summary>A stretch of a stream.</summary>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Number of bytes.</param>
internal readonly record struct ByteRange(long Offset, long Length);

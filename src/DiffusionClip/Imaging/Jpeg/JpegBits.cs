using System.Buffers.Binary;

namespace DiffusionClip.Imaging.Jpeg;

/// <summary>Bits of entropy-coded data up to the next marker; after that come zeros, and taking one of those is an overrun.</summary>
internal ref struct JpegBits
{
    private readonly ReadOnlySpan<byte> _file;
    private int _at;
    private ulong _buffer;
    private int _count;
    private int _missing;

    public JpegBits(ReadOnlySpan<byte> file, int start)
    {
        _file = file;
        _at = start;
    }

    public readonly bool Overrun => _count < _missing;

    public int Decode(JpegHuffmanTable table)
    {
        Fill();
        (int length, int symbol) = table.Find((int)(_buffer >> 48));
        if (length == 0)
        {
            return -1;
        }

        Take(length);
        return symbol;
    }

    public int Read(int bits)
    {
        if (bits == 0)
        {
            return 0;
        }

        Fill();
        int value = (int)(_buffer >> (64 - bits));
        Take(bits);
        return value;
    }

    /// <summary>Passes at most 16 bits.</summary>
    public void Skip(int bits)
    {
        if (_count < bits)
        {
            Fill();
        }

        Take(bits);
    }

    /// <summary>Passes the padding of a byte and the given restart marker.</summary>
    public bool Restart(int number)
    {
        int left = Finish(out int next);
        if (left > JpegScan.ToleratedTrailingBytes || next + 2 > _file.Length || _file[next + 1] != 0xD0 + number)
        {
            return false;
        }

        _at = next + 2;
        _buffer = 0;
        _count = 0;
        _missing = 0;
        return true;
    }

    /// <summary>Whole bytes that were not read, and where the marker after them is.</summary>
    public int Finish(out int next)
    {
        int left = (_count - _missing) / 8;
        while (_at < _file.Length && !AtMarker())
        {
            _at += _file[_at] == 0xFF ? 2 : 1;
            left++;
        }

        next = Math.Min(_at, _file.Length);

        // Markers may be preceded by fill bytes.
        while (next + 1 < _file.Length && _file[next] == 0xFF && _file[next + 1] == 0xFF)
        {
            next++;
        }

        return left;
    }

    private readonly bool AtMarker() => _file[_at] == 0xFF && (_at + 1 >= _file.Length || _file[_at + 1] != 0);

    private void Take(int bits)
    {
        _buffer <<= bits;
        _count -= bits;
    }

    // A code and the bits after it are 32 at most.
    private void Fill()
    {
        if (_count >= 32)
        {
            return;
        }

        if (_at + 4 <= _file.Length)
        {
            uint four = BinaryPrimitives.ReadUInt32BigEndian(_file[_at..]);

            // No byte is FF where no byte of the complement is zero.
            if (((~four - 0x01010101u) & four & 0x80808080u) == 0)
            {
                _buffer |= (ulong)four << (32 - _count);
                _count += 32;
                _at += 4;
                return;
            }
        }

        while (_count <= 56)
        {
            if (_at >= _file.Length || AtMarker())
            {
                _missing = Math.Min(_missing + 8, 1 << 20);
            }
            else
            {
                byte value = _file[_at];
                _at += value == 0xFF ? 2 : 1;
                _buffer |= (ulong)value << (56 - _count);
            }

            _count += 8;
        }
    }
}

using System.Buffers;
using System.Buffers.Binary;

namespace DiffusionClip.Imaging.Jpeg;

/// <summary>
/// Reads a JPEG's entropy-coded data without making pixels, to find files that are cut off or have flipped bits (ITU-T T.81, annexes F and G).
/// JPEG has no checksum, and decoders fill what they cannot read with grey and say nothing; but data that do not decode to exactly the blocks
/// that the header promises are damaged. What still decodes to that many blocks cannot be told from a picture.
/// Huffman-coded files only; arithmetic-coded ones are left to the decoder.
/// </summary>
internal static class JpegIntegrity
{
    // Some cameras leave a byte or two after the last block.
    private const int ToleratedTrailingBytes = 2;

    /// <summary>Checks a file.</summary>
    /// <exception cref="ImageFormatException">Damaged; says where.</exception>
    public static void Check(ReadOnlySpan<byte> file)
    {
        using State state = new();
        int at = 2;
        while (at + 4 <= file.Length)
        {
            if (file[at] != 0xFF)
            {
                throw Damaged($"a marker is missing at byte {at}");
            }

            byte marker = file[at + 1];
            if (marker == 0xFF)
            {
                at++;
                continue;
            }

            if (marker == 0xD9)
            {
                break;
            }

            if (marker is 0x01 or (>= 0xD0 and <= 0xD8))
            {
                at += 2;
                continue;
            }

            int length = BinaryPrimitives.ReadUInt16BigEndian(file[(at + 2)..]);
            if (length < 2 || length > file.Length - at - 2)
            {
                throw Damaged($"the segment at byte {at} is longer than the file");
            }

            ReadOnlySpan<byte> segment = file.Slice(at + 4, length - 2);
            at += 2 + length;
            switch (marker)
            {
                case 0xC0 or 0xC1 or 0xC2:
                    state.ReadFrame(segment, progressive: marker == 0xC2);
                    break;
                case >= 0xC3 and <= 0xCF and not (0xC4 or 0xC8 or 0xCC):
                    return;
                case 0xC4:
                    state.ReadTables(segment);
                    break;
                case 0xDD when segment.Length >= 2:
                    state.RestartInterval = BinaryPrimitives.ReadUInt16BigEndian(segment);
                    break;
                case 0xDA:
                    at = state.ReadScan(file, segment, at);
                    break;
            }
        }

        if (!state.HasScans)
        {
            throw Damaged("it holds no scan");
        }

        if (at + 2 > file.Length || file[at] != 0xFF || file[at + 1] != 0xD9)
        {
            throw new ImageFormatException("truncated JPEG: the file ends before the picture does");
        }
    }

    private static ImageFormatException Damaged(string what) => new($"damaged JPEG: {what}");

    private sealed class Component
    {
        public required byte Id { get; init; }

        public required int Horizontal { get; init; }

        public required int Vertical { get; init; }

        /// <summary>Blocks that cover the picture, as a scan of this component alone counts them.</summary>
        public int BlocksAcross { get; set; }

        public int BlocksDown { get; set; }

        /// <summary>Blocks in a row of the padded grid that interleaved scans fill.</summary>
        public int Stride { get; set; }

        /// <summary>A bit for each coefficient of each block that is no longer zero; progressive files only.</summary>
        public ulong[]? NonZero { get; set; }

        public HuffmanTable? Dc { get; set; }

        public HuffmanTable? Ac { get; set; }
    }

    private sealed class State : IDisposable
    {
        private readonly HuffmanTable?[] _dc = new HuffmanTable?[4];
        private readonly HuffmanTable?[] _ac = new HuffmanTable?[4];
        private Component[] _components = [];
        private bool _progressive;
        private int _across;
        private int _down;
        private int _endOfBandRun;

        public int RestartInterval { get; set; }

        public bool HasScans { get; private set; }

        public void Dispose()
        {
            foreach (Component component in _components)
            {
                if (component.NonZero is { } rented)
                {
                    ArrayPool<ulong>.Shared.Return(rented);
                }
            }
        }

        public void ReadFrame(ReadOnlySpan<byte> segment, bool progressive)
        {
            if (_components.Length > 0)
            {
                throw Damaged("it has two frame headers");
            }

            if (segment.Length < 6 || segment[5] is 0 or > 4 || segment.Length < 6 + (3 * segment[5]))
            {
                throw Damaged("its frame header is too short");
            }

            int height = BinaryPrimitives.ReadUInt16BigEndian(segment[1..]), width = BinaryPrimitives.ReadUInt16BigEndian(segment[3..]);
            Component[] components = new Component[segment[5]];
            for (int i = 0; i < components.Length; i++)
            {
                ReadOnlySpan<byte> entry = segment[(6 + (3 * i))..];
                components[i] = new Component { Id = entry[0], Horizontal = entry[1] >> 4, Vertical = entry[1] & 15 };
                if (components[i].Horizontal is < 1 or > 4 || components[i].Vertical is < 1 or > 4)
                {
                    throw Damaged("its sampling factors are not 1 to 4");
                }
            }

            _progressive = progressive;
            _components = components;
            int horizontal = components.Max(component => component.Horizontal), vertical = components.Max(component => component.Vertical);
            _across = Ceiling(width, 8 * horizontal);
            _down = Ceiling(height, 8 * vertical);
            foreach (Component component in components)
            {
                component.BlocksAcross = Ceiling(Ceiling(width * component.Horizontal, horizontal), 8);
                component.BlocksDown = Ceiling(Ceiling(height * component.Vertical, vertical), 8);
                component.Stride = _across * component.Horizontal;
                if (progressive)
                {
                    int blocks = component.Stride * _down * component.Vertical;
                    component.NonZero = ArrayPool<ulong>.Shared.Rent(blocks);
                    component.NonZero.AsSpan(0, blocks).Clear();
                }
            }
        }

        public void ReadTables(ReadOnlySpan<byte> segment)
        {
            while (segment.Length >= 17)
            {
                int count = 0;
                for (int i = 1; i <= 16; i++)
                {
                    count += segment[i];
                }

                if ((segment[0] & 0xEC) != 0 || segment.Length < 17 + count || count > 256)
                {
                    throw Damaged("a Huffman table is too short");
                }

                HuffmanTable table = HuffmanTable.Build(segment.Slice(1, 16), segment.Slice(17, count)) ?? throw Damaged("a Huffman table has more codes than fit");
                (segment[0] >> 4 == 0 ? _dc : _ac)[segment[0] & 3] = table;
                segment = segment[(17 + count)..];
            }
        }

        /// <summary>Reads the data of a scan; returns where its following marker is.</summary>
        public int ReadScan(ReadOnlySpan<byte> file, ReadOnlySpan<byte> segment, int start)
        {
            if (segment.Length < 1 || segment[0] is 0 or > 4 || segment.Length < 4 + (2 * segment[0]))
            {
                throw Damaged("a scan header is too short");
            }

            Component[] scanned = new Component[segment[0]];
            for (int i = 0; i < scanned.Length; i++)
            {
                byte id = segment[1 + (2 * i)], selectors = segment[2 + (2 * i)];
                scanned[i] = Array.Find(_components, component => component.Id == id) ?? throw Damaged("a scan names a component that does not exist");
                scanned[i].Dc = _dc[(selectors >> 4) & 3];
                scanned[i].Ac = _ac[selectors & 3];
            }

            ReadOnlySpan<byte> parameters = segment[(1 + (2 * scanned.Length))..];
            Scan scan = new(parameters[0], parameters[1], parameters[2] >> 4);
            bool badBand = scan.First > scan.Last || scan.Last > 63 || (scan.First > 0 && scanned.Length > 1) || (scan.First == 0 && scan.Last > 0 && _progressive);
            if (badBand || (!_progressive && (scan.First != 0 || scan.Last != 63)))
            {
                throw Damaged($"a scan of coefficients {scan.First} to {scan.Last}");
            }

            HasScans = true;
            BitReader bits = new(file, start);
            _endOfBandRun = 0;
            bool alone = scanned.Length == 1;
            int across = alone ? scanned[0].BlocksAcross : _across, down = alone ? scanned[0].BlocksDown : _down;
            int untilRestart = RestartInterval, restarts = 0;
            for (int row = 0; row < down; row++)
            {
                for (int column = 0; column < across; column++)
                {
                    if (RestartInterval > 0 && untilRestart-- == 0)
                    {
                        if (!bits.Restart(restarts++ & 7))
                        {
                            throw Damaged($"a restart marker is missing in row {row} of {down}");
                        }

                        untilRestart = RestartInterval - 1;
                        _endOfBandRun = 0;
                    }

                    bool read = alone
                        ? ReadBlock(ref bits, scanned[0], scan, (row * scanned[0].Stride) + column)
                        : ReadUnit(ref bits, scanned, scan, row, column);
                    if (!read || bits.Overrun)
                    {
                        throw Damaged($"its data break off or make no sense in block row {row} of {down}");
                    }
                }
            }

            int left = bits.Finish(out int next);
            return left <= ToleratedTrailingBytes ? next : throw Damaged($"{left} bytes are left over after its last block");
        }

        private bool ReadUnit(ref BitReader bits, Component[] scanned, Scan scan, int row, int column)
        {
            foreach (Component component in scanned)
            {
                for (int y = 0; y < component.Vertical; y++)
                {
                    for (int x = 0; x < component.Horizontal; x++)
                    {
                        int block = (((row * component.Vertical) + y) * component.Stride) + (column * component.Horizontal) + x;
                        if (!ReadBlock(ref bits, component, scan, block))
                        {
                            return false;
                        }
                    }
                }
            }

            return true;
        }

        private bool ReadBlock(ref BitReader bits, Component component, Scan scan, int block)
        {
            if (!_progressive)
            {
                return component is { Dc: { } dc, Ac: { } ac } && ReadDc(ref bits, dc) && ReadSequentialAc(ref bits, ac);
            }

            if (scan.First == 0)
            {
                if (scan.High > 0)
                {
                    bits.Skip(1);
                    return true;
                }

                return component.Dc is { } first && ReadDc(ref bits, first);
            }

            ref ulong nonZero = ref component.NonZero![block];
            return component.Ac is { } table && (scan.High == 0 ? ReadBand(ref bits, table, scan, ref nonZero) : RefineBand(ref bits, table, scan, ref nonZero));
        }

        private static bool ReadDc(ref BitReader bits, HuffmanTable table)
        {
            int size = bits.Decode(table);
            if (size is < 0 or > 15)
            {
                return false;
            }

            bits.Skip(size);
            return true;
        }

        private static bool ReadSequentialAc(ref BitReader bits, HuffmanTable table)
        {
            for (int k = 1; k < 64; k++)
            {
                int symbol = bits.Decode(table);
                if (symbol < 0)
                {
                    return false;
                }

                int run = symbol >> 4, size = symbol & 15;
                if (size == 0)
                {
                    if (run != 15)
                    {
                        return true;
                    }

                    k += 15;
                    continue;
                }

                k += run;
                if (k > 63)
                {
                    return false;
                }

                bits.Skip(size);
            }

            return true;
        }

        private bool ReadBand(ref BitReader bits, HuffmanTable table, Scan scan, ref ulong nonZero)
        {
            if (_endOfBandRun > 0)
            {
                _endOfBandRun--;
                return true;
            }

            for (int k = scan.First; k <= scan.Last; k++)
            {
                int symbol = bits.Decode(table);
                if (symbol < 0)
                {
                    return false;
                }

                int run = symbol >> 4, size = symbol & 15;
                if (size == 0)
                {
                    if (run < 15)
                    {
                        _endOfBandRun = (1 << run) + bits.Read(run) - 1;
                        return true;
                    }

                    k += 15;
                    continue;
                }

                k += run;
                if (k > scan.Last)
                {
                    return false;
                }

                bits.Skip(size);
                nonZero |= 1UL << k;
            }

            return true;
        }

        private bool RefineBand(ref BitReader bits, HuffmanTable table, Scan scan, ref ulong nonZero)
        {
            int k = scan.First;
            if (_endOfBandRun == 0)
            {
                for (; k <= scan.Last; k++)
                {
                    int symbol = bits.Decode(table);
                    int run = symbol >> 4, size = symbol & 15;
                    if (symbol < 0 || size > 1)
                    {
                        return false;
                    }

                    if (size == 0 && run < 15)
                    {
                        _endOfBandRun = (1 << run) + bits.Read(run);
                        break;
                    }

                    bits.Skip(size);

                    // Coefficients that are there already give one bit each and do not count in the run of zeros.
                    for (; k <= scan.Last; k++)
                    {
                        if ((nonZero & (1UL << k)) != 0)
                        {
                            bits.Skip(1);
                        }
                        else if (--run < 0)
                        {
                            break;
                        }
                    }

                    if (size == 1)
                    {
                        if (k > scan.Last)
                        {
                            return false;
                        }

                        nonZero |= 1UL << k;
                    }
                }
            }

            if (_endOfBandRun > 0)
            {
                for (; k <= scan.Last; k++)
                {
                    bits.Skip((int)((nonZero >> k) & 1));
                }

                _endOfBandRun--;
            }

            return true;
        }

        private static int Ceiling(int value, int divisor) => (value + divisor - 1) / divisor;

        /// <summary>Coefficients and, above zero, that bits are added to those that came before.</summary>
        private readonly record struct Scan(int First, int Last, int High);
    }

    /// <summary>A canonical Huffman code: nine bits are looked up at once, longer codes searched.</summary>
    private sealed class HuffmanTable
    {
        public const int FastBits = 9;

        // Length in the upper byte, symbol in the lower; 0 where no code is that short.
        private readonly ushort[] _fast = new ushort[1 << FastBits];
        private readonly int[] _codeEnds = new int[18];
        private readonly int[] _offsets = new int[17];
        private readonly byte[] _symbols = new byte[256];

        public static HuffmanTable? Build(ReadOnlySpan<byte> counts, ReadOnlySpan<byte> symbols)
        {
            HuffmanTable table = new();
            symbols.CopyTo(table._symbols);
            int code = 0, next = 0;
            for (int length = 1; length <= 16; length++, code <<= 1)
            {
                table._offsets[length] = next - code;
                for (int i = 0; i < counts[length - 1]; i++, code++, next++)
                {
                    if (code >= 1 << length)
                    {
                        return null;
                    }

                    if (length <= FastBits)
                    {
                        table._fast.AsSpan(code << (FastBits - length), 1 << (FastBits - length)).Fill((ushort)((length << 8) | symbols[next]));
                    }
                }

                table._codeEnds[length] = code;
            }

            return table;
        }

        /// <summary>Length and symbol of the code that 16 bits begin with; length 0 if there is none.</summary>
        public (int Length, int Symbol) Find(int sixteen)
        {
            int fast = _fast[sixteen >> (16 - FastBits)];
            if (fast != 0)
            {
                return (fast >> 8, fast & 0xFF);
            }

            for (int length = FastBits + 1; length <= 16; length++)
            {
                int code = sixteen >> (16 - length);
                if (code < _codeEnds[length])
                {
                    int index = code + _offsets[length];
                    return index is >= 0 and < 256 ? (length, _symbols[index]) : (0, 0);
                }
            }

            return (0, 0);
        }
    }

    /// <summary>Bits of entropy-coded data up to the next marker; after that come zeros, and taking one of those is an overrun.</summary>
    private ref struct BitReader
    {
        private readonly ReadOnlySpan<byte> _file;
        private int _at;
        private ulong _buffer;
        private int _count;
        private int _missing;

        public BitReader(ReadOnlySpan<byte> file, int start)
        {
            _file = file;
            _at = start;
        }

        public readonly bool Overrun => _count < _missing;

        public int Decode(HuffmanTable table)
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
            if (left > ToleratedTrailingBytes || next + 2 > _file.Length || _file[next + 1] != 0xD0 + number)
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
}

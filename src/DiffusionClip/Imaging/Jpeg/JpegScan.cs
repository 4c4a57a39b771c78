namespace DiffusionClip.Imaging.Jpeg;

/// <summary>A scan: some components' blocks, of progressive files a band of their coefficients or a bit more of each.</summary>
internal sealed class JpegScan
{
    /// <summary>Some cameras leave a byte or two after the last block.</summary>
    public const int ToleratedTrailingBytes = 2;

    private readonly JpegFrame _frame;
    private readonly Part[] _parts;
    private readonly int _restartInterval;
    private readonly int _first;
    private readonly int _last;
    private readonly int _high;
    private int _endOfBandRun;

    /// <summary>Reads a scan's header.</summary>
    /// <param name="frame">The frame that it fills.</param>
    /// <param name="tables">The codes as they are now.</param>
    /// <param name="restartInterval">Units between two restart markers; 0: there are none.</param>
    /// <param name="header">The segment's content.</param>
    /// <exception cref="ImageFormatException">It is damaged.</exception>
    public JpegScan(JpegFrame frame, JpegHuffmanTables tables, int restartInterval, ReadOnlySpan<byte> header)
    {
        if (header.Length < 1 || header[0] is 0 or > 4 || header.Length < 4 + (2 * header[0]))
        {
            throw JpegIntegrity.Damaged("a scan header is too short");
        }

        _frame = frame;
        _restartInterval = restartInterval;
        _parts = new Part[header[0]];
        for (int i = 0; i < _parts.Length; i++)
        {
            byte selectors = header[2 + (2 * i)];
            JpegComponent component = frame.Find(header[1 + (2 * i)])
                ?? throw JpegIntegrity.Damaged("a scan names a component that does not exist");
            _parts[i] = new Part(component, tables.Dc((selectors >> 4) & 3), tables.Ac(selectors & 3));
        }

        ReadOnlySpan<byte> parameters = header[(1 + (2 * _parts.Length))..];
        (_first, _last, _high) = (parameters[0], parameters[1], parameters[2] >> 4);
        bool isBand = frame.IsProgressive
            ? _first <= _last && _last <= 63 && (_first == 0 ? _last == 0 : _parts.Length == 1)
            : _first == 0 && _last == 63;
        if (!isBand)
        {
            throw JpegIntegrity.Damaged($"a scan of coefficients {_first} to {_last}");
        }
    }

    /// <summary>Reads the scan's data.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="start">Where the data begin.</param>
    /// <param name="cancellationToken">Ends it between two rows of blocks.</param>
    /// <returns>Where the marker is that follows.</returns>
    /// <exception cref="ImageFormatException">The data are not exactly the scan's blocks.</exception>
    public int Read(ReadOnlySpan<byte> file, int start, CancellationToken cancellationToken)
    {
        JpegBits bits = new(file, start);
        Part? alone = _parts.Length == 1 ? _parts[0] : null;
        Span<ulong> nonZero = _first > 0 ? _parts[0].Component.NonZero!.Span : default;
        int across = alone?.Component.BlocksAcross ?? _frame.UnitsAcross, down = alone?.Component.BlocksDown ?? _frame.UnitsDown;
        int untilRestart = _restartInterval, restarts = 0;
        for (int row = 0; row < down; row++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (int column = 0; column < across; column++)
            {
                if (_restartInterval > 0 && untilRestart-- == 0)
                {
                    if (!bits.Restart(restarts++ & 7))
                    {
                        throw JpegIntegrity.Damaged($"a restart marker is missing in row {row} of {down}");
                    }

                    untilRestart = _restartInterval - 1;
                    _endOfBandRun = 0;
                }

                bool read = alone is null
                    ? ReadUnit(ref bits)
                    : ReadBlock(ref bits, alone, nonZero, (row * alone.Component.Stride) + column);
                if (!read || bits.Overrun)
                {
                    throw JpegIntegrity.Damaged($"its data break off or make no sense in block row {row} of {down}");
                }
            }
        }

        int left = bits.Finish(out int next);
        return left <= ToleratedTrailingBytes ? next : throw JpegIntegrity.Damaged($"{left} bytes are left over after its last block");
    }

    // Where several components share a scan, it holds whole blocks or DC coefficients alone: nothing to remember of a block.
    private bool ReadUnit(ref JpegBits bits)
    {
        foreach (Part part in _parts)
        {
            for (int blocks = part.Component.Horizontal * part.Component.Vertical; blocks > 0; blocks--)
            {
                if (!ReadBlock(ref bits, part, default, 0))
                {
                    return false;
                }
            }
        }

        return true;
    }

    private bool ReadBlock(ref JpegBits bits, Part part, Span<ulong> nonZero, int block)
    {
        if (!_frame.IsProgressive)
        {
            return part is { Dc: { } dc, Ac: { } ac } && ReadDc(ref bits, dc) && ReadSequentialAc(ref bits, ac);
        }

        if (_first == 0)
        {
            if (_high > 0)
            {
                bits.Skip(1);
                return true;
            }

            return part.Dc is { } first && ReadDc(ref bits, first);
        }

        ref ulong known = ref nonZero[block];
        return part.Ac is { } table && (_high == 0 ? ReadBand(ref bits, table, ref known) : RefineBand(ref bits, table, ref known));
    }

    private static bool ReadDc(ref JpegBits bits, JpegHuffmanTable table)
    {
        int size = bits.Decode(table);
        if (size is < 0 or > 15)
        {
            return false;
        }

        bits.Skip(size);
        return true;
    }

    private static bool ReadSequentialAc(ref JpegBits bits, JpegHuffmanTable table)
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

    private bool ReadBand(ref JpegBits bits, JpegHuffmanTable table, ref ulong nonZero)
    {
        if (_endOfBandRun > 0)
        {
            _endOfBandRun--;
            return true;
        }

        for (int k = _first; k <= _last; k++)
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
            if (k > _last)
            {
                return false;
            }

            bits.Skip(size);
            nonZero |= 1UL << k;
        }

        return true;
    }

    private bool RefineBand(ref JpegBits bits, JpegHuffmanTable table, ref ulong nonZero)
    {
        int k = _first;
        if (_endOfBandRun == 0)
        {
            for (; k <= _last; k++)
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
                for (; k <= _last; k++)
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
                    if (k > _last)
                    {
                        return false;
                    }

                    nonZero |= 1UL << k;
                }
            }
        }

        if (_endOfBandRun > 0)
        {
            for (; k <= _last; k++)
            {
                bits.Skip((int)((nonZero >> k) & 1));
            }

            _endOfBandRun--;
        }

        return true;
    }

    /// <summary>A component of the scan and its codes.</summary>
    private sealed record Part(JpegComponent Component, JpegHuffmanTable? Dc, JpegHuffmanTable? Ac);
}

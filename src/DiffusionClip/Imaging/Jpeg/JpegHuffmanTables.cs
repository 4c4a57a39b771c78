namespace DiffusionClip.Imaging.Jpeg;

/// <summary>The codes that scans choose from: four for DC coefficients, four for AC ones; each holds until it is replaced.</summary>
internal sealed class JpegHuffmanTables
{
    // All eight anew before each scan. A file of nothing but tables would cost as much time as one of nothing but scans.
    private const int MostTables = 8 * JpegIntegrity.MostScans;

    private readonly JpegHuffmanTable?[] _dc = new JpegHuffmanTable?[4];
    private readonly JpegHuffmanTable?[] _ac = new JpegHuffmanTable?[4];
    private int _read;

    /// <summary>The DC code of a number, 0 to 3; null if it was not defined.</summary>
    public JpegHuffmanTable? Dc(int number) => _dc[number];

    /// <summary>The AC code of a number, 0 to 3; null if it was not defined.</summary>
    public JpegHuffmanTable? Ac(int number) => _ac[number];

    /// <summary>Reads the tables of a segment.</summary>
    /// <exception cref="ImageFormatException">One is damaged, or there are too many.</exception>
    public void Read(ReadOnlySpan<byte> segment)
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
                throw JpegIntegrity.Damaged("a Huffman table is too short");
            }

            if (++_read > MostTables)
            {
                throw JpegIntegrity.Damaged($"it has more than {MostTables} Huffman tables");
            }

            (segment[0] >> 4 == 0 ? _dc : _ac)[segment[0] & 3] = JpegHuffmanTable.Build(segment.Slice(1, 16), segment.Slice(17, count))
                ?? throw JpegIntegrity.Damaged("a Huffman table has more codes than fit");
            segment = segment[(17 + count)..];
        }
    }
}

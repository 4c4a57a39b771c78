namespace DiffusionClip.Imaging.Jpeg;

/// <summary>A canonical Huffman code: nine bits are looked up at once, longer codes searched.</summary>
internal sealed class JpegHuffmanTable
{
    private const int FastBits = 9;

    // Length in the upper byte, symbol in the lower; 0 where no code is that short.
    private readonly ushort[] _fast = new ushort[1 << FastBits];
    private readonly int[] _codeEnds = new int[18];
    private readonly int[] _offsets = new int[17];
    private readonly byte[] _symbols = new byte[256];

    /// <summary>Builds the code from the numbers of codes of 1 to 16 bits, and its symbols from the shortest code on.</summary>
    /// <returns>Null if there are more codes than fit.</returns>
    public static JpegHuffmanTable? Build(ReadOnlySpan<byte> counts, ReadOnlySpan<byte> symbols)
    {
        JpegHuffmanTable table = new();
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

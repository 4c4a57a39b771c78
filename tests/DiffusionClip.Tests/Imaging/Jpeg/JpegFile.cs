namespace DiffusionClip.Imaging.Jpeg;

/// <summary>Grey JPEG files put together by hand, as many scans and tables as wanted.</summary>
internal static class JpegFile
{
    private static readonly byte[] Start = [0xFF, 0xD8];
    private static readonly byte[] End = [0xFF, 0xD9];

    /// <summary>A progressive file of one component: DC coefficients first, then bands that say of every block that it is over.</summary>
    /// <param name="blocks">Blocks a side.</param>
    /// <param name="scans">Scans, the first included.</param>
    public static byte[] Progressive(int blocks, int scans)
    {
        using MemoryStream file = new();
        file.Write([.. Start, .. Frame(0xC2, 8 * blocks), .. Table(0x00, 0), .. Table(0x10, 0xE0)]);

        // A code of one bit, 0: a difference of no bits for each block.
        file.Write([.. Scan(0, 0), .. Enumerable.Repeat((byte)0, blocks * blocks / 8), .. Padding(blocks * blocks % 8)]);
        for (int scan = 1; scan < scans; scan++)
        {
            // Runs of 16,384 blocks and more without a coefficient, and what is left at the end.
            file.Write([.. Scan(1, 63), .. Runs(blocks * blocks)]);
        }

        file.Write(End);
        return file.ToArray();
    }

    /// <summary>A baseline file of one block after as many Huffman tables as wanted.</summary>
    public static byte[] Baseline(int tables) =>
        [
            .. Start,
            .. Frame(0xC0, 8),
            .. Enumerable.Repeat(Table(0x00, 0), tables - 1).SelectMany(table => table),
            .. Table(0x10, 0),
            .. Scan(0, 63),
            0b0011_1111,
            .. End,
        ];

    private static byte[] Frame(byte marker, int side) =>
        [0xFF, marker, 0, 11, 8, (byte)(side >> 8), (byte)side, (byte)(side >> 8), (byte)side, 1, 1, 0x11, 0];

    // The only code is 0, one bit.
    private static byte[] Table(byte target, byte symbol) =>
        [0xFF, 0xC4, 0, 20, target, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, symbol];

    private static byte[] Scan(byte first, byte last) => [0xFF, 0xDA, 0, 8, 1, 1, 0, first, last, 0];

    private static byte[] Padding(int bits) => bits == 0 ? [] : [(byte)(0xFF >> bits)];

    private static byte[] Runs(int blocks)
    {
        // Symbol E0: 2^14 and 14 more bits; blocks have to come out even.
        if (blocks % (1 << 14) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(blocks), blocks, "A multiple of 16,384.");
        }

        int bits = 15 * (blocks >> 14);
        return [.. Enumerable.Repeat((byte)0, bits / 8), .. Padding(bits % 8)];
    }
}

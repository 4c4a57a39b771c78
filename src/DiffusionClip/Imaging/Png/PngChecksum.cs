using System.Buffers.Binary;

namespace DiffusionClip.Imaging.Png;

/// <summary>The CRC-32 of PNG chunks (ISO 3309, reflected polynomial EDB88320), eight bytes a step.</summary>
internal static class PngChecksum
{
    private static readonly uint[] Tables = BuildTables();

    /// <summary>Checksum of bytes, or of what <paramref name="checksum"/> covers followed by them.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes, uint checksum = 0)
    {
        uint[] tables = Tables;
        uint crc = ~checksum;
        while (bytes.Length >= 8)
        {
            ulong eight = BinaryPrimitives.ReadUInt64LittleEndian(bytes) ^ crc;
            crc = tables[(7 * 256) + (int)(eight & 0xFF)] ^ tables[(6 * 256) + (int)((eight >> 8) & 0xFF)]
                ^ tables[(5 * 256) + (int)((eight >> 16) & 0xFF)] ^ tables[(4 * 256) + (int)((eight >> 24) & 0xFF)]
                ^ tables[(3 * 256) + (int)((eight >> 32) & 0xFF)] ^ tables[(2 * 256) + (int)((eight >> 40) & 0xFF)]
                ^ tables[256 + (int)((eight >> 48) & 0xFF)] ^ tables[(int)(eight >> 56)];
            bytes = bytes[8..];
        }

        foreach (byte value in bytes)
        {
            crc = (crc >> 8) ^ tables[(int)((crc ^ value) & 0xFF)];
        }

        return ~crc;
    }

    private static uint[] BuildTables()
    {
        uint[] tables = new uint[8 * 256];
        for (uint i = 0; i < 256; i++)
        {
            uint crc = i;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * 0xEDB88320u);
            }

            tables[i] = crc;
        }

        for (int i = 256; i < tables.Length; i++)
        {
            tables[i] = (tables[i - 256] >> 8) ^ tables[tables[i - 256] & 0xFF];
        }

        return tables;
    }
}

using System.Runtime.InteropServices;

namespace DiffusionClip.Noise;

/// <summary>Vectors as bytes: IEEE 754 single precision, little-endian, so that every bit comes back, those of NaNs too.</summary>
internal static class BinarySingles
{
    /// <summary>Writes values without their number.</summary>
    public static void WriteSingles(this BinaryWriter writer, ReadOnlySpan<float> values)
    {
        if (BitConverter.IsLittleEndian)
        {
            writer.Write(MemoryMarshal.AsBytes(values));
            return;
        }

        foreach (float value in values)
        {
            writer.Write(value);
        }
    }

    /// <summary>Fills a vector.</summary>
    /// <exception cref="EndOfStreamException">The bytes end too early.</exception>
    public static void ReadSingles(this BinaryReader reader, Span<float> values)
    {
        if (BitConverter.IsLittleEndian)
        {
            reader.ReadExactly(MemoryMarshal.AsBytes(values));
            return;
        }

        foreach (ref float value in values)
        {
            value = reader.ReadSingle();
        }
    }

    /// <summary>Reads so many values.</summary>
    /// <exception cref="EndOfStreamException">The bytes end too early.</exception>
    public static float[] ReadSingles(this BinaryReader reader, int length)
    {
        float[] values = new float[length];
        reader.ReadSingles(values.AsSpan());
        return values;
    }
}

using System.Buffers.Binary;

namespace DiffusionClip.Imaging.Jpeg;

/// <summary>Puts an EXIF block into a JPEG file that is already encoded, as an APP1 segment; everything else stays byte for byte.</summary>
internal static class JpegExifWriter
{
    /// <summary>The largest block that a segment holds, in bytes: a length of 16 bits counts itself and the prefix too.</summary>
    public const int MaxBlock = ushort.MaxValue - 2 - 6;

    /// <summary>Inserts a block after JFIF's segment where there is one, else at the beginning, as libjpeg's users do.</summary>
    /// <param name="jpeg">The whole file, without EXIF.</param>
    /// <param name="exif">The block, at most <see cref="MaxBlock"/> bytes.</param>
    /// <returns>The new file.</returns>
    public static byte[] Insert(ReadOnlySpan<byte> jpeg, ReadOnlySpan<byte> exif)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(exif.Length, MaxBlock);
        int at = 2;
        if (jpeg.Length >= 6 && jpeg[2..].StartsWith((ReadOnlySpan<byte>)[0xFF, 0xE0]))
        {
            at = Math.Min(at + 2 + BinaryPrimitives.ReadUInt16BigEndian(jpeg[4..]), jpeg.Length);
        }

        byte[] file = new byte[jpeg.Length + 10 + exif.Length];
        jpeg[..at].CopyTo(file);
        Span<byte> segment = file.AsSpan(at);
        BinaryPrimitives.WriteUInt16BigEndian(segment, 0xFFE1);
        BinaryPrimitives.WriteUInt16BigEndian(segment[2..], (ushort)(2 + 6 + exif.Length));
        "Exif\0\0"u8.CopyTo(segment[4..]);
        exif.CopyTo(segment[10..]);
        jpeg[at..].CopyTo(segment[(10 + exif.Length)..]);
        return file;
    }
}

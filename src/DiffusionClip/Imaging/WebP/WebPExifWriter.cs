using System.Buffers.Binary;

namespace DiffusionClip.Imaging.WebP;

/// <summary>
/// Puts an EXIF block into a WebP file that is already encoded: a simple file (VP8 or VP8L alone) becomes an extended one (RFC 9649,
/// section 2.7). The picture's own chunks stay byte for byte.
/// </summary>
internal static class WebPExifWriter
{
    private const byte AlphaFlag = 0x10;
    private const byte ExifFlag = 0x08;
    private const int ExtendedLength = 10;

    /// <summary>Appends a block; one that was there before is gone.</summary>
    /// <param name="webp">The whole file, whose header has been read (<see cref="ImageHeader.Read"/>).</param>
    /// <param name="exif">The block, from the TIFF header on, as libwebp's tools and piexif write it.</param>
    /// <returns>The new file.</returns>
    public static byte[] Insert(ReadOnlySpan<byte> webp, ReadOnlySpan<byte> exif)
    {
        ImageHeader header = ImageHeader.Read(webp, new ImageLimits(long.MaxValue, long.MaxValue));
        using var chunks = new MemoryStream(webp.Length + exif.Length + 64);
        Span<byte> extended = stackalloc byte[ExtendedLength];
        extended.Clear();
        extended[0] = ExifFlag;
        Write24(extended[4..], header.Width - 1);
        Write24(extended[7..], header.Height - 1);
        ReadOnlySpan<byte> xmp = default;
        for (ReadOnlySpan<byte> rest = webp[12..]; rest.Length >= 8;)
        {
            int length = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]), (uint)rest.Length - 8);
            ReadOnlySpan<byte> name = rest[..4], content = rest.Slice(8, length);
            if (name.SequenceEqual("VP8X"u8) && length >= ExtendedLength)
            {
                content[..ExtendedLength].CopyTo(extended);
                extended[0] |= ExifFlag;
            }
            else if (name.SequenceEqual("XMP "u8))
            {
                xmp = content;
            }
            else if (!name.SequenceEqual("EXIF"u8))
            {
                // Of a lossless picture the fifth byte's bit says whether its alpha is used; a lossy one has a chunk for it.
                bool alpha = name.SequenceEqual("ALPH"u8) || (name.SequenceEqual("VP8L"u8) && length >= 5 && (content[4] & 0x10) != 0);
                extended[0] |= alpha ? AlphaFlag : (byte)0;
                WriteChunk(chunks, name, content);
            }

            rest = rest[Math.Min(rest.Length, 8 + length + (length & 1))..];
        }

        WriteChunk(chunks, "EXIF"u8, exif);
        if (!xmp.IsEmpty)
        {
            WriteChunk(chunks, "XMP "u8, xmp);
        }

        byte[] file = new byte[12 + 8 + ExtendedLength + chunks.Length];
        "RIFF"u8.CopyTo(file);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(4), (uint)(file.Length - 8));
        "WEBPVP8X"u8.CopyTo(file.AsSpan(8));
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(16), ExtendedLength);
        extended.CopyTo(file.AsSpan(20));
        chunks.GetBuffer().AsSpan(0, (int)chunks.Length).CopyTo(file.AsSpan(20 + ExtendedLength));
        return file;
    }

    private static void WriteChunk(MemoryStream stream, ReadOnlySpan<byte> name, ReadOnlySpan<byte> content)
    {
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(length, (uint)content.Length);
        stream.Write(name);
        stream.Write(length);
        stream.Write(content);
        if ((content.Length & 1) != 0)
        {
            stream.WriteByte(0);
        }
    }

    private static void Write24(Span<byte> bytes, int value)
    {
        bytes[0] = (byte)value;
        bytes[1] = (byte)(value >> 8);
        bytes[2] = (byte)(value >> 16);
    }
}

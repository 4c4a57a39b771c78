using System.Buffers.Binary;
using System.IO.Hashing;

namespace DiffusionClip.Imaging.Png;

/// <summary>What all chunks have in common: length, type, content, checksum; numbers are big-endian (PNG 3rd edition, section 5).</summary>
internal static class PngChunk
{
    public const uint Header = 0x49484452; // IHDR
    public const uint Palette = 0x504C5445; // PLTE
    public const uint Data = 0x49444154; // IDAT
    public const uint End = 0x49454E44; // IEND
    public const uint Transparency = 0x74524E53; // tRNS
    public const uint Exif = 0x65584966; // eXIf
    public const uint Text = 0x74455874; // tEXt
    public const uint CompressedText = 0x7A545874; // zTXt
    public const uint InternationalText = 0x69545874; // iTXt

    /// <summary>Bytes of length and type.</summary>
    public const int HeadLength = 8;

    /// <summary>Bytes of the checksum behind the content.</summary>
    public const int ChecksumLength = 4;

    /// <summary>The eight bytes that every PNG file begins with.</summary>
    public static ReadOnlySpan<byte> Signature => [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>Whether no reader may ignore a chunk of this type; one that is unknown makes the file unreadable.</summary>
    public static bool IsCritical(uint type) => (type & 0x20_00_00_00) == 0;

    /// <summary>Whether a chunk of this type holds a text.</summary>
    public static bool IsText(uint type) => type is Text or CompressedText or InternationalText;

    /// <summary>The type in letters; bytes that are none are shown as '?'.</summary>
    public static string Name(uint type) => string.Create(4, type, static (name, value) =>
    {
        for (int i = 0; i < 4; i++)
        {
            char letter = (char)((value >> (24 - (8 * i))) & 0xFF);
            name[i] = char.IsAsciiLetter(letter) ? letter : '?';
        }
    });

    /// <summary>CRC-32 over type and content.</summary>
    public static uint Checksum(uint type, ReadOnlySpan<byte> content)
    {
        Span<byte> name = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(name, type);
        Crc32 checksum = new();
        checksum.Append(name);
        checksum.Append(content);
        return checksum.GetCurrentHashAsUInt32();
    }

    /// <summary>Writes length and type.</summary>
    public static void WriteHead(Stream destination, uint type, uint length)
    {
        Span<byte> head = stackalloc byte[HeadLength];
        BinaryPrimitives.WriteUInt32BigEndian(head, length);
        BinaryPrimitives.WriteUInt32BigEndian(head[4..], type);
        destination.Write(head);
    }

    /// <summary>Writes a whole chunk.</summary>
    public static void Write(Stream destination, uint type, ReadOnlySpan<byte> content)
    {
        WriteHead(destination, type, (uint)content.Length);
        destination.Write(content);
        WriteChecksum(destination, type, content);
    }

    /// <summary>Writes the checksum of a chunk whose head and content are written.</summary>
    public static void WriteChecksum(Stream destination, uint type, ReadOnlySpan<byte> content)
    {
        Span<byte> checksum = stackalloc byte[ChecksumLength];
        BinaryPrimitives.WriteUInt32BigEndian(checksum, Checksum(type, content));
        destination.Write(checksum);
    }
}

using System.Buffers.Binary;
using System.Text;

namespace DiffusionClip.Imaging;

/// <summary>
/// Composes the EXIF block of a picture of ours: a big-endian TIFF structure whose Exif directory holds the version, a text for
/// other programs in UserComment and a record of our own in MakerNote, the field that the standard leaves to the file's writer
/// (CIPA DC-008 2.32, section 4.6.5). Big-endian with UTF-16 in the same order is what A1111's webui writes and reads: piexif's
/// <c>UserComment.dump(…, "unicode")</c> and <c>load</c> know no other order.
/// </summary>
internal static class ExifWriter
{
    private const ushort ExifPointerTag = 0x8769;
    private const ushort VersionTag = 0x9000;
    private const ushort MakerNoteTag = 0x927C;
    private const ushort UserCommentTag = 0x9286;
    private const ushort TypeLong = 4;
    private const ushort TypeUndefined = 7;

    private const int FirstDirectory = 8;
    private const int ExifDirectory = FirstDirectory + 2 + 12 + 4;

    /// <summary>What a MakerNote of ours begins with; JSON in UTF-8 follows.</summary>
    public static ReadOnlySpan<byte> MakerNotePrefix => "DiffusionClip\0"u8;

    /// <summary>Composes the block, from the TIFF header on; offsets in it count from there.</summary>
    /// <param name="userComment">Text for every program; null: none.</param>
    /// <param name="makerNote">Our own text; null: none.</param>
    public static byte[] Compose(string? userComment, string? makerNote)
    {
        List<(ushort Tag, byte[] Value)> fields = [(VersionTag, "0232"u8.ToArray())];
        if (makerNote is not null)
        {
            fields.Add((MakerNoteTag, [.. MakerNotePrefix, .. Encoding.UTF8.GetBytes(makerNote)]));
        }

        if (userComment is not null)
        {
            fields.Add((UserCommentTag, [.. "UNICODE\0"u8, .. Encoding.BigEndianUnicode.GetBytes(userComment)]));
        }

        int at = ExifDirectory + 2 + (12 * fields.Count) + 4;
        byte[] block = new byte[at + fields.Where(field => field.Value.Length > 4).Sum(field => Even(field.Value.Length))];
        "MM\0*"u8.CopyTo(block);
        BinaryPrimitives.WriteUInt32BigEndian(block.AsSpan(4), FirstDirectory);
        BinaryPrimitives.WriteUInt16BigEndian(block.AsSpan(FirstDirectory), 1);
        WriteEntry(block.AsSpan(FirstDirectory + 2), ExifPointerTag, TypeLong, 1, ExifDirectory);
        BinaryPrimitives.WriteUInt16BigEndian(block.AsSpan(ExifDirectory), (ushort)fields.Count);
        for (int i = 0; i < fields.Count; i++)
        {
            (ushort tag, byte[] value) = fields[i];
            Span<byte> entry = block.AsSpan(ExifDirectory + 2 + (12 * i));
            WriteEntry(entry, tag, TypeUndefined, (uint)value.Length, (uint)at);
            if (value.Length <= 4)
            {
                value.CopyTo(entry[8..]);
            }
            else
            {
                value.CopyTo(block, at);
                at += Even(value.Length);
            }
        }

        return block;
    }

    // Values lie at even offsets (TIFF 6.0, section 2).
    private static int Even(int length) => length + (length & 1);

    private static void WriteEntry(Span<byte> entry, ushort tag, ushort type, uint count, uint value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(entry, tag);
        BinaryPrimitives.WriteUInt16BigEndian(entry[2..], type);
        BinaryPrimitives.WriteUInt32BigEndian(entry[4..], count);
        BinaryPrimitives.WriteUInt32BigEndian(entry[8..], value);
    }
}

using System.Text;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>
/// Text of the EXIF tag UserComment (0x9286), which JPEG and WebP carry in place of text chunks: 8 bytes name the
/// encoding, the rest is the text (Exif 2.32, section 4.6.6 D). What the standard leaves open, the byte order of
/// UNICODE, is guessed.
/// </summary>
internal static class ExifUserComment
{
    private const int NameLength = 8;

    /// <summary>Decodes the tag's bytes; trailing NULs are dropped.</summary>
    /// <param name="userComment">The tag's bytes, from the encoding's name on. Without a known name all of it is UTF-8.</param>
    /// <param name="bigEndian">
    /// Byte order of the file (<c>MM</c>: true, <c>II</c>: false), which decides where the text does not; null: unknown.
    /// </param>
    public static string Decode(ReadOnlySpan<byte> userComment, bool? bigEndian = null)
    {
        if (userComment.Length < NameLength)
        {
            return DecodeUtf8(userComment);
        }

        ReadOnlySpan<byte> text = userComment[NameLength..];
        string name = Encoding.Latin1.GetString(userComment[..NameLength]).TrimEnd('\0', ' ').ToUpperInvariant();
        return name switch
        {
            "UNICODE" => DecodeUtf16(text, bigEndian),
            "JIS" => CodePagesEncodingProvider.Instance.GetEncoding("iso-2022-jp")!.GetString(text).TrimEnd('\0'),
            "ASCII" or "" => DecodeUtf8(text),
            _ => DecodeUtf8(userComment),
        };
    }

    private static string DecodeUtf16(ReadOnlySpan<byte> bytes, bool? bigEndian)
    {
        bytes = bytes[..(bytes.Length & ~1)];
        if (bytes is [0xFE, 0xFF, ..] or [0xFF, 0xFE, ..])
        {
            bigEndian = bytes[0] == 0xFE;
            bytes = bytes[2..];
        }
        else
        {
            // Most text has characters below U+0100, and the zero half of those is the high one.
            int zeros = 0;
            for (int i = 0; i < bytes.Length; i += 2)
            {
                zeros += (bytes[i] == 0 ? 1 : 0) - (bytes[i + 1] == 0 ? 1 : 0);
            }

            bigEndian = zeros == 0 ? bigEndian : zeros > 0;
        }

        Encoding encoding = bigEndian ?? true ? Encoding.BigEndianUnicode : Encoding.Unicode;
        return encoding.GetString(bytes).TrimEnd('\0');
    }

    private static string DecodeUtf8(ReadOnlySpan<byte> bytes)
    {
        bytes = bytes.TrimEnd((byte)0);
        return System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : Encoding.Latin1.GetString(bytes);
    }
}

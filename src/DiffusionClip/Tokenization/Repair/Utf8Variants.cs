using System.Buffers;
using System.Text.Unicode;

namespace DiffusionClip.Tokenization.Repair;

/// <summary>
/// UTF-8 and its two deviations: CESU-8, where a character beyond U+FFFF is a pair of encoded surrogates, and Java's C0 80 for
/// U+0000. Everything else must be well-formed. As ftfy's codec utf-8-variants.
/// </summary>
internal static class Utf8Variants
{
    /// <summary>Decodes, or gives null if the bytes are not UTF-8.</summary>
    public static string? TryDecode(ReadOnlySpan<byte> bytes)
    {
        char[] characters = ArrayPool<char>.Shared.Rent(bytes.Length);
        try
        {
            int length = 0;
            while (!bytes.IsEmpty)
            {
                int special = NextSpecial(bytes, out int specialLength);
                if (
                    Utf8.ToUtf16(bytes[..special], characters.AsSpan(length), out _, out int written, replaceInvalidSequences: false)
                    != OperationStatus.Done)
                {
                    return null;
                }

                length += written;
                if (specialLength == 2)
                {
                    characters[length++] = '\0';
                }
                else if (specialLength == 6)
                {
                    characters[length++] = (char)(0xD800 | (bytes[special + 1] & 0x0F) << 6 | bytes[special + 2] & 0x3F);
                    characters[length++] = (char)(0xDC00 | (bytes[special + 4] & 0x0F) << 6 | bytes[special + 5] & 0x3F);
                }

                bytes = bytes[(special + specialLength)..];
            }

            return new(characters, 0, length);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(characters);
        }
    }

    /// <summary>
    /// Where the next deviation begins, or the end. A line feed at the very end passes for the last byte of one: ftfy finds
    /// deviations by a regular expression whose $ stands before it, and its result is the reference.
    /// </summary>
    private static int NextSpecial(ReadOnlySpan<byte> bytes, out int length)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            int skip = bytes[i..].IndexOfAny((byte)0xC0, (byte)0xED);
            if (skip < 0)
            {
                break;
            }

            i += skip;
            ReadOnlySpan<byte> rest = bytes[i..];
            if (rest[0] == 0xC0 && rest.Length >= 2 && (rest[1] == 0x80 || IsLastLineFeed(rest, 1)))
            {
                length = 2;
                return i;
            }

            if (rest[0] == 0xED && rest.Length >= 6
                && rest[1] is >= 0xA0 and <= 0xAF && IsContinuation(rest[2])
                && rest[3] == 0xED && rest[4] is >= 0xB0 and <= 0xBF && (IsContinuation(rest[5]) || IsLastLineFeed(rest, 5)))
            {
                length = 6;
                return i;
            }
        }

        length = 0;
        return bytes.Length;
    }

    /// <summary>Whether the byte is one of 80 to BF, which do not begin a character.</summary>
    public static bool IsContinuation(byte value) => (value & 0xC0) == 0x80;

    private static bool IsLastLineFeed(ReadOnlySpan<byte> bytes, int index) => index == bytes.Length - 1 && bytes[index] == '\n';
}

namespace DiffusionClip.Tokenization.Repair;

/// <summary>
/// UTF-8 whose bytes suffered between the misreading and now: A0, a no-break space in the wrong encoding, became a space; other
/// bytes became U+FFFD or a question mark.
/// </summary>
internal static class Utf8Damage
{
    /// <summary>Puts bytes back that would make UTF-8 of the text; what cannot be known becomes U+FFFD in UTF-8.</summary>
    public static byte[] Mend(byte[] bytes, SingleByteEncoding encoding)
    {
        // In MacRoman such a sequence is an en dash and a space: too common a thing.
        if (encoding != SingleByteEncoding.MacRoman && bytes.AsSpan().Contains((byte)' ') && HasSpaceForA0(bytes))
        {
            bytes = RestoreA0(InsertA0AfterGrave(bytes));
        }

        return encoding.IsSloppy ? ReplaceLossy(bytes) : bytes;
    }

    private static bool HasSpaceForA0(ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            if (SequenceWithSpace(bytes[i..]) > 0)
            {
                return true;
            }
        }

        return false;
    }

    private static byte[] RestoreA0(byte[] bytes)
    {
        for (int i = 0; i < bytes.Length;)
        {
            int length = SequenceWithSpace(bytes.AsSpan(i));
            bytes.AsSpan(i, length).Replace((byte)' ', (byte)0xA0);
            i += Math.Max(length, 1);
        }

        return bytes;
    }

    /// <summary>
    /// C3 and a space is à, mostly a word by itself that keeps the space after it ("à la"), but not in the Portuguese
    /// contractions às, àquele, àquela, àquilo.
    /// </summary>
    private static byte[] InsertA0AfterGrave(byte[] bytes)
    {
        List<byte> result = new(bytes.Length + 8);
        for (int i = 0; i < bytes.Length; i++)
        {
            result.Add(bytes[i]);
            if (bytes[i] == 0xC3 && i + 1 < bytes.Length && bytes[i + 1] == ' ')
            {
                ReadOnlySpan<byte> next = bytes.AsSpan(i + 2);
                if (
                    !next.StartsWith(" "u8)
                    && !next.StartsWith("quele"u8)
                    && !next.StartsWith("quela"u8)
                    && !next.StartsWith("quilo"u8)
                    && !next.StartsWith("s "u8))
                {
                    result.Add(0xA0);
                }

                result.Add(bytes[++i]);
            }
        }

        return [.. result];
    }

    /// <summary>
    /// Length of the UTF-8 sequence that begins here if one space in it is read as A0; 0 if there is none. Of two bytes only those
    /// that make likely characters: no-break space, à, Š, Π, Р and ٠.
    /// </summary>
    private static int SequenceWithSpace(ReadOnlySpan<byte> s)
    {
        if (s.Length < 2)
        {
            return 0;
        }

        switch (s[0])
        {
            case 0xC2 or 0xC3 or 0xC5 or 0xCE or 0xD0 or 0xD9:
                return s[1] == ' ' ? 2 : 0;
            case 0xE2 or 0xE3 when s.Length >= 3 && s[1] == ' ' && IsLikely(s[2]):
            case >= 0xE0 and <= 0xE3 when s.Length >= 3 && IsLikely(s[1]) && s[2] == ' ':
                return 3;
            case 0xF0 when s.Length >= 4:
                int spaces = 0;
                foreach (byte b in s[1..4])
                {
                    if (b == ' ')
                    {
                        spaces++;
                    }
                    else if (!Utf8Variants.IsContinuation(b))
                    {
                        return 0;
                    }
                }

                return spaces == 1 ? 4 : 0;
            default:
                return 0;
        }

        static bool IsLikely(byte b) => Utf8Variants.IsContinuation(b) && b is not (0x85 or 0xA0);
    }

    private static byte[] ReplaceLossy(byte[] bytes)
    {
        if (bytes.AsSpan().IndexOfAny(SingleByteEncoding.Lost, (byte)'?') < 0)
        {
            return bytes;
        }

        List<byte> result = new(bytes.Length + 8);
        for (int i = 0; i < bytes.Length;)
        {
            int length = LossySequence(bytes.AsSpan(i));
            if (length > 0)
            {
                result.AddRange("\uFFFD"u8);
                i += length;
            }
            else
            {
                result.Add(bytes[i++]);
            }
        }

        return [.. result];
    }

    /// <summary>
    /// Length of the UTF-8 or CESU-8 sequence that begins here if lost bytes, and at most one question mark, are read as bytes of
    /// it; 0 if there is none.
    /// </summary>
    private static int LossySequence(ReadOnlySpan<byte> s)
    {
        byte first = s[0];
        if (first == SingleByteEncoding.Lost)
        {
            return 1;
        }

        if (first == 0xED && IsLossySurrogatePair(s))
        {
            return 6;
        }

        switch (first)
        {
            case >= 0xC2 and <= 0xDF:
                return s.Length >= 2 && (s[1] == SingleByteEncoding.Lost || (s[1] == '?' && first <= 0xC3)) ? 2 : 0;
            case >= 0xE0 and <= 0xEF:
                return s.Length >= 3 && IsLossy(s[1..3]) ? 3 : 0;
            case >= 0xF0 and <= 0xF4:
                return s.Length >= 4 && IsLossy(s[1..4]) ? 4 : 0;
            default:
                return 0;
        }
    }

    /// <summary>Something is missing, and nothing but continuation bytes is there.</summary>
    private static bool IsLossy(ReadOnlySpan<byte> tail)
    {
        int missing = 0, questions = 0;
        foreach (byte b in tail)
        {
            missing += IsMissing(b) ? 1 : 0;
            questions += b == '?' ? 1 : 0;
            if (!IsMissing(b) && !Utf8Variants.IsContinuation(b))
            {
                return false;
            }
        }

        return missing > 0 && questions <= 1;
    }

    private static bool IsLossySurrogatePair(ReadOnlySpan<byte> s) =>
        s.Length >= 6 && s[1] is >= 0xA0 and <= 0xAF && s[3] == 0xED && s[4] is >= 0xB0 and <= 0xBF
        && (IsMissing(s[2]) || IsMissing(s[5]))
        && (IsMissing(s[2]) || Utf8Variants.IsContinuation(s[2])) && (IsMissing(s[5]) || Utf8Variants.IsContinuation(s[5]));

    private static bool IsMissing(byte b) => b is SingleByteEncoding.Lost or (byte)'?';
}

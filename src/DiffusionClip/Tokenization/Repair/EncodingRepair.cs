using System.Text;

namespace DiffusionClip.Tokenization.Repair;

/// <summary>
/// Undoes mojibake: UTF-8 that was read as an encoding of one byte per character. As ftfy's <c>fix_encoding</c>.
/// </summary>
internal static class EncodingRepair
{
    /// <summary>Repairs until nothing changes: a text may have been misread more than once.</summary>
    public static string Fix(string text, RepairBudget budget)
    {
        while (true)
        {
            string repaired = FixOnce(text, budget);
            if (repaired == text || !budget.Spend(text.Length))
            {
                return repaired;
            }

            text = repaired;
        }
    }

    private static string FixOnce(string text, RepairBudget budget)
    {
        if (Ascii.IsValid(text) || !Mojibake.IsSuspected(text))
        {
            return text;
        }

        // The whole text, misread in one way.
        byte[]? latin1 = null;
        foreach (SingleByteEncoding encoding in SingleByteEncoding.All)
        {
            byte[]? bytes = encoding.TryEncode(text);
            if (encoding == SingleByteEncoding.Latin1)
            {
                latin1 = bytes;
            }

            if (bytes is not null && Utf8Variants.TryDecode(Utf8Damage.Mend(bytes, encoding)) is { } whole)
            {
                return whole;
            }
        }

        // Parts of it, in the midst of text that is right.
        string parts = FixParts(text, budget);
        if (parts != text)
        {
            return parts;
        }

        // Windows-1252 read as Latin-1. Bytes that it leaves undefined rule it out; then only the others are replaced.
        if (latin1 is not null && !latin1.Any(b => b is 0x81 or 0x8D or 0x8F or 0x90 or 0x9D))
        {
            return string.Create(latin1.Length, latin1, (characters, bytes) =>
            {
                for (int i = 0; i < bytes.Length; i++)
                {
                    characters[i] = bytes[i] == SingleByteEncoding.Lost ? (char)bytes[i] : SingleByteEncoding.Windows1252.Decode(bytes[i]);
                }
            });
        }

        return CharacterRepairs.C1Controls.Apply(text);
    }

    private static string FixParts(string text, RepairBudget budget)
    {
        StringBuilder? result = null;
        int position = 0;
        int start = 0;
        while (start < text.Length && (start = Mojibake.NextFirst(text, start)) >= 0)
        {
            int end = Mojibake.EndOfUtf8(text, start);
            if (end == start)
            {
                start++;
                continue;
            }

            // The whole text has been tried already.
            string part = text[start..end];
            if (part.Length < text.Length && Mojibake.IsSuspected(part))
            {
                (result ??= new(text.Length)).Append(text, position, start - position).Append(Fix(part, budget));
                position = end;
            }

            start = end;
        }

        return result?.Append(text, position, text.Length - position).ToString() ?? text;
    }
}

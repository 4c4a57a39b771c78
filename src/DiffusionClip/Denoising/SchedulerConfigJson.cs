using System.Text;
using System.Text.Json;

namespace DiffusionClip.Denoising;

/// <summary>Reads <c>scheduler_config.json</c> as Python writes it: with bare <c>Infinity</c> and <c>NaN</c>, which JSON does not have.</summary>
public static class SchedulerConfigJson
{
    /// <summary>Parses a file's bytes; bare <c>Infinity</c>, <c>-Infinity</c> and <c>NaN</c> become text, which the options read as numbers.</summary>
    /// <param name="utf8">The file, with or without a byte order mark.</param>
    /// <exception cref="JsonException">It is not JSON even so.</exception>
    public static JsonElement Parse(ReadOnlySpan<byte> utf8)
    {
        if (utf8.StartsWith(Encoding.UTF8.Preamble))
        {
            utf8 = utf8[Encoding.UTF8.Preamble.Length..];
        }

        using JsonDocument document = JsonDocument.Parse(Quoted(utf8).AsMemory());
        return document.RootElement.Clone();
    }

    private static byte[] Quoted(ReadOnlySpan<byte> utf8)
    {
        var result = new List<byte>(utf8.Length + 64);
        bool inString = false;
        for (int i = 0; i < utf8.Length; i++)
        {
            byte b = utf8[i];
            if (inString)
            {
                result.Add(b);
                if (b == '\\' && i + 1 < utf8.Length)
                {
                    result.Add(utf8[++i]);
                }
                else if (b == '"')
                {
                    inString = false;
                }

                continue;
            }

            int length = b switch
            {
                (byte)'-' when utf8[i..].StartsWith("-Infinity"u8) => 9,
                (byte)'I' when utf8[i..].StartsWith("Infinity"u8) => 8,
                (byte)'N' when utf8[i..].StartsWith("NaN"u8) => 3,
                _ => 0,
            };
            if (length > 0)
            {
                result.Add((byte)'"');
                result.AddRange(utf8.Slice(i, length));
                result.Add((byte)'"');
                i += length - 1;
                continue;
            }

            inString = b == '"';
            result.Add(b);
        }

        return [.. result];
    }
}

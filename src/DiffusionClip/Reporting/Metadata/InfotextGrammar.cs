using System.Globalization;
using System.Text;
using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>Where a parameter stands in its line.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Value">Its value as written, quotes included.</param>
internal readonly record struct InfotextSpan(Range Key, Range Value);

/// <summary>
/// The line of parameters: all matches of <c>\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)</c> with Python's
/// character classes. Written by hand, since .NET's <c>\w</c> is another, and so that no line takes more than linear time.
/// </summary>
internal static class InfotextGrammar
{
    /// <summary>Matches of the expression itself.</summary>
    public static int CountMatches(string line) => Matches(line, jsonValues: false).Count();

    /// <summary>The matches in order.</summary>
    /// <param name="line">The line.</param>
    /// <param name="jsonValues">
    /// Whether a value that begins with { or [ and is JSON up to a comma or the end is taken whole: our addition.
    /// </param>
    public static IEnumerable<InfotextSpan> Matches(string line, bool jsonValues)
    {
        int position = 0;
        while (position < line.Length)
        {
            int key = SkipSpace(line, position);
            int keyEnd = KeyEnd(line, key, out bool longEnough);
            if (keyEnd >= line.Length)
            {
                // A run of key characters up to the end, or nothing: no start within it finds a colon.
                yield break;
            }

            if (!longEnough || line[keyEnd] != ':')
            {
                // Every start within the run ends at the same character and fails likewise.
                position = Math.Max(keyEnd, key + 1);
                continue;
            }

            int value = SkipSpace(line, keyEnd + 1);
            int valueEnd = (jsonValues ? JsonEnd(line, value) : null) ?? QuotedEnd(line, value) ?? CommaOrEnd(line, value);
            yield return new(key..keyEnd, value..valueEnd);
            position = CommaOrEnd(line, valueEnd) + 1;
        }
    }

    /// <summary>A value that is quoted as a JSON string; any other, and one that is no JSON, as it is.</summary>
    public static string Unquote(string value)
    {
        if (value.Length < 2 || value[0] != '"' || value[^1] != '"')
        {
            return value;
        }

        int position = 0;
        return JsonTree.TryParse(value, ref position)?.String is { } text && position == value.Length ? text : value;
    }

    /// <summary>A value as it is where that reads back as itself, else as a JSON string.</summary>
    public static string Quote(string value)
    {
        bool plain = value.AsSpan().IndexOfAny(",:\n\r") < 0
            && value[0] is not ('"' or '{' or '[')
            && !PythonText.IsSpace(value[0]) && !PythonText.IsSpace(value[^1]);
        if (plain)
        {
            return value;
        }

        var quoted = new StringBuilder(value.Length + 8).Append('"');
        foreach (char c in value)
        {
            _ = c switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append(@"\\"),
                '\n' => quoted.Append("\\n"),
                '\r' => quoted.Append("\\r"),
                '\t' => quoted.Append("\\t"),
                < ' ' => quoted.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)),
                _ => quoted.Append(c),
            };
        }

        return quoted.Append('"').ToString();
    }

    /// <summary>Whether a text can be a key, and is read back as it is.</summary>
    public static bool IsKey(string? key) =>
        !string.IsNullOrEmpty(key) && KeyEnd(key, 0, out bool longEnough) == key.Length && longEnough;

    /// <summary>End of the run of key characters that begins here; the start itself if none does.</summary>
    private static int KeyEnd(string line, int start, out bool longEnough)
    {
        longEnough = false;
        if (start >= line.Length || !PythonText.IsWord(line, start, out int length))
        {
            return start;
        }

        int end = start + length;
        int second = end;
        while (end < line.Length)
        {
            if (line[end] is ' ' or '-' or '/')
            {
                end++;
            }
            else if (PythonText.IsWord(line, end, out length))
            {
                end += length;
            }
            else
            {
                break;
            }
        }

        longEnough = end > second;
        return end;
    }

    private static int? QuotedEnd(string line, int start)
    {
        if (start >= line.Length || line[start] != '"')
        {
            return null;
        }

        for (int i = start + 1; i < line.Length; i++)
        {
            if (line[i] == '\\')
            {
                i++;
            }
            else if (line[i] == '"')
            {
                int end = i + 1;
                return i > start + 1 && (end == line.Length || line[end] == ',') ? end : null;
            }
        }

        return null;
    }

    private static int? JsonEnd(string line, int start)
    {
        if (start >= line.Length || line[start] is not ('{' or '['))
        {
            return null;
        }

        int end = start;
        if (JsonTree.TryParse(line, ref end) is null)
        {
            return null;
        }

        int next = SkipSpace(line, end);
        return next == line.Length || line[next] == ',' ? end : null;
    }

    private static int CommaOrEnd(string line, int start)
    {
        int comma = line.IndexOf(',', start);
        return comma < 0 ? line.Length : comma;
    }

    private static int SkipSpace(string line, int position)
    {
        while (position < line.Length && PythonText.IsSpace(line[position]))
        {
            position++;
        }

        return position;
    }
}

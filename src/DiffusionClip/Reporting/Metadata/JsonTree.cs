using System.Globalization;
using System.Text;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>
/// JSON as Python's <c>json</c> reads it, since that wrote most of it: bare NaN and Infinity (here: null), lone
/// surrogates, numbers of any length (kept as text), of equal keys the last. Depth and size are bounded.
/// </summary>
internal sealed class JsonTree
{
    private const int MaxDepth = 256;
    private const int MaxNodes = 1_000_000;

    private static readonly JsonTree[] NoItems = [];
    private static readonly OrderedDictionary<string, JsonTree> NoMembers = [];
    private static readonly JsonTree NullTree = new(JsonKind.Null);
    private readonly string? text;

    private JsonTree(JsonKind kind, string? text = null)
    {
        Kind = kind;
        this.text = text;
    }

    public JsonKind Kind { get; }

    public IReadOnlyList<JsonTree> Items { get; private init; } = NoItems;

    public OrderedDictionary<string, JsonTree> Members { get; private init; } = NoMembers;

    /// <summary>A member of an object; null if this is none, or it is missing or null.</summary>
    public JsonTree? this[string name] =>
        Kind == JsonKind.Object && Members.TryGetValue(name, out JsonTree? member) && member.Kind != JsonKind.Null ? member : null;

    /// <summary>The characters of a string; null for anything else.</summary>
    public string? String => Kind == JsonKind.String ? text : null;

    /// <summary>A string's characters, a number's digits as written, true or false; null for anything else.</summary>
    public string? Scalar => Kind switch
    {
        JsonKind.String or JsonKind.Number => text,
        JsonKind.True => "true",
        JsonKind.False => "false",
        _ => null,
    };

    /// <summary>A number, or a string that holds one; null for anything else and beyond the finite.</summary>
    public double? Double => Kind is JsonKind.Number or JsonKind.String ? MetadataText.Double(text) : null;

    /// <summary>A whole number, or a string that holds one; null for anything else.</summary>
    public int? Int => Double is { } value && value == Math.Truncate(value) && Math.Abs(value) <= int.MaxValue ? (int)value : null;

    /// <summary>A whole number of any size in decimal digits; null for anything else.</summary>
    public string? Digits => Kind switch
    {
        JsonKind.String => MetadataText.Digits(text),
        JsonKind.Number => MetadataText.Digits(text) ?? WholeDigits(text!),
        _ => null,
    };

    /// <summary>Reads a text that is JSON and nothing else; null if it is not.</summary>
    public static JsonTree? Parse(string text)
    {
        int position = 0;
        if (TryParse(text, ref position) is not { } tree)
        {
            return null;
        }

        SkipSpace(text, ref position);
        return position == text.Length ? tree : null;
    }

    /// <summary>Reads a text that is a JSON object and nothing else; null if it is not.</summary>
    public static JsonTree? ParseObject(string text) =>
        text.AsSpan().TrimStart(" \t\r\n") is ['{', ..] && Parse(text) is { Kind: JsonKind.Object } tree ? tree : null;

    /// <summary>Reads one JSON value from a position on, and moves the position behind it; null if there is none.</summary>
    public static JsonTree? TryParse(string text, ref int position)
    {
        int nodes = 0;
        return Value(text, ref position, 0, ref nodes);
    }

    /// <summary>1E3 and 5.0 are whole numbers too.</summary>
    private static string? WholeDigits(string number) =>
        decimal.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out decimal value) && decimal.IsInteger(value)
            ? decimal.Truncate(value).ToString("F0", CultureInfo.InvariantCulture)
            : null;

    private static JsonTree? Value(string text, ref int position, int depth, ref int nodes)
    {
        SkipSpace(text, ref position);
        if (position >= text.Length || depth > MaxDepth || ++nodes > MaxNodes)
        {
            return null;
        }

        switch (text[position])
        {
            case '{':
                return Object(text, ref position, depth, ref nodes);
            case '[':
                return Array(text, ref position, depth, ref nodes);
            case '"':
                return Characters(text, ref position) is { } characters ? new(JsonKind.String, characters) : null;
            case 't':
                return Word(text, ref position, "true", JsonKind.True);
            case 'f':
                return Word(text, ref position, "false", JsonKind.False);
            case 'n':
                return Word(text, ref position, "null", JsonKind.Null);
            case 'N':
                return Word(text, ref position, "NaN", JsonKind.Null);
            case 'I':
                return Word(text, ref position, "Infinity", JsonKind.Null);
            case '-' when string.CompareOrdinal(text, position, "-Infinity", 0, 9) == 0:
                return Word(text, ref position, "-Infinity", JsonKind.Null);
            default:
                return Number(text, ref position);
        }
    }

    private static JsonTree? Object(string text, ref int position, int depth, ref int nodes)
    {
        OrderedDictionary<string, JsonTree> members = [];
        position++;
        if (Took(text, ref position, '}'))
        {
            return new(JsonKind.Object);
        }

        do
        {
            SkipSpace(text, ref position);
            if (position >= text.Length || text[position] != '"' || Characters(text, ref position) is not { } name
                || !Took(text, ref position, ':') || Value(text, ref position, depth + 1, ref nodes) is not { } value)
            {
                return null;
            }

            members[name] = value;
        }
        while (Took(text, ref position, ','));
        return Took(text, ref position, '}') ? new(JsonKind.Object) { Members = members } : null;
    }

    private static JsonTree? Array(string text, ref int position, int depth, ref int nodes)
    {
        List<JsonTree> items = [];
        position++;
        if (Took(text, ref position, ']'))
        {
            return new(JsonKind.Array);
        }

        do
        {
            if (Value(text, ref position, depth + 1, ref nodes) is not { } value)
            {
                return null;
            }

            items.Add(value);
        }
        while (Took(text, ref position, ','));
        return Took(text, ref position, ']') ? new(JsonKind.Array) { Items = items } : null;
    }

    private static string? Characters(string text, ref int position)
    {
        StringBuilder? unescaped = null;
        int start = ++position;
        for (; position < text.Length; position++)
        {
            char c = text[position];
            if (c == '"')
            {
                ReadOnlySpan<char> tail = text.AsSpan(start, position++ - start);
                return unescaped is null ? tail.ToString() : unescaped.Append(tail).ToString();
            }

            if (c < ' ')
            {
                return null;
            }

            if (c != '\\')
            {
                continue;
            }

            unescaped ??= new();
            unescaped.Append(text, start, position - start);
            if (++position >= text.Length)
            {
                return null;
            }

            switch (text[position])
            {
                case '"' or '\\' or '/':
                    unescaped.Append(text[position]);
                    break;
                case 'b':
                    unescaped.Append('\b');
                    break;
                case 'f':
                    unescaped.Append('\f');
                    break;
                case 'n':
                    unescaped.Append('\n');
                    break;
                case 'r':
                    unescaped.Append('\r');
                    break;
                case 't':
                    unescaped.Append('\t');
                    break;
                case 'u'
                    when position + 4 < text.Length
                        && ushort.TryParse(
                            text.AsSpan(position + 1, 4),
                            NumberStyles.AllowHexSpecifier,
                            CultureInfo.InvariantCulture,
                            out ushort unit
                        ):
                    unescaped.Append((char)unit);
                    position += 4;
                    break;
                default:
                    return null;
            }

            start = position + 1;
        }

        return null;
    }

    private static JsonTree? Number(string text, ref int position)
    {
        int start = position;
        if (position < text.Length && text[position] == '-')
        {
            position++;
        }

        if (position < text.Length && text[position] == '0')
        {
            position++;
        }
        else if (!SkipDigits(text, ref position))
        {
            return null;
        }

        int end = position;
        if (position < text.Length && text[position] == '.')
        {
            position++;
            position = end = SkipDigits(text, ref position) ? position : end;
        }

        if (position < text.Length && text[position] is 'e' or 'E')
        {
            position++;
            if (position < text.Length && text[position] is '+' or '-')
            {
                position++;
            }

            position = end = SkipDigits(text, ref position) ? position : end;
        }

        return new(JsonKind.Number, text[start..position]);
    }

    private static JsonTree? Word(string text, ref int position, string word, JsonKind kind)
    {
        if (string.CompareOrdinal(text, position, word, 0, word.Length) != 0)
        {
            return null;
        }

        position += word.Length;
        return kind == JsonKind.Null ? NullTree : new(kind);
    }

    private static bool SkipDigits(string text, ref int position)
    {
        int start = position;
        while (position < text.Length && char.IsAsciiDigit(text[position]))
        {
            position++;
        }

        return position > start;
    }

    private static bool Took(string text, ref int position, char c)
    {
        SkipSpace(text, ref position);
        if (position >= text.Length || text[position] != c)
        {
            return false;
        }

        position++;
        return true;
    }

    private static void SkipSpace(string text, ref int position)
    {
        while (position < text.Length && text[position] is ' ' or '\t' or '\n' or '\r')
        {
            position++;
        }
    }
}

internal enum JsonKind
{
    Null,
    True,
    False,
    Number,
    String,
    Array,
    Object,
}

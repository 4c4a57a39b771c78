using System.Globalization;
using System.Text.Json;

namespace DiffusionClip;

/// <summary>Reads a strategy's options and knows which of them were not read.</summary>
/// <param name="options">The request's options by name; null: none.</param>
public sealed class SearchOptions(IReadOnlyDictionary<string, JsonElement>? options = null)
{
    private const string Field = "search.options";

    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);

    /// <summary>A whole number.</summary>
    /// <param name="name">The option.</param>
    /// <param name="absent">Its value where the request does not give one.</param>
    /// <param name="least">The least that is accepted.</param>
    /// <param name="most">The most that is accepted.</param>
    /// <exception cref="InvalidRequestException">It is no whole number, or out of range.</exception>
    public int Int32(string name, int absent, int least = int.MinValue, int most = int.MaxValue)
    {
        if (Find(name) is not { } value)
        {
            return absent;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= least && number <= most
            ? number
            : throw Wrong(name, value, string.Create(CultureInfo.InvariantCulture, $"it is a whole number from {least} to {most}"));
    }

    /// <summary>A number.</summary>
    /// <inheritdoc cref="Int32" path="/param"/>
    /// <exception cref="InvalidRequestException">It is no number, or out of range.</exception>
    public double Double(string name, double absent, double least = double.MinValue, double most = double.MaxValue)
    {
        if (Find(name) is not { } value)
        {
            return absent;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= least && number <= most
            ? number
            : throw Wrong(name, value, string.Create(CultureInfo.InvariantCulture, $"it is a number from {least} to {most}"));
    }

    /// <summary>Numbers; null where the request gives none.</summary>
    /// <param name="name">The option.</param>
    /// <param name="least">The least that each may be.</param>
    /// <param name="most">The most that each may be.</param>
    /// <exception cref="InvalidRequestException">It is no list of numbers, or one is out of range.</exception>
    public IReadOnlyList<double>? Doubles(string name, double least = double.MinValue, double most = double.MaxValue)
    {
        if (Find(name) is not { } value)
        {
            return null;
        }

        string remedy = string.Create(CultureInfo.InvariantCulture, $"it is a list of numbers from {least} to {most}");
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Wrong(name, value, remedy);
        }

        return
        [
            .. value.EnumerateArray().Select(item =>
                item.ValueKind == JsonValueKind.Number && item.TryGetDouble(out double number) && number >= least && number <= most
                    ? number
                    : throw Wrong(name, value, remedy)),
        ];
    }

    /// <summary>A word out of a list.</summary>
    /// <param name="name">The option.</param>
    /// <param name="absent">Its value where the request does not give one.</param>
    /// <param name="known">The words that are accepted.</param>
    /// <exception cref="InvalidRequestException">It is none of them.</exception>
    public string Word(string name, string absent, params ReadOnlySpan<string> known)
    {
        if (Find(name) is not { } value)
        {
            return absent;
        }

        string? word = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return word is not null && known.Contains(word)
            ? word
            : throw Wrong(name, value, $"known are {string.Join(", ", known.ToArray())}");
    }

    /// <summary>A switch.</summary>
    /// <param name="name">The option.</param>
    /// <param name="absent">Its value where the request does not give one.</param>
    /// <exception cref="InvalidRequestException">It is neither true nor false.</exception>
    public bool Boolean(string name, bool absent) => Find(name) switch
    {
        null => absent,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } value => throw Wrong(name, value, "it is true or false"),
    };

    /// <summary>Refuses the options that were not asked for.</summary>
    /// <param name="strategy">Name of the strategy.</param>
    /// <exception cref="InvalidRequestException">There are some.</exception>
    public void RefuseOthers(string strategy)
    {
        if (options?.Keys.Where(name => !_asked.Contains(name)).Order(StringComparer.Ordinal).FirstOrDefault() is { } unknown)
        {
            string known =
                _asked.Count == 0
                    ? $"{strategy} takes no options"
                    : $"{strategy} takes {string.Join(", ", _asked.Order(StringComparer.Ordinal))}";
            throw new InvalidRequestException(Field, unknown, known);
        }
    }

    private JsonElement? Find(string name)
    {
        _asked.Add(name);
        return options is not null && options.TryGetValue(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null
            ? value
            : null;
    }

    private static InvalidRequestException Wrong(string name, JsonElement value, string remedy) =>
        new($"{Field}.{name}", value.GetRawText(), remedy);
}

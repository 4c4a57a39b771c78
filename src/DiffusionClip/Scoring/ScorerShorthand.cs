using System.Globalization;

namespace DiffusionClip.Scoring;

/// <summary>Scorers in one line: <c>emoji-clip</c>, <c>emoji-clip=1,facts=0.5</c>, <c>none</c> (<see cref="SearchRequest.Scorer"/>).</summary>
public static class ScorerShorthand
{
    /// <summary>Reads a line.</summary>
    /// <param name="text">Ids or paths, each with <c>=</c> and its weight behind it or without, between commas.</param>
    /// <param name="isOne">Whether a name stands as it is, whatever characters it has; null: none is known.</param>
    /// <returns>The scorers; none for <c>none</c>.</returns>
    /// <exception cref="InvalidRequestException">A part is empty, or a weight is no number.</exception>
    public static IReadOnlyList<ScorerRequest> Parse(string text, Func<string, bool>? isOne = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text == ScorerCatalog.None)
        {
            return [];
        }

        // A folder's name may have a comma or an equals sign of its own.
        if (text.AsSpan().IndexOfAny(',', '=') < 0 || isOne?.Invoke(text) == true)
        {
            return [new() { Id = Named(text, text) }];
        }

        return [.. text.Split(',', StringSplitOptions.TrimEntries).Select(part => Part(part, text, isOne))];
    }

    /// <summary>The line of some scorers, as <see cref="Parse"/> reads it; texts, phases and policies are not in it.</summary>
    public static string Format(IReadOnlyList<ScorerRequest> scorers)
    {
        ArgumentNullException.ThrowIfNull(scorers);
        return scorers switch
        {
            [] => ScorerCatalog.None,
            [{ Weight: 1 } single] => single.Id,
            _ => string.Join(',', scorers.Select(scorer => FormattableString.Invariant($"{scorer.Id}={scorer.Weight}"))),
        };
    }

    private static ScorerRequest Part(string part, string text, Func<string, bool>? isOne)
    {
        int equals = part.LastIndexOf('=');
        if (equals < 0 || isOne?.Invoke(part) == true)
        {
            return new() { Id = Named(part, text) };
        }

        string id = part[..equals].TrimEnd(), weight = part[(equals + 1)..].TrimStart();
        return double.TryParse(weight, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            ? new() { Id = Named(id, text), Weight = number }
            : throw new InvalidRequestException("scorer", text, $"'{weight}' is no weight; give numbers from 0 to 1000: a=1,b=0.5");
    }

    private static string Named(string id, string text) => string.IsNullOrWhiteSpace(id) || id == ScorerCatalog.None
        ? throw new InvalidRequestException("scorer", text, "give ids with their weights, a=1,b=0.5; or none alone")
        : id;
}

using System.Buffers;
using System.Text;

namespace DiffusionClip.Tokenization.Repair;

/// <summary>Replaces single characters by strings.</summary>
internal sealed class CharacterMap
{
    private readonly Dictionary<char, string> _replacements;
    private readonly SearchValues<char> _characters;

    public CharacterMap(IEnumerable<(char Character, string Replacement)> replacements)
    {
        _replacements = replacements.ToDictionary(pair => pair.Character, pair => pair.Replacement);
        _characters = SearchValues.Create([.. _replacements.Keys]);
    }

    public string Apply(string text)
    {
        ReadOnlySpan<char> rest = text;
        int next = rest.IndexOfAny(_characters);
        if (next < 0)
        {
            return text;
        }

        StringBuilder result = new(text.Length);
        for (; next >= 0; next = rest.IndexOfAny(_characters))
        {
            result.Append(rest[..next]).Append(_replacements[rest[next]]);
            rest = rest[(next + 1)..];
        }

        return result.Append(rest).ToString();
    }
}

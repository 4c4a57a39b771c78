using System.Text.RegularExpressions;

namespace DiffusionClip.Conditioning.Prompts;

/// <summary>
/// What prompts name beside words: networks in angle brackets (<c>&lt;lora:name:0.8&gt;</c>, <c>&lt;hypernet:name:1&gt;</c>, in the
/// webui's syntax any word before the colon) and embeddings (<c>embedding:name</c>, as ComfyUI writes them). None of them is
/// supported; their names are no words and reach no tokenizer.
/// </summary>
internal static partial class PromptTags
{
    /// <summary>Takes the tags out of a prompt.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="found">Each tag as it stands in the prompt, once.</param>
    /// <returns>The prompt without them; the same string if there are none.</returns>
    public static string Remove(string prompt, out IReadOnlyList<string> found)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        if (!prompt.Contains(':', StringComparison.Ordinal))
        {
            found = [];
            return prompt;
        }

        var tags = new List<string>();
        var known = new HashSet<string>(StringComparer.Ordinal);
        string rest = Embedding().Replace(Network().Replace(prompt, Take), Take);
        found = tags;
        return tags.Count == 0 ? prompt : rest;

        string Take(Match match)
        {
            if (known.Add(match.Value))
            {
                tags.Add(match.Value);
            }

            return "";
        }
    }

    // Not backtracking: \w+ cannot give back a colon, and [^>]+ no closing bracket.
    [GeneratedRegex(@"<(?>\w+):(?>[^<>]+)>", RegexOptions.CultureInvariant)]
    private static partial Regex Network();

    [GeneratedRegex(@"\bembedding:(?>[^\s,:|()\[\]<>\\]+)", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex Embedding();
}

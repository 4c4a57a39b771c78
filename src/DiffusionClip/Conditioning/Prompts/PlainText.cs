using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace DiffusionClip.Conditioning.Prompts;

/// <summary>The words of a prompt without any syntax: what a picture is scored against.</summary>
public static partial class PlainText
{
    private const int MaxDepth = 64;

    /// <summary>
    /// Leaves the words. Tags such as <c>&lt;lora:name:1&gt;</c> and <c>embedding:name</c> go; of an edit <c>[a:b:0.5]</c> stays what the
    /// picture ends with, of an alternation <c>[a|b]</c> its first; weights, brackets, escapes and BREAK go.
    /// A prompt without syntax comes back unchanged.
    /// </summary>
    public static string Of(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        string edited = PromptTags.Remove(prompt, out IReadOnlyList<string> tags);
        if (tags.Count == 0 && prompt.AsSpan().IndexOfAny("([\\])") < 0 && !prompt.Contains(PromptEmphasis.Break, StringComparison.Ordinal))
        {
            return prompt;
        }

        var resolved = new StringBuilder(edited.Length);
        Resolve(edited, MatchBrackets(edited), 0, edited.Length, 0, resolved);
        IEnumerable<string> words = PromptEmphasis
            .Parse(resolved.ToString())
            .Select(run => run.Weight < 0 && run.Text == PromptEmphasis.Break ? " " : run.Text);
        return Spaces().Replace(string.Concat(words), " ").Trim();
    }

    private static void Resolve(string prompt, int[] closing, int start, int end, int depth, StringBuilder result)
    {
        for (int at = start; at < end; at++)
        {
            if (prompt[at] != '[' || closing[at] < 0 || depth == MaxDepth)
            {
                result.Append(prompt[at]);
                continue;
            }

            int close = closing[at];
            List<Range> alternatives = Split(prompt, closing, at + 1, close, '|');
            List<Range> parts = Split(prompt, closing, at + 1, close, ':');
            if (alternatives.Count > 1)
            {
                Resolve(prompt, closing, alternatives[0].Start.Value, alternatives[0].End.Value, depth + 1, result);
            }
            else if (
                parts.Count is 2 or 3
                && double.TryParse(prompt.AsSpan()[parts[^1]], NumberStyles.Float, CultureInfo.InvariantCulture, out _))
            {
                Resolve(prompt, closing, parts[^2].Start.Value, parts[^2].End.Value, depth + 1, result);
            }
            else
            {
                result.Append('[');
                Resolve(prompt, closing, at + 1, close, depth + 1, result);
                result.Append(']');
            }

            at = close;
        }
    }

    /// <summary>Splits at a separator that stands outside inner brackets and is not escaped.</summary>
    private static List<Range> Split(string prompt, int[] closing, int start, int end, char separator)
    {
        var parts = new List<Range>();
        int from = start;
        for (int at = start; at < end; at++)
        {
            if (prompt[at] == '\\')
            {
                at++;
            }
            else if (closing[at] >= 0)
            {
                at = closing[at];
            }
            else if (prompt[at] == separator)
            {
                parts.Add(from..at);
                from = at + 1;
            }
        }

        parts.Add(from..end);
        return parts;
    }

    /// <summary>For every bracket of either kind that closes, where; else -1.</summary>
    private static int[] MatchBrackets(string prompt)
    {
        int[] closing = new int[prompt.Length];
        Array.Fill(closing, -1);
        var open = new Stack<int>();
        for (int at = 0; at < prompt.Length; at++)
        {
            switch (prompt[at])
            {
                case '\\':
                    at++;
                    break;
                case '[' or '(':
                    open.Push(at);
                    break;
                case ']' or ')' when open.TryPeek(out int last) && (prompt[last] == '[') == (prompt[at] == ']'):
                    closing[open.Pop()] = at;
                    break;
            }
        }

        return closing;
    }

    [GeneratedRegex(@"\s+", RegexOptions.CultureInvariant)]
    private static partial Regex Spaces();
}

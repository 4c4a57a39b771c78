using System.Globalization;
using System.Text;

namespace DiffusionClip.Conditioning.Prompts;

/// <summary>A run of a prompt with one weight.</summary>
/// <param name="Text">The words; <c>BREAK</c> with a negative weight marks a forced window.</param>
/// <param name="Weight">Factor of the words' embeddings.</param>
public readonly record struct WeightedText(string Text, double Weight)
{
    /// <summary>Whether this marks a forced window.</summary>
    public bool IsBreak => Weight < 0 && Text == PromptEmphasis.Break;
}

/// <summary>
/// The webui's emphasis: <c>(x)</c> weighs 1.1, <c>[x]</c> 1/1.1, <c>(x:1.3)</c> 1.3, brackets nest, a backslash
/// makes a bracket a letter, BREAK opens a new window. Unclosed brackets weigh what they hold.
/// </summary>
public static class PromptEmphasis
{
    /// <summary>The word that opens a new window.</summary>
    public const string Break = "BREAK";

    private const double Round = 1.1;
    private const double Square = 1 / Round;

    /// <summary>Parses a prompt. Text without any syntax comes back as one run of weight 1.</summary>
    public static IReadOnlyList<WeightedText> Parse(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        var runs = new List<WeightedText>();
        var open = new Stack<(int Start, bool IsRound)>();
        int at = 0;
        while (at < prompt.Length)
        {
            char c = prompt[at];
            if (c == '\\')
            {
                int length = at + 1 < prompt.Length && prompt[at + 1] is '(' or ')' or '[' or ']' or '\\' ? 1 : 0;
                runs.Add(new(prompt.Substring(at + 1, length), 1));
                at += 1 + length;
            }
            else if (c is '(' or '[')
            {
                open.Push((runs.Count, c == '('));
                at++;
            }
            else if (c == ':' && WeightAt(prompt, at) is { } weight)
            {
                if (Close(open, runs, isRound: true, weight.Value))
                {
                    at += weight.Length;
                }
                else
                {
                    AddText(runs, prompt.Substring(at, weight.Length));
                    at += weight.Length;
                }
            }
            else if (c is ')' or ']')
            {
                bool isRound = c == ')';
                if (!Close(open, runs, isRound, isRound ? Round : Square))
                {
                    AddText(runs, prompt.Substring(at, 1));
                }

                at++;
            }
            else
            {
                int end = at + 1;
                while (c != ':' && end < prompt.Length && prompt[end] is not ('\\' or '(' or ')' or '[' or ']' or ':'))
                {
                    end++;
                }

                AddText(runs, prompt[at..end]);
                at = end;
            }
        }

        foreach ((int start, bool isRound) in open)
        {
            Multiply(runs, start, isRound ? Round : Square);
        }

        return Merge(runs);
    }

    // A bracket closes the innermost open one of its own kind, however the kinds interleave.
    private static bool Close(Stack<(int Start, bool IsRound)> open, List<WeightedText> runs, bool isRound, double factor)
    {
        var others = new Stack<(int, bool)>();
        while (open.TryPop(out (int Start, bool IsRound) candidate))
        {
            if (candidate.IsRound == isRound)
            {
                Multiply(runs, candidate.Start, factor);
                Restore(open, others);
                return true;
            }

            others.Push(candidate);
        }

        Restore(open, others);
        return false;

        static void Restore(Stack<(int, bool)> open, Stack<(int, bool)> others)
        {
            while (others.TryPop(out (int, bool) other))
            {
                open.Push(other);
            }
        }
    }

    private static void Multiply(List<WeightedText> runs, int start, double factor)
    {
        for (int i = start; i < runs.Count; i++)
        {
            runs[i] = runs[i] with { Weight = runs[i].Weight * factor };
        }
    }

    // ":" spaces, a signed number, spaces, ")"
    private static (int Length, double Value)? WeightAt(string prompt, int colon)
    {
        int at = colon + 1;
        SkipSpaces(prompt, ref at);
        int start = at;
        if (at < prompt.Length && prompt[at] is '+' or '-')
        {
            at++;
        }

        while (at < prompt.Length && (prompt[at] == '.' || char.IsAsciiDigit(prompt[at])))
        {
            at++;
        }

        ReadOnlySpan<char> number = prompt.AsSpan(start, at - start);
        SkipSpaces(prompt, ref at);
        return at < prompt.Length && prompt[at] == ')'
            && double.TryParse(number, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)
            ? (at + 1 - colon, value)
            : null;

        static void SkipSpaces(string prompt, ref int at)
        {
            while (at < prompt.Length && char.IsWhiteSpace(prompt[at]))
            {
                at++;
            }
        }
    }

    private static void AddText(List<WeightedText> runs, string text)
    {
        int start = 0;
        bool first = true;
        for (int at = FindBreak(text, 0); ; at = FindBreak(text, start))
        {
            int end = at < 0 ? text.Length : at;
            string part = text[start..end];
            if (!first)
            {
                runs.Add(new(Break, -1));
                part = part.TrimStart();
            }

            runs.Add(new(at < 0 ? part : part.TrimEnd(), 1));
            if (at < 0)
            {
                return;
            }

            first = false;
            start = at + Break.Length;
        }
    }

    private static int FindBreak(string text, int from)
    {
        for (int at = text.IndexOf(Break, from, StringComparison.Ordinal); at >= 0; at = text.IndexOf(Break, at + 1, StringComparison.Ordinal))
        {
            int end = at + Break.Length;
            if ((at == 0 || !IsWord(text[at - 1])) && (end == text.Length || !IsWord(text[end])))
            {
                return at;
            }
        }

        return -1;

        static bool IsWord(char c) => char.IsLetterOrDigit(c) || c == '_';
    }

    private static List<WeightedText> Merge(List<WeightedText> runs)
    {
        var merged = new List<WeightedText>(runs.Count);
        var text = new StringBuilder();
        for (int i = 0; i < runs.Count;)
        {
            double weight = runs[i].Weight;
            text.Clear();
            for (; i < runs.Count && runs[i].Weight == weight; i++)
            {
                text.Append(runs[i].Text);
            }

            merged.Add(new(text.ToString(), weight));
        }

        return merged.Count > 0 ? merged : [new("", 1)];
    }
}

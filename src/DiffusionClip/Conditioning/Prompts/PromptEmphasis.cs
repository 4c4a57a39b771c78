using System.Buffers;
using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text;
using DiffusionClip.Unicode;

namespace DiffusionClip.Conditioning.Prompts;

/// <summary>A run of a prompt with one weight.</summary>
/// <param name="Text">The words; <c>BREAK</c> with the weight -1 marks a forced window.</param>
/// <param name="Weight">Factor of the words' embeddings.</param>
public readonly record struct WeightedText(string Text, double Weight)
{
    /// <summary>Whether this marks a forced window. Inside weighted brackets BREAK is a word, as in the webui.</summary>
    public bool IsBreak => Weight == -1 && Text == PromptEmphasis.Break;
}

/// <summary>
/// The webui's emphasis: <c>(x)</c> weighs 1.1, <c>[x]</c> 1/1.1, <c>(x:1.3)</c> 1.3, brackets nest, a backslash
/// makes a bracket a letter, BREAK opens a new window. Unclosed brackets weigh what they hold.
/// </summary>
internal static class PromptEmphasis
{
    /// <summary>The word that opens a new window.</summary>
    public const string Break = "BREAK";

    private const double Round = 1.1;
    private const double Square = 1 / Round;

    private static readonly SearchValues<char> Special = SearchValues.Create(@"\()[]:");

    /// <summary>Parses a prompt. Text without any syntax comes back as one run of weight 1.</summary>
    public static IReadOnlyList<WeightedText> Parse(string prompt) => Parse(prompt, invalidWeights: null);

    /// <summary>
    /// What stands where a weight does and looks like one, but is no number, e.g. the <c>1.2.3</c> of <c>(x:1.2.3)</c>: the
    /// webui fails there, here the brackets weigh 1.1 and the rest is words.
    /// </summary>
    public static IReadOnlyList<string> InvalidWeights(string prompt)
    {
        var invalid = new List<string>();
        Parse(prompt, invalid);
        return invalid;
    }

    private static List<WeightedText> Parse(string prompt, List<string>? invalidWeights)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        var runs = new Runs();

        // A bracket closes the innermost open one of its own kind, however the kinds interleave.
        var round = new Stack<int>();
        var square = new Stack<int>();
        int at = 0;
        while (at < prompt.Length)
        {
            char c = prompt[at];
            int length = 1;
            switch (c)
            {
                case '\\':
                    int escaped = at + 1 < prompt.Length && prompt[at + 1] is '(' or ')' or '[' or ']' or '\\' ? 1 : 0;
                    runs.Add(prompt.Substring(at + 1, escaped), 1);
                    length += escaped;
                    break;

                case '(':
                    round.Push(runs.Count);
                    break;

                case '[':
                    square.Push(runs.Count);
                    break;

                case ')' when round.TryPop(out int start):
                    runs.Multiply(start, Round);
                    break;

                case ']' when square.TryPop(out int start):
                    runs.Multiply(start, Square);
                    break;

                case ':' when Weight(prompt, at) is { } weight && (weight.Value is not null || round.Count == 0):
                    length = weight.Length;
                    if (round.TryPop(out int weighted))
                    {
                        runs.Multiply(weighted, weight.Value!.Value);
                    }
                    else
                    {
                        AddText(runs, prompt.Substring(at, length));
                    }

                    break;

                default:
                    if (c == ':' && Weight(prompt, at) is { } invalid)
                    {
                        invalidWeights?.Add(prompt.Substring(at + 1, invalid.Length - 2).Trim());
                    }

                    // Every other character stands for itself; those in a row stay one text.
                    if (c is not (':' or ')' or ']'))
                    {
                        int end = prompt.AsSpan(at).IndexOfAny(Special);
                        length = end < 0 ? prompt.Length - at : end;
                    }

                    AddText(runs, prompt.Substring(at, length));
                    break;
            }

            at += length;
        }

        // Unclosed brackets: the outermost first, the round ones before the square ones, so that the last bits agree too.
        runs.MultiplyUnclosed(round, Round);
        runs.MultiplyUnclosed(square, Square);
        return runs.Merge();
    }

    /// <summary>Reads ":", spaces, sign, digits and points, spaces, ")"; null if that is not what stands there.</summary>
    private static (int Length, double? Value)? Weight(string prompt, int colon)
    {
        int at = colon + 1;
        SkipSpaces(prompt, ref at);
        int start = at;
        if (at < prompt.Length && prompt[at] is '+' or '-')
        {
            at++;
        }

        int digits = at;
        while (at < prompt.Length && (prompt[at] == '.' || char.IsDigit(prompt[at])))
        {
            at++;
        }

        int end = at;
        SkipSpaces(prompt, ref at);
        if (end == digits || at >= prompt.Length || prompt[at] != ')')
        {
            return null;
        }

        // Digits of any script count, as in the webui.
        string number = string.Concat(
            prompt[start..end].Select(c => char.IsDigit(c) ? (char)('0' + CharUnicodeInfo.GetDecimalDigitValue(c)) : c));
        return (
            at + 1 - colon,
            double.TryParse(
                number,
                NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint,
                CultureInfo.InvariantCulture,
                out double value)
                ? value
                : null);

        static void SkipSpaces(string prompt, ref int at)
        {
            while (at < prompt.Length && PythonText.IsSpace(prompt[at]))
            {
                at++;
            }
        }
    }

    private static void AddText(Runs runs, string text)
    {
        int start = 0;
        bool first = true;
        for (int at = FindBreak(text, 0); ; at = FindBreak(text, start))
        {
            int end = at < 0 ? text.Length : at;
            string part = text[start..end];
            if (!first)
            {
                runs.Add(Break, -1);
                part = PythonText.StripStart(part).ToString();
            }

            runs.Add(at < 0 ? part : PythonText.StripEnd(part).ToString(), 1);
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
        for (
            int at = text.IndexOf(Break, from, StringComparison.Ordinal);
            at >= 0;
            at = text.IndexOf(Break, at + 1, StringComparison.Ordinal))
        {
            // A word of its own, as \bBREAK\b finds it; what is no character ends a word.
            Rune.DecodeLastFromUtf16(text.AsSpan(0, at), out Rune before, out _);
            Rune.DecodeFromUtf16(text.AsSpan(at + Break.Length), out Rune after, out _);
            if (!PythonText.IsWord(before) && !PythonText.IsWord(after))
            {
                return at;
            }
        }

        return -1;
    }

    /// <summary>Texts and their weights while brackets are still open.</summary>
    private sealed class Runs
    {
        // Beyond, a weight is 0 or infinite as a float already.
        private const double Least = 1e-200, Most = 1e200;

        private readonly List<string> _texts = [];
        private readonly List<double> _weights = [];
        private int _products;

        public int Count => _texts.Count;

        public void Add(string text, double weight)
        {
            _texts.Add(text);
            _weights.Add(weight);
        }

        public void Multiply(int start, double factor)
        {
            Span<double> weights = CollectionsMarshal.AsSpan(_weights);
            TensorPrimitives.Multiply(weights[start..], factor, weights[start..]);

            // Thousands of nested brackets lead to subnormal numbers, which are slow: now and then they are swept away.
            if (++_products % 256 == 0)
            {
                foreach (ref double weight in weights)
                {
                    weight = Math.Abs(weight) < Least ? 0 : Math.Clamp(weight, -Most, Most);
                }
            }
        }

        /// <summary>Multiplies, for each bracket that was never closed, everything behind it.</summary>
        public void MultiplyUnclosed(Stack<int> open, double factor)
        {
            int[] starts = [.. open.Reverse()];
            List<double> powers = [1];
            Span<double> weights = CollectionsMarshal.AsSpan(_weights);
            for (int i = 0, inside = 0; i < weights.Length; i++)
            {
                for (; inside < starts.Length && starts[inside] <= i; inside++)
                {
                    powers.Add(powers[^1] * (powers[^1] is > Least and < Most ? factor : 1));
                }

                // One multiplication after the other, so that the last bits agree; those of 1 are known.
                if (Math.Abs(weights[i]) == 1)
                {
                    weights[i] *= powers[inside];
                    continue;
                }

                for (int n = 0; n < inside && Math.Abs(weights[i]) is > Least and < Most; n++)
                {
                    weights[i] *= factor;
                }
            }
        }

        public List<WeightedText> Merge()
        {
            var merged = new List<WeightedText>(_texts.Count);
            var text = new StringBuilder();
            for (int i = 0; i < _texts.Count;)
            {
                double weight = _weights[i];
                text.Clear().Append(_texts[i++]);
                for (; i < _texts.Count && _weights[i] == weight; i++)
                {
                    text.Append(_texts[i]);
                }

                merged.Add(new(text.ToString(), weight));
            }

            return merged.Count > 0 ? merged : [new("", 1)];
        }
    }
}

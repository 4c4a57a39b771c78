using System.Globalization;
using System.Text;
using DiffusionClip.Unicode;

namespace DiffusionClip.Conditioning.Prompts;

/// <summary>A prompt for a range of steps.</summary>
/// <param name="Until">The last step it holds for, counted from 1.</param>
/// <param name="Text">The prompt, its weights still in it.</param>
internal readonly record struct ScheduledPrompt(int Until, string Text);

/// <summary>
/// The webui's prompt editing: <c>[a:b:4]</c> is a up to step 4 and b from there, <c>[a:b:0.5]</c> turns at half of the steps,
/// <c>[b:4]</c> begins and <c>[a::4]</c> ends, <c>[a|b]</c> changes with every step; all of them nest. A text that its grammar
/// does not cover (a bar outside of brackets, a backslash before nothing) is left as it is.
/// </summary>
internal sealed class PromptSchedule
{
    private readonly string _prompt;
    private readonly Dictionary<int, Edit> _edits = [];

    private PromptSchedule(string prompt) => _prompt = prompt;

    private enum Kind
    {
        /// <summary>A bracket that means weight, or nothing.</summary>
        None,
        Scheduled,
        Alternate,
    }

    /// <summary>The prompts of all steps, in order; the last reaches to the last step.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="steps">Number of steps, from 1.</param>
    public static IReadOnlyList<ScheduledPrompt> Parse(string prompt, int steps) => [.. Enumerate(prompt, steps)];

    /// <summary>The same, lazily: a caller may stop before the end.</summary>
    internal static IEnumerable<ScheduledPrompt> Enumerate(string prompt, int steps)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        var schedule = new PromptSchedule(prompt);
        if (!schedule.Read(steps) || schedule._edits.Count == 0)
        {
            return [new(steps, prompt)];
        }

        var text = new StringBuilder(prompt.Length);
        return schedule.Untils(steps).Select(until => new ScheduledPrompt(until, schedule.Render(until, text)));
    }

    /// <summary>Finds the edits; false if the grammar does not cover the prompt.</summary>
    private bool Read(int steps)
    {
        var open = new Stack<Bracket>();
        for (int at = 0; at < _prompt.Length; at++)
        {
            char c = _prompt[at];
            switch (c)
            {
                case '\\':
                    if (++at == _prompt.Length || _prompt[at] == '\n')
                    {
                        return false;
                    }

                    break;

                case '[' or '(':
                    open.Push(new Bracket(at));
                    break;

                case ':' or '|':
                    if (open.TryPeek(out Bracket? holder))
                    {
                        holder.Separators.Add(at);
                        holder.Bars += c == '|' ? 1 : 0;
                    }
                    else if (c == '|')
                    {
                        return false;
                    }

                    break;

                case ']' or ')':
                    // A bracket that closes nothing makes letters of all that are open around it.
                    if (!open.TryPop(out Bracket? bracket) || (_prompt[bracket.Open] == '[') != (c == ']'))
                    {
                        if (bracket is { Bars: > 0 } || open.Any(other => other.Bars > 0))
                        {
                            return false;
                        }

                        open.Clear();
                        break;
                    }

                    if (!Close(bracket, at, steps))
                    {
                        if (bracket.Bars > 0)
                        {
                            return false;
                        }

                        if (open.TryPeek(out Bracket? around))
                        {
                            around.HoldsLetters = true;
                        }
                    }

                    break;
            }
        }

        return open.All(bracket => bracket.Bars == 0);
    }

    /// <summary>Takes in a pair of brackets; false if it is none of the grammar's.</summary>
    private bool Close(Bracket bracket, int close, int steps)
    {
        if (bracket.HoldsLetters)
        {
            return false;
        }

        int colons = bracket.Separators.Count - bracket.Bars;
        if (_prompt[bracket.Open] == '(')
        {
            return bracket.Bars == 0 && colons <= 1;
        }

        if (bracket.Separators.Count == 0)
        {
            return true;
        }

        if (bracket.Bars > 0)
        {
            if (colons > 0)
            {
                return false;
            }

            _edits.Add(bracket.Open, new Edit(Kind.Alternate, [.. bracket.Separators, close], 0));
            return true;
        }

        if (colons > 2 || When(_prompt.AsSpan()[(bracket.Separators[^1] + 1)..close], steps) is not { } when)
        {
            return false;
        }

        _edits.Add(bracket.Open, new Edit(Kind.Scheduled, [.. bracket.Separators, close], when));
        return true;
    }

    /// <summary>The step that a number means: with a point a share of all steps, else the step itself; null if it is no number.</summary>
    private static int? When(ReadOnlySpan<char> text, int steps)
    {
        text = PythonText.Strip(text);
        const NumberStyles Styles = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        if (
            text.IsEmpty
            || text.ContainsAnyExcept("0123456789+-.eE")
            || !double.TryParse(text, Styles, CultureInfo.InvariantCulture, out double value))
        {
            return null;
        }

        return (int)Math.Clamp(Math.Truncate(text.Contains('.') ? value * steps : value), -1, steps);
    }

    private SortedSet<int> Untils(int steps)
    {
        if (_edits.Values.Any(edit => edit.Kind == Kind.Alternate))
        {
            return [.. Enumerable.Range(1, steps)];
        }

        return [steps, .. _edits.Values.Select(edit => edit.When).Where(when => when >= 1)];
    }

    /// <summary>The prompt as it stands at a step.</summary>
    private string Render(int step, StringBuilder text)
    {
        text.Clear();
        var ranges = new Stack<(int End, int Resume)>();
        int at = 0, end = _prompt.Length;
        while (true)
        {
            if (at == end)
            {
                if (end == _prompt.Length && ranges.Count == 0)
                {
                    return text.ToString();
                }

                (end, at) = ranges.Pop();
                continue;
            }

            char c = _prompt[at];
            if (c == '[' && _edits.TryGetValue(at, out Edit? edit))
            {
                ranges.Push((end, edit.Bounds[^1] + 1));
                (at, end) = edit.At(at, step);
                continue;
            }

            text.Append(c);
            at++;
            if (c == '\\')
            {
                text.Append(_prompt[at++]);
            }
        }
    }

    /// <summary>A bracket that may yet be closed.</summary>
    private sealed class Bracket(int open)
    {
        public int Open { get; } = open;

        /// <summary>Where colons and bars stand, outside of inner brackets.</summary>
        public List<int> Separators { get; } = [];

        public int Bars { get; set; }

        /// <summary>Whether it holds brackets that are letters, which no structure may.</summary>
        public bool HoldsLetters { get; set; }
    }

    /// <summary>What brackets stand for.</summary>
    /// <param name="Kind">Which kind of edit.</param>
    /// <param name="Bounds">Its separators, then its closing bracket.</param>
    /// <param name="When">The last step of what comes first, if scheduled.</param>
    private sealed record Edit(Kind Kind, int[] Bounds, int When)
    {
        /// <summary>The part that holds at a step.</summary>
        public (int Start, int End) At(int open, int step)
        {
            if (Kind == Kind.Alternate)
            {
                return Part((step - 1) % Bounds.Length);
            }

            // [after:when] has nothing before; [before:after:when] has three parts.
            bool isBefore = step <= When;
            return Bounds.Length == 2 ? (isBefore ? (open + 1, open + 1) : Part(0)) : Part(isBefore ? 0 : 1);

            (int Start, int End) Part(int index) => ((index == 0 ? open : Bounds[index - 1]) + 1, Bounds[index]);
        }
    }
}

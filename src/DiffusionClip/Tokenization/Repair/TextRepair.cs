using System.Text;
using DiffusionClip.Unicode;

namespace DiffusionClip.Tokenization.Repair;

/// <summary>
/// Repairs what went wrong with a text on its way, as <c>ftfy.fix_text</c> 6.3 does with its default settings (Robyn Speer,
/// "ftfy: fixes text for you"). CLIP's training texts went through it, so a text to be scored must as well.
/// </summary>
internal static class TextRepair
{
    private const int LongestSegment = 1_000_000;

    /// <summary>Repairs line by line; a literal &lt; says that this line and those after it are HTML, whose entities stay.</summary>
    public static string Fix(string text)
    {
        RepairBudget budget = new(text.Length);
        bool unescape = true;
        StringBuilder? result = null;
        for (int start = 0; start < text.Length;)
        {
            int newline = text.IndexOf('\n', start);
            int end = LimitToSegment(text, start, newline < 0 ? text.Length : newline + 1);
            string segment = text[start..end];
            unescape &= !segment.Contains('<', StringComparison.Ordinal);
            string repaired = FixSegment(segment, unescape, budget);
            if (end == text.Length && result is null)
            {
                return repaired;
            }

            (result ??= new(text.Length)).Append(repaired);
            start = end;
        }

        return result?.ToString() ?? text;
    }

    /// <summary>All repairs, until none of them changes anything.</summary>
    private static string FixSegment(string text, bool unescape, RepairBudget budget)
    {
        while (true)
        {
            string before = text;
            if (unescape)
            {
                text = HtmlEntities.UnescapeUnambiguous(text);
            }

            text = EncodingRepair.Fix(text, budget);
            text = CharacterRepairs.C1Controls.Apply(text);
            text = CharacterRepairs.Ligatures.Apply(text);
            text = CharacterRepairs.Width.Apply(text);
            text = CharacterRepairs.Quotes.Apply(text);
            text = CharacterRepairs.LineBreaks(text);
            text = Surrogates.ReplaceLone(text);
            text = CharacterRepairs.RemoveTerminalEscapes(text);
            text = CharacterRepairs.Controls.Apply(text);
            text = CanonicalComposition.Compose(text);
            if (text == before || !budget.Spend(text.Length))
            {
                return text;
            }
        }
    }

    private static int LimitToSegment(string text, int start, int end)
    {
        if (end - start <= LongestSegment)
        {
            return end;
        }

        int position = start;
        for (int n = 0; n < LongestSegment && position < end; n++)
        {
            position += char.IsSurrogatePair(text, position) ? 2 : 1;
        }

        return position;
    }
}

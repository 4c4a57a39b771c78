using System.Globalization;
using System.Text;
using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>
/// The text that AUTOMATIC1111's web UI writes under <c>parameters</c>, and that most programs read: prompt, negative
/// prompt, and a last line of parameters. Its grammar is ambiguous by nature: a prompt whose last line looks like
/// parameters is taken for them.
/// </summary>
public sealed record Infotext
{
    private const string NegativePrefix = "Negative prompt:";

    /// <summary>Fewer parameters than this on the last line are prompt.</summary>
    public const int MinFields = 3;

    /// <summary>The prompt, may span lines.</summary>
    public string Prompt { get; init; } = "";

    /// <summary>The negative prompt; null if there is none.</summary>
    public string? NegativePrompt { get; init; }

    /// <summary>The parameters in order; keys may repeat.</summary>
    public IReadOnlyList<InfotextField> Fields { get; init; } = [];

    /// <summary>The value that counts of a key, which is the last; null if there is none.</summary>
    public string? this[string key]
    {
        get
        {
            for (int i = Fields.Count - 1; i >= 0; i--)
            {
                if (Fields[i].Key == key)
                {
                    return Fields[i].Value;
                }
            }

            return null;
        }
    }

    /// <summary>Reads a text; every text is one. Takes time linear in its length.</summary>
    public static Infotext Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] lines = PythonText.Strip(text).Split('\n');
        int count = lines.Length;
        List<InfotextField> fields = [];
        if (InfotextGrammar.CountMatches(lines[^1]) >= MinFields)
        {
            count--;
            foreach (InfotextSpan span in InfotextGrammar.Matches(lines[^1], jsonValues: true))
            {
                string value = InfotextGrammar.Unquote(lines[^1][span.Value]);
                if (value.Length > 0)
                {
                    fields.Add(new(lines[^1][span.Key], value));
                }
            }
        }

        var prompt = new StringBuilder();
        StringBuilder? negative = null;
        for (int i = 0; i < count; i++)
        {
            string line = PythonText.Strip(lines[i]);
            if (line.StartsWith(NegativePrefix, StringComparison.Ordinal))
            {
                negative ??= new();
                line = PythonText.Strip(line[NegativePrefix.Length..]);
            }

            StringBuilder target = negative ?? prompt;
            // Blank lines before the first words are lost, as in the original.
            target.Append(target.Length == 0 ? "" : "\n").Append(line);
        }

        return new() { Prompt = prompt.ToString(), NegativePrompt = negative?.ToString(), Fields = fields };
    }

    /// <summary>Sets a parameter in a text and leaves every other character of it alone.</summary>
    /// <param name="text">The text.</param>
    /// <param name="key">The key; every earlier value of it is replaced.</param>
    /// <param name="value">The new value; not empty.</param>
    /// <returns>The new text; null if the text's last line holds no parameters.</returns>
    /// <exception cref="ArgumentException">The key does not follow the grammar, or the value is empty.</exception>
    public static string? SetField(string text, string key, string value)
    {
        ArgumentNullException.ThrowIfNull(text);
        CheckKey(key);
        ArgumentException.ThrowIfNullOrEmpty(value);
        int end = PythonText.StripEnd(text).Length;
        int start = end == 0 ? 0 : text.LastIndexOf('\n', end - 1) + 1;
        string line = text[start..end];
        if (InfotextGrammar.CountMatches(line) < MinFields)
        {
            return null;
        }

        string quoted = InfotextGrammar.Quote(value);
        var changed = new StringBuilder(text.Length + quoted.Length + 16).Append(text, 0, start);
        int copied = 0;
        bool replaced = false;
        foreach (InfotextSpan span in InfotextGrammar.Matches(line, jsonValues: true))
        {
            if (line[span.Key] == key)
            {
                (int offset, int length) = span.Value.GetOffsetAndLength(line.Length);
                changed.Append(line, copied, offset - copied).Append(quoted);
                copied = offset + length;
                replaced = true;
            }
        }

        changed.Append(line, copied, line.Length - copied);
        if (!replaced)
        {
            changed.Append(line.EndsWith(',') ? " " : ", ").Append(key).Append(": ").Append(quoted);
        }

        return changed.Append(text, end, text.Length - end).ToString();
    }

    /// <summary>
    /// Writes the text: values with commas, colons, line breaks or anything else that would not be read back as it is
    /// become JSON strings; empty ones are left out. A NUL, which no text chunk may hold, becomes U+FFFD.
    /// </summary>
    /// <exception cref="ArgumentException">
    /// A key does not follow the grammar: two characters or more, words, spaces, '-' and '/'.
    /// </exception>
    public override string ToString()
    {
        var text = new StringBuilder(Prompt);
        if (!string.IsNullOrEmpty(NegativePrompt))
        {
            text.Append('\n').Append(NegativePrefix).Append(' ').Append(NegativePrompt);
        }

        bool first = true;
        foreach (InfotextField field in Fields)
        {
            if (field.Value.Length == 0)
            {
                continue;
            }

            CheckKey(field.Key);
            text.Append(first ? "\n" : ", ").Append(field.Key).Append(": ").Append(InfotextGrammar.Quote(field.Value));
            first = false;
        }

        return text.Replace('\0', '\uFFFD').ToString();
    }

    /// <inheritdoc/>
    public bool Equals(Infotext? other) =>
        other is not null && Prompt == other.Prompt && NegativePrompt == other.NegativePrompt && Fields.SequenceEqual(other.Fields);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Prompt, NegativePrompt, Fields.Count);

    private static void CheckKey(string key)
    {
        if (!InfotextGrammar.IsKey(key))
        {
            throw new ArgumentException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"'{key}' is no infotext key: it needs two characters or more, the first of a word, then words, spaces, '-' and '/'."),
                nameof(key));
        }
    }
}

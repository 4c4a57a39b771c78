using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Conditioning;

/// <summary>The tokens of a prompt and of what guidance leads away from, over the evaluations.</summary>
public sealed class PromptPlan
{
    /// <summary>Most windows of all texts that the edits of a request make, so that a request stays bounded.</summary>
    public const int MostWindows = 1024;

    private const int MostCharacters = 1 << 22;

    private PromptPlan(PromptSide positive, PromptSide negative, IReadOnlyList<TextReport> texts, IReadOnlyList<string> warnings)
    {
        Positive = positive;
        Negative = negative;
        Texts = texts;
        Warnings = warnings;
    }

    /// <summary>The prompt.</summary>
    public PromptSide Positive { get; }

    /// <summary>The negative prompt.</summary>
    public PromptSide Negative { get; }

    /// <summary>What the report says of them, per side and encoder.</summary>
    public IReadOnlyList<TextReport> Texts { get; }

    /// <summary>What of them is not supported, one line each.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Tokenizes both prompts for every text encoder of a folder.</summary>
    /// <param name="folder">The model's folder: token limits.</param>
    /// <param name="tokenizers">Its CLIP tokenizers, in the order of its text encoders.</param>
    /// <param name="prompt">The prompts and their syntax; null means the webui's.</param>
    /// <param name="steps">The steps that edits count.</param>
    /// <exception cref="InvalidRequestException">The edits make more text than a run may have.</exception>
    public static PromptPlan Of(DiffusionFolder folder, IReadOnlyList<ClipTokenizer> tokenizers, PromptRequest prompt, PromptSteps steps)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return Of([.. folder.TextEncoders.Select(encoder => encoder.TokenLimit)], tokenizers, prompt, steps);
    }

    /// <summary>Tokenizes both prompts.</summary>
    /// <param name="limits">Token limit of each text encoder, start and end included.</param>
    /// <param name="tokenizers">The tokenizer of each.</param>
    /// <param name="prompt">The prompts and their syntax; null means the webui's.</param>
    /// <param name="steps">The steps that edits count.</param>
    /// <exception cref="InvalidRequestException">The edits make more text than a run may have.</exception>
    public static PromptPlan Of(IReadOnlyList<int> limits, IReadOnlyList<ClipTokenizer> tokenizers, PromptRequest prompt, PromptSteps steps)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(tokenizers);
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(steps);
        var warnings = new List<string>();
        bool isPlain = prompt.Syntax == PromptSyntax.Plain;
        PromptSide positive = Both("prompt", prompt.Text, prompt.Text2);
        PromptSide negative = Both("negative_prompt", prompt.Negative, prompt.Negative2);
        return new(positive, negative, [.. Report("prompt", positive), .. Report("negative", negative)], warnings);

        // Without a text of their own, the encoders after the first read what the first one reads.
        PromptSide Both(string field, string text, string? second)
        {
            PromptSide side = Side(field, text, isPlain, limits, tokenizers, steps, warnings);
            return second is null || second == text ? side : side.With(Side($"{field}_2", second, isPlain, limits, tokenizers, steps, warnings));
        }
    }

    /// <summary>Encodes every text and joins the two sides: whichever has fewer windows gets empty ones.</summary>
    /// <param name="guided">Whether guidance needs the negative side.</param>
    /// <param name="encode">What the family makes of a text's windows, one entry per text encoder, all of one number; and whether they are the negative side's.</param>
    public ConditioningSchedule Schedule(bool guided, Func<IReadOnlyList<PromptWindows>, bool, TextConditioning> encode)
    {
        ArgumentNullException.ThrowIfNull(encode);
        PromptSide[] sides = guided ? [Positive, Negative] : [Positive];
        int windows = sides.SelectMany(side => side.Stretches).SelectMany(stretch => stretch.Encoders).Max(encoder => encoder.Windows.Count);

        // One object per text: the denoiser uploads what it has not seen.
        var positives = new Dictionary<string, TextConditioning>(StringComparer.Ordinal);
        var negatives = new Dictionary<string, TextConditioning>(StringComparer.Ordinal);
        var segments = new List<ConditioningSchedule.Segment>();
        for (int p = 0, n = 0; p < Positive.Stretches.Count;)
        {
            PromptStretch positive = Positive.Stretches[p];
            PromptStretch? negative = guided ? Negative.Stretches[n] : null;
            int until = Math.Min(positive.Until, negative?.Until ?? int.MaxValue);
            segments.Add(new(until, Get(positives, positive, isNegative: false), negative is null ? null : Get(negatives, negative, isNegative: true)));
            p += positive.Until == until ? 1 : 0;
            n += negative?.Until == until ? 1 : 0;
        }

        return new ConditioningSchedule(segments);

        TextConditioning Get(Dictionary<string, TextConditioning> known, PromptStretch stretch, bool isNegative)
        {
            if (!known.TryGetValue(stretch.Text, out TextConditioning? conditioning))
            {
                conditioning = encode([.. stretch.Encoders.Select(encoder => encoder.PaddedTo(windows))], isNegative);
                known.Add(stretch.Text, conditioning);
            }

            return conditioning;
        }
    }

    private static PromptSide Side(
        string field, string text, bool isPlain, IReadOnlyList<int> limits, IReadOnlyList<ClipTokenizer> tokenizers, PromptSteps steps, List<string> warnings)
    {
        string words = text;
        IEnumerable<ScheduledPrompt> schedule = [new(steps.Count, text)];
        if (!isPlain)
        {
            words = PromptTags.Remove(text, out IReadOnlyList<string> tags);
            Warn(warnings, field, tags, "is not supported; it was left out");
            Warn(warnings, field, PromptEmphasis.InvalidWeights(words), "is no number and so no weight; it was read as words");
            schedule = PromptSchedule.Enumerate(words, steps.Count);
        }

        var known = new Dictionary<string, IReadOnlyList<PromptWindows>>(StringComparer.Ordinal);
        var stretches = new List<PromptStretch>();
        long characters = 0;
        int windows = 0;
        foreach ((int until, string scheduled) in schedule)
        {
            if (!known.TryGetValue(scheduled, out IReadOnlyList<PromptWindows>? encoders))
            {
                characters += scheduled.Length;
                if (known.Count > 0 && (characters > MostCharacters || windows > MostWindows))
                {
                    throw TooMuch(field, text);
                }

                IReadOnlyList<WeightedText> runs = isPlain ? [new(scheduled, 1)] : PromptEmphasis.Parse(scheduled);
                encoders = [.. limits.Select((limit, i) => PromptWindows.Of(tokenizers[i], limit, runs))];
                known.Add(scheduled, encoders);
                windows = Math.Max(windows, encoders.Max(encoder => encoder.Windows.Count));
                if (known.Count > 1 && known.Count * windows > MostWindows)
                {
                    throw TooMuch(field, text);
                }
            }

            int last = until == steps.Count ? int.MaxValue : steps.Begin(until);
            if (stretches.Count > 0 && (stretches[^1].Until == last || stretches[^1].Text == scheduled))
            {
                // Steps that begin at one evaluation, or a text that just goes on.
                stretches[^1] = stretches[^1].Text == scheduled ? stretches[^1] with { Until = last } : stretches[^1];
                continue;
            }

            stretches.Add(new(last, scheduled, encoders));
        }

        return new PromptSide(text, stretches);
    }

    private static void Warn(List<string> warnings, string field, IReadOnlyList<string> found, string what)
    {
        const int Shown = 8;
        warnings.AddRange(found.Take(Shown).Select(text => $"{field}: {InvalidRequestException.Quote(text)} {what}"));
        if (found.Count > Shown)
        {
            warnings.Add(FormattableString.Invariant($"{field}: as are {found.Count - Shown} more"));
        }
    }

    private static InvalidRequestException TooMuch(string field, string text) =>
        new(field, text, FormattableString.Invariant($"its edits make more than {MostWindows} windows or {MostCharacters} characters of text; shorten it, or edit less often"));

    private static IEnumerable<TextReport> Report(string role, PromptSide side)
    {
        for (int encoder = 0; encoder < side.Stretches[0].Encoders.Count; encoder++)
        {
            // Of a text that changes, the longest form counts.
            PromptWindows longest = side.Stretches.Select(stretch => stretch.Encoders[encoder]).MaxBy(windows => windows.Count + windows.Dropped)!;
            yield return new TextReport
            {
                Role = role,
                Text = encoder == 0 ? side.Text : side.SecondText ?? side.Text,
                Encoder = encoder,
                Tokens = longest.Count,
                TokensDropped = longest.Dropped,
                Windows = longest.Windows.Count,
                Edits = side.Stretches.Count - 1,
            };
        }
    }
}

/// <summary>One side of guidance.</summary>
/// <param name="Text">The prompt as it was given, with its syntax.</param>
/// <param name="Stretches">Its texts in order; the last reaches to the end.</param>
public sealed record PromptSide(string Text, IReadOnlyList<PromptStretch> Stretches)
{
    /// <summary>The prompt of the encoders after the first, if they have one of their own.</summary>
    public string? SecondText { get; private init; }

    /// <summary>Whether there is nothing to read for any encoder.</summary>
    public bool IsEmpty => Stretches.All(stretch => stretch.Encoders.All(encoder => encoder.Count == 0));

    /// <summary>This side for the first encoder, another one for the encoders after it.</summary>
    /// <param name="second">The other side, tokenized for the same encoders.</param>
    internal PromptSide With(PromptSide second)
    {
        var stretches = new List<PromptStretch>();
        for (int a = 0, b = 0; a < Stretches.Count;)
        {
            (PromptStretch own, PromptStretch other) = (Stretches[a], second.Stretches[b]);
            int until = Math.Min(own.Until, other.Until);

            // No prompt holds NUL, so the joined text tells the pairs apart.
            stretches.Add(new(until, $"{own.Text}\0{other.Text}", [own.Encoders[0], .. other.Encoders.Skip(1)]));
            a += own.Until == until ? 1 : 0;
            b += other.Until == until ? 1 : 0;
        }

        return new(Text, stretches) { SecondText = second.Text };
    }
}

/// <summary>A text for a stretch of evaluations.</summary>
/// <param name="Until">The first evaluation it no longer holds for.</param>
/// <param name="Text">The text, with its weights.</param>
/// <param name="Encoders">Its windows, one entry per text encoder.</param>
public sealed record PromptStretch(int Until, string Text, IReadOnlyList<PromptWindows> Encoders);

using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Conditioning;

/// <summary>The tokens of a prompt and of what guidance leads away from, over the evaluations.</summary>
public sealed class PromptPlan
{
    /// <summary>Most windows of all texts that the edits of a request make, so that a request stays bounded.</summary>
    public const int MostWindows = 1024;

    private const int MostCharacters = 1 << 22;

    private PromptPlan(PromptTrack positive, PromptTrack negative, IReadOnlyList<TextReport> texts, IReadOnlyList<string> warnings)
    {
        Positive = positive;
        Negative = negative;
        Texts = texts;
        Warnings = warnings;
    }

    /// <summary>The prompt.</summary>
    public PromptTrack Positive { get; }

    /// <summary>The negative prompt.</summary>
    public PromptTrack Negative { get; }

    /// <summary>What the report says of them, per side and encoder.</summary>
    public IReadOnlyList<TextReport> Texts { get; }

    /// <summary>What of them is not supported, one line each.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Tokenizes both prompts for CLIP text encoders.</summary>
    /// <param name="limits">Token limit of each text encoder, start and end included.</param>
    /// <param name="tokenizers">The tokenizer of each.</param>
    /// <param name="prompt">The prompts and their syntax; null means the webui's.</param>
    /// <param name="steps">The steps that edits count.</param>
    /// <exception cref="InvalidRequestException">The edits make more text than a run may have.</exception>
    public static PromptPlan Of(IReadOnlyList<int> limits, IReadOnlyList<ITokenizer> tokenizers, PromptRequest prompt, PromptSteps steps)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(tokenizers);
        return Of([.. limits.Select((limit, i) => new ClipPromptReader(tokenizers[i], limit))], prompt, steps);
    }

    /// <summary>Tokenizes both prompts.</summary>
    /// <param name="readers">A reader for each text encoder, in their order.</param>
    /// <param name="prompt">The prompts and their syntax; null means the webui's.</param>
    /// <param name="steps">The steps that edits count.</param>
    /// <exception cref="InvalidRequestException">The edits make more text than a run may have.</exception>
    public static PromptPlan Of(IReadOnlyList<IPromptReader> readers, PromptRequest prompt, PromptSteps steps)
    {
        ArgumentNullException.ThrowIfNull(readers);
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(steps);
        var warnings = new List<string>();
        bool isPlain = prompt.Syntax == PromptSyntax.Plain;
        PromptTrack positive = Both("prompt", prompt.Text, prompt.Text2);
        PromptTrack negative = Both("negative_prompt", prompt.Negative, prompt.Negative2);
        return new(positive, negative, [.. Report("prompt", positive), .. Report("negative", negative)], warnings);

        // Without a text of their own, the encoders after the first read what the first one reads.
        PromptTrack Both(string field, string text, string? second)
        {
            PromptTrack side = Side(field, text, isPlain, readers, steps, warnings);
            return second is null || second == text ? side : side.With(Side($"{field}_2", second, isPlain, readers, steps, warnings));
        }
    }

    /// <summary>Encodes every text and joins the two sides: whichever has fewer windows gets empty ones.</summary>
    /// <param name="guided">Whether guidance needs the negative side.</param>
    /// <param name="encode">
    /// What the family makes of a text's tokens, one entry per text encoder, padded to one number of windows; and whether they are the
    /// negative side's.
    /// </param>
    public ConditioningSchedule Schedule(bool guided, Func<IReadOnlyList<EncoderTokens>, bool, TextConditioning> encode)
    {
        ArgumentNullException.ThrowIfNull(encode);
        PromptTrack[] sides = guided ? [Positive, Negative] : [Positive];
        int windows = sides.SelectMany(side => side.Segments).SelectMany(segment => segment.Encoders).Max(encoder => encoder.Sequences);

        // One object per text: the denoiser uploads what it has not seen.
        var positives = new Dictionary<string, TextConditioning>(StringComparer.Ordinal);
        var negatives = new Dictionary<string, TextConditioning>(StringComparer.Ordinal);
        var segments = new List<ConditioningSchedule.Segment>();
        for (int p = 0, n = 0; p < Positive.Segments.Count;)
        {
            PromptSegment positive = Positive.Segments[p];
            PromptSegment? negative = guided ? Negative.Segments[n] : null;
            int until = Math.Min(positive.Until, negative?.Until ?? int.MaxValue);
            segments.Add(
                new(
                    until,
                    Get(positives, positive, isNegative: false),
                    negative is null ? null : Get(negatives, negative, isNegative: true)));
            p += positive.Until == until ? 1 : 0;
            n += negative?.Until == until ? 1 : 0;
        }

        return new ConditioningSchedule(segments);

        TextConditioning Get(Dictionary<string, TextConditioning> known, PromptSegment segment, bool isNegative)
        {
            if (!known.TryGetValue(segment.Text, out TextConditioning? conditioning))
            {
                conditioning = encode([.. segment.Encoders.Select(encoder => encoder.PaddedTo(windows))], isNegative);
                known.Add(segment.Text, conditioning);
            }

            return conditioning;
        }
    }

    private static PromptTrack Side(
        string field, string text, bool isPlain, IReadOnlyList<IPromptReader> readers, PromptSteps steps, List<string> warnings)
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

        var known = new Dictionary<string, IReadOnlyList<EncoderTokens>>(StringComparer.Ordinal);
        var segments = new List<PromptSegment>();
        long characters = 0;
        int windows = 0;
        foreach ((int until, string scheduled) in schedule)
        {
            if (!known.TryGetValue(scheduled, out IReadOnlyList<EncoderTokens>? encoders))
            {
                characters += scheduled.Length;
                if (known.Count > 0 && (characters > MostCharacters || windows > MostWindows))
                {
                    throw TooMuch(field, text);
                }

                IReadOnlyList<WeightedText> runs = isPlain ? [new(scheduled, 1)] : PromptEmphasis.Parse(scheduled);
                encoders = [.. readers.Select(reader => reader.Read(runs))];
                known.Add(scheduled, encoders);
                windows = Math.Max(windows, encoders.Max(encoder => encoder.Sequences));
                if (known.Count > 1 && known.Count * windows > MostWindows)
                {
                    throw TooMuch(field, text);
                }
            }

            int last = until == steps.Count ? int.MaxValue : steps.Begin(until);
            if (segments.Count > 0 && (segments[^1].Until == last || segments[^1].Text == scheduled))
            {
                // Steps that begin at one evaluation, or a text that just goes on.
                segments[^1] = segments[^1].Text == scheduled ? segments[^1] with { Until = last } : segments[^1];
                continue;
            }

            segments.Add(new(last, scheduled, encoders));
        }

        return new PromptTrack(text, segments);
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
        new(
            field,
            text,
            FormattableString.Invariant(
                $"its edits make more than {MostWindows} windows or {MostCharacters} characters of text; shorten it, or edit less often"));

    private static IEnumerable<TextReport> Report(string role, PromptTrack side)
    {
        for (int encoder = 0; encoder < side.Segments[0].Encoders.Count; encoder++)
        {
            // Of a text that changes, the longest form counts.
            EncoderTokens longest = side
                .Segments.Select(segment => segment.Encoders[encoder])
                .MaxBy(windows => windows.Count + windows.Dropped)!;
            yield return new TextReport
            {
                Role = role,
                Text = encoder == 0 ? side.Text : side.SecondText ?? side.Text,
                Encoder = encoder,
                Tokens = longest.Count,
                TokensDropped = longest.Dropped,
                Windows = longest.Sequences,
                Edits = side.Segments.Count - 1,
            };
        }
    }
}

/// <summary>One side of guidance.</summary>
/// <param name="Text">The prompt as it was given, with its syntax.</param>
/// <param name="Segments">Its texts in order; the last reaches to the end.</param>
public sealed record PromptTrack(string Text, IReadOnlyList<PromptSegment> Segments)
{
    /// <summary>The prompt of the encoders after the first, if they have one of their own.</summary>
    public string? SecondText { get; private init; }

    /// <summary>Whether there is nothing to read for any encoder.</summary>
    public bool IsEmpty => Segments.All(segment => segment.Encoders.All(encoder => encoder.Count == 0));

    /// <summary>This side for the first encoder, another one for the encoders after it.</summary>
    /// <param name="second">The other side, tokenized for the same encoders.</param>
    internal PromptTrack With(PromptTrack second)
    {
        var segments = new List<PromptSegment>();
        for (int a = 0, b = 0; a < Segments.Count;)
        {
            (PromptSegment own, PromptSegment other) = (Segments[a], second.Segments[b]);
            int until = Math.Min(own.Until, other.Until);

            // No prompt holds NUL, so the joined text tells the pairs apart.
            segments.Add(new(until, $"{own.Text}\0{other.Text}", [own.Encoders[0], .. other.Encoders.Skip(1)]));
            a += own.Until == until ? 1 : 0;
            b += other.Until == until ? 1 : 0;
        }

        return new(Text, segments) { SecondText = second.Text };
    }
}

/// <summary>A text for a range of evaluations.</summary>
/// <param name="Until">The first evaluation it no longer holds for.</param>
/// <param name="Text">The text, with its weights.</param>
/// <param name="Encoders">Its tokens, one entry per text encoder.</param>
public sealed record PromptSegment(int Until, string Text, IReadOnlyList<EncoderTokens> Encoders);

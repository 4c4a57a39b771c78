using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using DiffusionClip.Scoring;

namespace DiffusionClip.Cli.Verbs;

/// <summary>The flags that describe a picture, and how they are laid over a request.</summary>
internal sealed class RequestFlags
{
    // Which flag fills which field: an error of the field names the flag that was given.
    private readonly List<(Option<string?> Flag, string Field)> _fields = [];

    public RequestFlags()
    {
        NegativePrompt = Text("negative_prompt", "--negative-prompt", "TEXT", "What the picture should not show.", "--negative");
        Syntax = Text(
            "syntax",
            "--prompt-syntax",
            "a1111|plain",
            "How prompts are read: with weights, BREAK and edits over steps as in the webui, or every character as it stands. Default: a1111."
        );
        Prompt2 = Text("prompt_2", "--prompt-2", "TEXT", "What SDXL's second text encoder reads. Default: the prompt.");
        NegativePrompt2 = Text(
            "negative_prompt_2",
            "--negative-prompt-2",
            "TEXT",
            "What it reads as negative prompt. Default: the negative prompt.");
        Steps = Text("num_inference_steps", "--steps", "N", "Denoising steps, 1 to 1000. Default: the model's own.");
        CfgScale = Text(
            "guidance_scale",
            "--cfg-scale",
            "X",
            "Classifier-free guidance, 0 to 100; 1 turns it off. Default: the model's own.");
        CfgRescale = Text("guidance_rescale", "--cfg-rescale", "X", "Rescale of guided noise, 0 to 1. Default: 0.");
        GuidanceInterval = Text(
            "guidance_interval",
            "--guidance-interval",
            "FROM-TO",
            "The share of the steps that is guided, e.g. 0.1-0.8; the others cost half. Default: all.");
        StrategyOption = new("--strategy-option")
        {
            HelpName = "KEY=VALUE",
            Description = "An option of the search strategy. Repeatable.",
        };
        Seed = Text(
            "seed",
            "--seed",
            "N",
            "Seed of the first candidate, 0 to 18446744073709551615; candidate i has seed + i. Default: random.",
            "-s");
        Sampler = Text(
            "scheduler",
            "--sampler",
            "NAME",
            "Scheduler: a diffusers class, alias or A1111 label such as \"DPM++ 2M Karras\"; dclip samplers lists them. Default: the model's own.",
            "--sampling-method");
        SchedulerOption = new("--scheduler-option")
        {
            HelpName = "KEY=VALUE",
            Description =
                "Overrides an option of the scheduler's configuration, e.g. use_karras_sigmas=true or timestep_spacing=trailing. Repeatable.",
        };
        Eta = Text("eta", "--eta", "X", "DDIM's stochasticity, 0 to 1. Default: the scheduler's own.");
        Width = Text("width", "--width", "PIXELS", "Width; a multiple of what the model's latents allow. Default: the model's own.", "-W");
        Height = Text("height", "--height", "PIXELS", "Height, likewise.", "-H");
        ClipSkip = Text(
            "clip_skip",
            "--clip-skip",
            "N",
            "Layers of the text encoder left out at its end, counted as diffusers does: 1 is what A1111 calls 2. Default: none.");
        InitImage = Text(
            "init_image",
            "--init-image",
            "FILE",
            "A picture to paint over. It is resized to --width and --height; without them, its own size, rounded down to what the model paints, counts.",
            "--init-img");
        Strength = Text(
            "strength",
            "--strength",
            "X",
            "How much of the way is painted anew, above 0 to 1. Default: the family's own, 0.8 (SDXL 0.3), with a mask 1.");
        Mask = Text(
            "mask",
            "--mask",
            "FILE",
            "With --init-image: paint only where this picture is white, keep what is black. It is resized like the picture.");
        Candidates = Text("candidates", "--candidates", "N", "How many pictures are painted and ranked, 1 to 1024. Default: 4.", "-n");
        Keep = Text("keep", "--keep", "N", "How many of the best are written. Default: all.");
        Strategy = Text("strategy", "--strategy", "NAME", "How the best are searched for. Default: best-of-n.");
        Model = Text(
            "model",
            "--model",
            "NAME",
            "Generator: the name of a model (dclip models), the path of a folder, or org/name[@revision] of the Hugging Face cache.",
            "-m");
        Scorer = Text(
            "scorer",
            "--scorer",
            "NAME",
            "Scorer: a CLIP or SigLIP by name, by the path of its folder, or as org/name[@revision] of the Hugging Face cache, with #q4f16 and the like "
                + "for one of several precisions; or a registered scorer. Several with weights: a=1,b=0.5; 0 watches; none turns scoring off. "
                + "Default: the one that goes with the generator.");
        Combine = ScoringFlags.CombineFlag();
        _fields.Add((Combine, "combination"));
        ScoreText = Text(
            "score_text",
            "--score-text",
            "TEXT",
            "Text that the pictures are scored against. Default: the prompt without its syntax.");
        LongText = Text(
            "long_text",
            "--long-text",
            "truncate|windows-mean",
            "What happens to score text beyond the scorer's limit: dropped, or read in windows whose mean stands for it. Such scores do not compare. Default: truncate."
        );
        Noise = Text(
            "noise",
            "--noise",
            "cpu|philox",
            "Random numbers of torch's CPU generator or its CUDA generator (Philox). Default: cpu.");
        Provider = Text(
            "provider",
            "--provider",
            "auto|cpu|dml|cuda",
            "Execution provider; auto takes the fastest there is. Default: auto.");
        Format = Text("format", "--format", "png|jpeg|webp", "File format of the pictures. All carry the same metadata. Default: png.");
        Quality = Text("quality", "--quality", "N", "Quality of JPEG and WebP, 1 to 100; 100 is lossless for WebP. Default: 95.");
        NoMetadata = new("--no-metadata") { Description = "Write pictures without the text that says how they came about." };
    }

    public Option<string?> NegativePrompt { get; }

    public Option<string?> Syntax { get; }

    public Option<string?> Prompt2 { get; }

    public Option<string?> NegativePrompt2 { get; }

    public Option<string?> Steps { get; }

    public Option<string?> CfgScale { get; }

    public Option<string?> CfgRescale { get; }

    /// <summary>The share of the steps that is guided.</summary>
    public Option<string?> GuidanceInterval { get; }

    /// <summary>Options of the search strategy.</summary>
    public Option<string[]> StrategyOption { get; }

    public Option<string?> Seed { get; }

    public Option<string?> Sampler { get; }

    public Option<string[]> SchedulerOption { get; }

    public Option<string?> Eta { get; }

    public Option<string?> Width { get; }

    public Option<string?> Height { get; }

    public Option<string?> ClipSkip { get; }

    public Option<string?> InitImage { get; }

    public Option<string?> Strength { get; }

    public Option<string?> Mask { get; }

    public Option<string?> Candidates { get; }

    public Option<string?> Keep { get; }

    public Option<string?> Strategy { get; }

    public Option<string?> Model { get; }

    public Option<string?> Scorer { get; }

    public Option<string?> Combine { get; }

    public Option<string?> ScoreText { get; }

    public Option<string?> LongText { get; }

    public Option<string?> Noise { get; }

    public Option<string?> Provider { get; }

    public Option<string?> Format { get; }

    public Option<string?> Quality { get; }

    public Option<bool> NoMetadata { get; }

    /// <summary>Adds all flags to a command, in the order in which its help lists them.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in new Option[]
        {
            NegativePrompt, Prompt2, NegativePrompt2, Syntax, Steps, CfgScale, CfgRescale, GuidanceInterval, Seed, Sampler, SchedulerOption,
            Eta, Width, Height, ClipSkip, InitImage, Strength, Mask, Candidates, Keep, Strategy, StrategyOption, Model, Scorer, Combine,
            ScoreText, LongText, Noise, Provider, Format, Quality, NoMetadata,
        })
        {
            command.Add(option);
        }
    }

    /// <summary>Lays the flags that were given over a request.</summary>
    /// <exception cref="InvalidRequestException">A flag's value cannot be read.</exception>
    public ImageRequest Over(ImageRequest request, ParseResult parse) => request with
    {
        Prompt = request.Prompt with
        {
            Negative = parse.GetValue(NegativePrompt) ?? request.Prompt.Negative,
            Syntax = OneOf(parse, Syntax, ["a1111", "plain"]) switch { null => request.Prompt.Syntax, "plain" => PromptSyntax.Plain, _ => PromptSyntax.A1111 },
            Text2 = parse.GetValue(Prompt2) ?? request.Prompt.Text2,
            Negative2 = parse.GetValue(NegativePrompt2) ?? request.Prompt.Negative2,
        },
        Model = request.Model with
        {
            Id = parse.GetValue(Model) ?? request.Model.Id,
            Provider = OneOf(parse, Provider, ["auto", "cpu", "dml", "cuda"]) ?? request.Model.Provider,
        },
        Sampling = request.Sampling with
        {
            NumInferenceSteps = Whole(parse, Steps) ?? request.Sampling.NumInferenceSteps,
            GuidanceScale = Number(parse, CfgScale) ?? request.Sampling.GuidanceScale,
            GuidanceRescale = Number(parse, CfgRescale) ?? request.Sampling.GuidanceRescale,
            Seed = ReadSeed(parse.GetValue(Seed)) ?? request.Sampling.Seed,
            Scheduler = parse.GetValue(Sampler) ?? request.Sampling.Scheduler,
            SchedulerOptions = Options(parse.GetValue(SchedulerOption), "--scheduler-option", "use_karras_sigmas=true") is { } given
                ? Merge(request.Sampling.SchedulerOptions, given)
                : request.Sampling.SchedulerOptions,
            GuidanceInterval = parse.GetValue(GuidanceInterval) is { } interval ? ReadInterval(interval) : request.Sampling.GuidanceInterval,
            Eta = Number(parse, Eta) ?? request.Sampling.Eta,
            Width = Whole(parse, Width) ?? request.Sampling.Width,
            Height = Whole(parse, Height) ?? request.Sampling.Height,
            ClipSkip = Whole(parse, ClipSkip) ?? request.Sampling.ClipSkip,
            Noise = OneOf(parse, Noise, ["cpu", "philox"]) switch { null => request.Sampling.Noise, "cpu" => NoiseKind.Cpu, _ => NoiseKind.Philox },
        },
        Search = Over(request.Search, parse) with
        {
            Candidates = Whole(parse, Candidates) ?? request.Search.Candidates,
            Keep = Whole(parse, Keep) ?? request.Search.Keep,
            Strategy = parse.GetValue(Strategy) ?? request.Search.Strategy,
            Options = Options(parse.GetValue(StrategyOption), "--strategy-option", "rounds=3") is { } options
                ? Merge(request.Search.Options, options)
                : request.Search.Options,
            Combination = ScoringFlags.ReadCombination(parse.GetValue(Combine)) ?? request.Search.Combination,
        },
        Origin = Real(parse, Strength) is { } strength ? (request.Origin ?? new()) with { Strength = strength } : request.Origin,
        Output = Over(request.Output, parse),
    };

    private SearchRequest Over(SearchRequest search, ParseResult parse)
    {
        if (parse.GetValue(Scorer) is { } scorer)
        {
            search = search with { Scorer = scorer, Scorers = null };
        }

        string? text = parse.GetValue(ScoreText), longText = parse.GetValue(LongText);
        return text is null && longText is null
            ? search
            : ScorerCatalog.WithTexts(
                search,
                text ?? search.ScoreText,
                longText is null ? search.LongText : ScoringFlags.ReadLongText(longText));
    }

    /// <summary>Whether a flag was given.</summary>
    public static bool IsGiven(ParseResult parse, Option option) => parse.GetResult(option) is { Implicit: false };

    /// <summary>The error in the words of the command line: the flag's name, and the value as it was typed.</summary>
    public InvalidRequestException InFlags(InvalidRequestException exception, ParseResult parse)
    {
        const string StrategyOptions = "search.options";
        if (exception.Field.StartsWith(StrategyOptions, StringComparison.Ordinal) && parse.GetValue(StrategyOption) is { Length: > 0 })
        {
            return new InvalidRequestException(
                $"{StrategyOption.Name}{exception.Field[StrategyOptions.Length..]}",
                exception.Value,
                exception.Remedy);
        }

        (Option<string?> flag, string field) = _fields.Find(entry => entry.Field == exception.Field);
        return flag is not null && parse.GetValue(flag) is { } typed
            ? new InvalidRequestException(Label(flag.Name, field), typed, exception.Remedy)
            : exception;
    }

    private OutputRequest Over(OutputRequest output, ParseResult parse)
    {
        OutputFormat? format = OneOf(parse, Format, ["png", "jpeg", "jpg", "webp"]) switch
        {
            null => null,
            "png" => OutputFormat.Png,
            "webp" => OutputFormat.Webp,
            _ => OutputFormat.Jpeg,
        };
        return output with
        {
            Metadata = !parse.GetValue(NoMetadata) && output.Metadata,
            Format = format ?? output.Format,

            // A quality that was chosen for another format says nothing about this one.
            Quality = Whole(parse, Quality) ?? (format is null || format == output.Format ? output.Quality : null),
        };
    }

    private static string Label(string flag, string field) => flag[2..].Replace('-', '_') == field ? flag : $"{flag} ({field})";

    private Option<string?> Text(string field, string name, string value, string description, params string[] aliases)
    {
        var flag = new Option<string?>(name, aliases) { HelpName = value, Description = description };
        _fields.Add((flag, field));
        return flag;
    }

    private string FieldOf(Option<string?> flag) => _fields.Find(entry => entry.Flag == flag).Field;

    private int? Whole(ParseResult parse, Option<string?> flag) => parse.GetValue(flag) is { } text ? ReadWhole(FieldOf(flag), text) : null;

    private float? Number(ParseResult parse, Option<string?> flag) =>
        parse.GetValue(flag) is { } text ? ReadNumber(FieldOf(flag), text) : null;

    private double? Real(ParseResult parse, Option<string?> flag) => parse.GetValue(flag) is not { } text
        ? null
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            ? number
            : throw NoNumber(FieldOf(flag), text);

    private string? OneOf(ParseResult parse, Option<string?> flag, string[] known) => parse.GetValue(flag) is not { } text
        ? null
        : Array.Find(known, candidate => string.Equals(candidate, text, StringComparison.OrdinalIgnoreCase))
            ?? throw new InvalidRequestException(FieldOf(flag), text, $"known are {string.Join(", ", known)}");

    private static int ReadWhole(string field, string text)
    {
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number))
        {
            return number;
        }

        // Digits beyond an int are out of every range; the range's own error says so.
        string digits = text.TrimStart('-', '+');
        return digits.Length > 0 && digits.All(char.IsAsciiDigit) && text.Length - digits.Length <= 1
            ? text[0] == '-' ? int.MinValue : int.MaxValue
            : throw new InvalidRequestException(field, text, "a whole number is needed");
    }

    private static float ReadNumber(string field, string text) =>
        float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float number)
            ? number
            : throw NoNumber(field, text);

    private static InvalidRequestException NoNumber(string field, string text) =>
        new(field, text, "a number is needed, with a point if it has decimals: 7.5");

    private static ulong? ReadSeed(string? text)
    {
        if (text is null)
        {
            return null;
        }

        if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed))
        {
            return seed;
        }

        const string Range = "a seed is a whole number from 0 to 18446744073709551615";
        throw new InvalidRequestException("seed", text, text == "-1" ? $"for a random seed leave --seed out; {Range}" : Range);
    }

    private static GuidanceInterval ReadInterval(string text)
    {
        string[] ends = text.Split('-');
        return ends.Length == 2 && Read(ends[0]) is { } from && Read(ends[1]) is { } to
            ? new(from, to)
            : throw new InvalidRequestException(
                "guidance_interval",
                text,
                "give two numbers from 0 to 1 with a dash between them: 0.1-0.8");

        static double? Read(string end) =>
            double.TryParse(end, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) ? number : null;
    }

    private static Dictionary<string, JsonElement>? Options(string[]? given, string flag, string example)
    {
        if (given is not { Length: > 0 })
        {
            return null;
        }

        var options = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (string option in given)
        {
            int equals = option.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw new InvalidRequestException(flag, option, $"give a key and a value, e.g. {example}");
            }

            options[option[..equals].Replace('-', '_')] = Value(option[(equals + 1)..]);
        }

        return options;
    }

    /// <summary>
    /// A value as JSON if it is that, else as text: <c>true</c>, <c>0.5</c>, <c>[1, 2]</c>, <c>trailing</c>; Python's True and False too.
    /// </summary>
    private static JsonElement Value(string text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text is "True" or "False" ? text.ToLowerInvariant() : text);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return JsonSerializer.SerializeToElement(text, DiffusionClipJson.Compact);
        }
    }

    private static Dictionary<string, JsonElement> Merge(
        IReadOnlyDictionary<string, JsonElement>? below,
        Dictionary<string, JsonElement> above)
    {
        var merged = new Dictionary<string, JsonElement>(below ?? new Dictionary<string, JsonElement>(), StringComparer.Ordinal);
        foreach ((string key, JsonElement value) in above)
        {
            merged[key] = value;
        }

        return merged;
    }
}

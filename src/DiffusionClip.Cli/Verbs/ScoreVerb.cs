using System.Collections.Concurrent;
using System.CommandLine;
using System.Globalization;
using System.Text;
using DiffusionClip.Cli.Inputs;
using DiffusionClip.Cli.Output;
using DiffusionClip.Files;
using DiffusionClip.Imaging;
using DiffusionClip.Reporting.Metadata;
using DiffusionClip.Scoring;
using Microsoft.Extensions.Hosting;

namespace DiffusionClip.Cli.Verbs;

/// <summary><c>dclip score</c>: any number of pictures against texts, a row each, in bounded memory.</summary>
internal sealed class ScoreVerb
{
    private static readonly UTF8Encoding _utf8 = new(encoderShouldEmitUTF8Identifier: false);

    private readonly Argument<string[]> _files = new("FILES")
    {
        Description = "Pictures, folders and patterns such as \"pics/**/*.png\".",
        Arity = ArgumentArity.ZeroOrMore,
    };
    private readonly Option<string[]> _prompt = new("--prompt", "-p")
    {
        HelpName = "TEXT",
        Description = "A text that every picture is scored against. Repeatable.",
    };
    private readonly Option<string?> _pairs = new("--pairs")
    {
        HelpName = "FILE",
        Description =
            "Pairs of picture and text: .jsonl with the fields image (or file, path) and text (or prompt, caption), or .csv with these columns. Paths are relative to the file, else to the working folder.",
    };

    private readonly Option<bool> _fromMetadata = new("--prompt-from-metadata")
    {
        Description = "Scores each picture against the prompt in its metadata, whichever program wrote it.",
    };
    private readonly Option<string> _format = new("--format")
    {
        HelpName = "jsonl|csv",
        Description = "JSON lines or CSV.",
        DefaultValueFactory = _ => "jsonl",
    };
    private readonly Option<string?> _out = new("--out")
    {
        HelpName = "FILE",
        Description = "Writes to a new file in place of standard output; it appears when it is whole.",
    };
    private readonly Option<bool> _quiet = new("--quiet", "-q") { Description = "Print only rows, errors and warnings." };
    private readonly ScoringFlags _scoring = new();

    private ScoreVerb()
    {
    }

    /// <summary>Describes the verb.</summary>
    public static Command Create(Func<ParseResult, CliContext> context)
    {
        var verb = new ScoreVerb();
        Command command = new(
            "score",
            "Scores pictures against texts with CLIP, one row each. A bad file is one error row; the others are scored.")
        {
            verb._files, verb._prompt, verb._pairs, verb._fromMetadata, verb._format, verb._out,
        };
        verb._scoring.AddTo(command);
        command.Add(verb._quiet);
        command.SetAction((parse, _) => verb.RunAsync(context(parse), parse));
        HelpText.AddExamples(
            command,
            "dclip score \"pics/*.png\" --prompt \"two cats\" --prompt \"a dog\"",
            "dclip score --pairs captions.csv --format csv --out scores.csv",
            "dclip score output/20261124-135501-two-cats --prompt-from-metadata");
        return command;
    }

    private async Task<int> RunAsync(CliContext context, ParseResult parse)
    {
        string[] files = parse.GetValue(_files) ?? [], prompts = parse.GetValue(_prompt) ?? [];
        string? pairs = parse.GetValue(_pairs), output = parse.GetValue(_out);
        bool fromMetadata = parse.GetValue(_fromMetadata);
        string format = parse.GetValue(_format)!.ToLowerInvariant();
        Check(files, prompts, pairs, fromMetadata, format, output);
        Terminal terminal = context.Terminal;
        IReadOnlyList<string> pictures = pairs is null ? PictureFiles.Expand(files, terminal.Warn) : [];
        using IHost host = context.BuildHost();
        foreach (string prompt in prompts)
        {
            ScoredText.Check("prompt", prompt, host.Services);
        }

        using AtomicFile? target = output is null ? null : NewFile(output);
        using PictureScoring scoring = await _scoring
            .OpenAsync(host.Services, parse, new(), context.Interruption.Abort)
            .ConfigureAwait(false);

        // What a row is about, in the order of the items; the stream keeps few of them at a time.
        ImageLimits limits = CliContext.Limits(host.Services);
        bool names = scoring.Scorers.Entries.Count > 1;
        var asked = new ConcurrentQueue<(string Image, string? Text)>();
        IEnumerable<ScoringItem> items = pairs is not null
            ? PairsFile.Read(pairs).Select(pair => OfPair(pair, limits, host.Services, asked))
            : pictures.Select(path =>
            {
                asked.Enqueue((path, null));
                return ScoredFile.Item(path, limits, fromMetadata ? PromptOf : _ => prompts);
            });
        int rows = 0, failures = 0;
        TextWriter rowsOut = target is null ? terminal.Out : new StreamWriter(target.Content, _utf8, leaveOpen: true);
        using (ScoreWriter writer = ScoreWriter.Create(format, rowsOut, names))
        {
            await foreach (ScoredItem item in scoring.ScoreAsync(items, context.Interruption.Abort).ConfigureAwait(false))
            {
                asked.TryDequeue(out (string Image, string? Text) about);
                foreach (ScoreRow row in Rows(item, about.Image, about.Text, names))
                {
                    writer.Write(row);
                    rows++;
                    failures += row.Error is null ? 0 : 1;
                }
            }
        }

        await rowsOut.FlushAsync().ConfigureAwait(false);
        target?.Commit(overwrite: false);
        if (!parse.GetValue(_quiet))
        {
            string errors = failures > 0 ? string.Create(CultureInfo.InvariantCulture, $", {failures} of them errors") : "";
            string on = scoring.Provider is { } provider ? $", on {provider}" : "";
            string place = output is null ? "" : $", written to {output}";
            terminal.Say(string.Create(CultureInfo.InvariantCulture, $"{rows} rows{errors}{place}{on}"));
        }

        return failures > 0 ? ExitCodes.Failure : ExitCodes.Success;
    }

    private static void Check(string[] files, string[] prompts, string? pairs, bool fromMetadata, string format, string? output)
    {
        int sources = (prompts.Length > 0 ? 1 : 0) + (pairs is not null ? 1 : 0) + (fromMetadata ? 1 : 0);
        if (sources != 1)
        {
            throw new InvalidRequestException(
                "--prompt",
                sources == 0 ? null : "together with another source",
                "say what to score against by one of --prompt TEXT, --pairs FILE and --prompt-from-metadata");
        }

        if (pairs is not null ? files.Length > 0 : files.Length == 0)
        {
            throw new InvalidRequestException(
                "files",
                pairs is null ? null : files[0],
                pairs is null ? "name pictures, folders or patterns" : "--pairs names the pictures; leave it out");
        }

        if (!ScoreWriter.Formats.Contains(format, StringComparer.Ordinal))
        {
            throw new InvalidRequestException("--format", format, $"known are {string.Join(", ", ScoreWriter.Formats)}");
        }

        if (output is not null && Path.Exists(output))
        {
            throw new InvalidRequestException("--out", output, "it is there already and is not overwritten; name a new file");
        }
    }

    private static ScoringItem OfPair(
        Pair pair,
        ImageLimits limits,
        IServiceProvider services,
        ConcurrentQueue<(string Image, string? Text)> asked)
    {
        asked.Enqueue((pair.Image ?? pair.Where, pair.Text));
        return pair.Image is { } image
            ? ScoredFile.Item(image, limits, _ => [ScoredText.Check("text", pair.Text!, services)])
            : new ScoringItem { Name = pair.Where, ReadAsync = _ => throw new DiffusionClipException(pair.Failure!) };
    }

    private static IReadOnlyList<string> PromptOf(ReadOnlyMemory<byte> file) =>
        PictureMetadataReader.Read(file).ScoredText is { } text
            ? [text]
            : throw new DiffusionClipException("it carries no prompt; give --prompt or --pairs");

    private static IEnumerable<ScoreRow> Rows(ScoredItem item, string image, string? text, bool names)
    {
        // A file that nothing can be said of is one row.
        if (item.Scorers.All(scored => scored.Texts.Count == 0 && scored.Outcome.Failure is not null)
            && item.Scorers.Select(scored => scored.Outcome.Failure).Distinct().Count() == 1)
        {
            yield return new ScoreRow(image, text, null, item.ContentHash, Terminal.OneLine(item.Scorers[0].Outcome.Failure!), null);
            yield break;
        }

        foreach (ScoredBy scored in item.Scorers)
        {
            string? name = names ? scored.Scorer : null;
            if (scored.Outcome.Failure is { } failure)
            {
                foreach (string? words in scored.Texts.Count > 0 ? (IEnumerable<string?>)scored.Texts : [text])
                {
                    yield return new ScoreRow(image, words, null, item.ContentHash, Terminal.OneLine(failure), null) { Scorer = name };
                }

                continue;
            }

            for (int i = 0; i < scored.Texts.Count; i++)
            {
                yield return new ScoreRow(
                    image,
                    scored.Texts[i],
                    scored.Outcome.ScoresPerText.Span[i],
                    item.ContentHash,
                    null,
                    scored.Records[i])
                {
                    Scorer = name,
                };
            }
        }
    }

    private static AtomicFile NewFile(string path)
    {
        try
        {
            return AtomicFile.Begin(path);
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InvalidRequestException("--out", path, $"it has to be a file that can be written ({exception.Message})");
        }
    }
}

using System.CommandLine;
using DiffusionClip.Cli.Inputs;
using DiffusionClip.Cli.Output;
using DiffusionClip.Hosting;
using DiffusionClip.Imaging;
using DiffusionClip.Scoring;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace DiffusionClip.Cli.Verbs;

/// <summary><c>dclip generate</c>: a prompt, a recorded picture or a file of prompts becomes ranked pictures in new folders.</summary>
internal sealed class GenerateVerb
{
    private readonly RequestFlags _flags = new();
    private readonly Argument<string?> _prompt = new("PROMPT")
    {
        Description = "What the pictures show. In quotes; write -- before one that begins with a dash.",
        Arity = ArgumentArity.ZeroOrOne,
    };
    private readonly Option<string?> _output = new("--output", "-o")
    {
        HelpName = "FOLDER",
        Description = "Where the new folder of this run is made; an old one is never overwritten. Default: output.",
    };
    private readonly Option<string?> _prompts = new("--prompts")
    {
        HelpName = "FILE",
        Description =
            "Paints every prompt of a file into a folder of its own and skips those that are finished. One prompt a line (blank lines and # comments are passed over), or JSON lines with prompt, negative_prompt, seed and so on, which win over flags.",
    };

    private readonly Option<string?> _from = new("--from")
    {
        HelpName = "FILE",
        Description =
            "Repeats a picture that dclip wrote, bit for bit where model, machine and plan are the same; other flags change it.",
    };
    private readonly Option<bool> _json = new("--json")
    {
        Description = "Print the report to standard output, and nothing else; with --prompts one line a prompt.",
    };
    private readonly Option<bool> _quiet = new("--quiet", "-q") { Description = "Print only errors and warnings." };

    private GenerateVerb()
    {
    }

    /// <summary>Describes the verb.</summary>
    public static Command Create(Func<ParseResult, CliContext> context)
    {
        var verb = new GenerateVerb();
        Command command = new("generate", "Paints a prompt several times and ranks the pictures by how well CLIP says they match it.")
        {
            verb._prompt,
        };
        verb._flags.AddTo(command);
        foreach (Option option in new Option[] { verb._output, verb._prompts, verb._from, verb._json, verb._quiet })
        {
            command.Add(option);
        }

        command.SetAction((parse, _) => verb.RunAsync(context(parse), parse));
        HelpText.AddExamples(
            command,
            "dclip generate \"a fox and a purple umbrella on a white background\"",
            "dclip generate \"two cats\" -n 16 --keep 3 --sampler \"DPM++ 2M Karras\" --steps 12 --seed 7",
            "dclip generate --from output/20261124-135501-two-cats/01_seed-9_score-0.3121.png --steps 25",
            "dclip generate \"a fox in the snow\" --init-image fox.png --strength 0.6 -n 8",
            "dclip generate \"a red hat\" --init-image fox.png --mask hat.png -n 8 --keep 2",
            "dclip generate \"a red apple\" -n 8 --format webp --quality 90",
            "dclip generate --prompts prompts.txt -n 8 --json > reports.jsonl");
        return command;
    }

    private async Task<int> RunAsync(CliContext context, ParseResult parse)
    {
        try
        {
            return await DispatchAsync(context, parse).ConfigureAwait(false);
        }
        catch (InvalidRequestException exception)
        {
            throw _flags.InFlags(exception, parse);
        }
    }

    private async Task<int> DispatchAsync(CliContext context, ParseResult parse)
    {
        (string? prompt, string? prompts, string? from) = (parse.GetValue(_prompt), parse.GetValue(_prompts), parse.GetValue(_from));
        if (prompts is not null && (prompt is not null || from is not null))
        {
            throw new InvalidRequestException(
                "--prompts",
                prompts,
                $"it cannot be combined with {(prompt is not null ? "a prompt" : "--from")}; leave one out");
        }

        if (prompt is null && prompts is null && from is null)
        {
            throw new InvalidRequestException(
                "prompt",
                null,
                "write what the pictures show, e.g. dclip generate \"two cats\"; or give --prompts or --from");
        }

        // Errors in the command line are reported before anything is loaded.
        ImageRequest flags = _flags.Over(ImageRequest.For(prompt ?? ""), parse);
        using IHost host = context.BuildHost();
        IServiceProvider services = host.Services;
        Terminal terminal = context.Terminal;
        var view = new ProgressView(terminal, parse.GetValue(_quiet));
        context.Interruption.Finishing = () => view.Note("finishing with the best so far; Ctrl-C again aborts");
        string output = parse.GetValue(_output) ?? services.GetRequiredService<DiffusionClipOptions>().Output;
        var style = new RunStyle(parse.GetValue(_json), parse.GetValue(_quiet));
        OriginFiles origin = await OriginFiles
            .ReadAsync(parse.GetValue(_flags.InitImage), parse.GetValue(_flags.Mask), services, context.Interruption.Abort)
            .ConfigureAwait(false);
        flags = origin.Over(flags);
        var run = new GenerateRun(context, services, view, style, origin.Images);
        if (prompts is not null)
        {
            return await new PromptsRun(context, services, run, style).RunAsync(prompts, flags, output).ConfigureAwait(false);
        }

        ImageRequest request = flags;
        RecordedRequest? recorded = null;
        if (from is not null)
        {
            recorded = await RecordedRequest.ReadAsync(from, services, context.Interruption.Abort).ConfigureAwait(false);
            recorded.Notes.ToList().ForEach(terminal.Warn);
            ImageRequest basis = prompt is null ? recorded.Request : recorded.Request with
            {
                Prompt = recorded.Request.Prompt with { Text = prompt },
                Search = ScorerCatalog.WithTexts(recorded.Request.Search, scoreText: null, recorded.Request.Search.LongText),
            };
            request = origin.Over(_flags.Over(basis, parse));
            origin.Require(request, from);
        }

        string name =
            $"{services.GetRequiredService<TimeProvider>().GetUtcNow().UtcDateTime.ToString("yyyyMMdd-HHmmss", System.Globalization.CultureInfo.InvariantCulture)}-{RunFolder.Slug(request.Prompt.Text)}";
        GeneratedRun generated = await run.RunAsync(request, recorded?.Plan, output, name, request.Prompt.Text).ConfigureAwait(false);
        if (recorded?.Picture is { } picture && request == recorded.Request)
        {
            recorded.CompareWith(picture, generated, services.GetRequiredService<IImageCodec>(), terminal, style);
        }

        run.Show(generated);
        return context.Interruption.WasAsked ? ExitCodes.Interrupted : ExitCodes.Success;
    }
}

/// <summary>How a run's results are shown.</summary>
/// <param name="Json">As JSON, and nothing else on standard output.</param>
/// <param name="Quiet">Not at all.</param>
internal sealed record RunStyle(bool Json, bool Quiet);

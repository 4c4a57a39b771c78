using System.CommandLine;
using System.Globalization;
using DiffusionClip.Cli.Inputs;
using DiffusionClip.Cli.Output;
using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Png;
using DiffusionClip.Reporting.Metadata;

namespace DiffusionClip.Cli.Verbs;

/// <summary><c>dclip inspect</c>: what a picture says about how it was made.</summary>
internal static class InspectVerb
{
    /// <summary>Describes the verb.</summary>
    public static Command Create(Func<ParseResult, CliContext> context)
    {
        Argument<string> file = new("FILE") { Description = "A picture." };
        Option<bool> json = new("--json") { Description = "Print everything as JSON." };
        Command command = new(
            "inspect",
            "Shows what a picture says about how it was made: written by dclip, A1111, ComfyUI, InvokeAI, SwarmUI and others.")
        {
            file,
            json,
        };
        command.SetAction((parse, _) => RunAsync(context(parse), parse.GetValue(file)!, parse.GetValue(json)));
        HelpText.AddExamples(command, "dclip inspect picture.png", "dclip inspect picture.png --json");
        return command;
    }

    private static async Task<int> RunAsync(CliContext context, string path, bool json)
    {
        byte[] file;
        try
        {
            file = await PictureFiles.ReadAsync(path, ImageLimits.Default, context.Interruption.Abort).ConfigureAwait(false);
        }
        catch (DiffusionClipException exception)
        {
            throw new DiffusionClipException(ScoredFile.Bad(path, exception.Message), exception);
        }

        PictureInspection inspection = PictureMetadataReader.Read(file);
        if (!inspection.Readable)
        {
            throw new DiffusionClipException(
                ScoredFile.Bad(path, "it is no picture of a kind that is read here; give a PNG, JPEG, WebP, GIF or BMP file"));
        }

        Terminal terminal = context.Terminal;
        if (json)
        {
            terminal.Out.WriteLine(inspection.ToJson());
        }
        else
        {
            Print(terminal, path, inspection);
        }

        return ExitCodes.Success;
    }

    private static void Print(Terminal terminal, string path, PictureInspection inspection)
    {
        PictureMetadata metadata = inspection.Metadata;
        var facts = new List<(string Name, object? Value)>
        {
            ("file", path),
            ("picture", string.Create(CultureInfo.InvariantCulture, $"{inspection.FileType}, {inspection.Width}x{inspection.Height}")),
            (
                "written by",
                metadata.Format is null ? "unknown program"
                : metadata.Version is { } version && version != metadata.Format ? $"{metadata.Format} ({version})"
                : metadata.Format),
            ("prompt", metadata.Prompt),
            ("negative prompt", metadata.NegativePrompt is { Length: > 0 } negative ? negative : null),
            ("steps", metadata.Steps),
            ("sampler", metadata.Sampler),
            ("schedule", metadata.Scheduler),
            ("cfg scale", metadata.CfgScale),
            ("seed", metadata.Seed),
            (
                "size",
                metadata is { Width: { } width, Height: { } height }
                    ? string.Create(CultureInfo.InvariantCulture, $"{width}x{height}")
                    : null),
            ("model", metadata.Model),
            ("model hash", metadata.ModelHash),
            ("vae", metadata.Vae),
            ("clip skip", metadata.ClipSkip),
            ("noise", metadata.Rng),
            ("denoising strength", metadata.DenoisingStrength),
            (
                "loras",
                metadata.Loras is { } loras
                    ? string.Join(", ", loras.Select(lora => string.Create(CultureInfo.InvariantCulture, $"{lora.Name} ({lora.Weight})")))
                    : null),
        };
        if (inspection.Record is { } record)
        {
            facts.Add(("scored against", record.Scoring?.Text));
            facts.Add(("scorer", record.Scoring is { } scoring ? $"{scoring.Scorer} {scoring.Version}, {scoring.Model}" : null));
            facts.Add(
                (
                    "plan",
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{record.Plan.Provider}, {record.Plan.RowsPerRun} rows a run, {record.Plan.Threads} threads, {record.Plan.Runtime}"
                    )));
        }

        foreach ((string key, string value) in metadata.Extras ?? new Dictionary<string, string>())
        {
            facts.Add((key, value));
        }

        if (inspection.Score is { } score)
        {
            facts.Add(
                (
                    "score written later",
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{score.Score:0.0000} against '{score.Scoring.Text}' by {score.Scoring.Model}")));
        }

        facts.Add(("texts", inspection.Texts.Count > 0 ? string.Join(", ", inspection.Texts.Select(text => text.Keyword)) : null));
        int widest = facts.Where(fact => fact.Value is not null).Max(fact => fact.Name.Length);
        foreach ((string name, object? value) in facts)
        {
            if (value is not null)
            {
                // Prompts may span lines: the rest is indented under the first.
                string text = Convert.ToString(value, CultureInfo.InvariantCulture)!.ReplaceLineEndings("\n");
                terminal.Out.WriteLine(
                    $"{name.PadRight(widest)}  {string.Join("\n" + new string(' ', widest + 2), text.Split('\n').Select(Terminal.OneLine))}"
                );
            }
        }

        foreach (string note in inspection.Notes)
        {
            terminal.Warn(note);
        }

        foreach (PngTextProblem problem in inspection.Problems)
        {
            terminal.Warn(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{problem.Chunk ?? "file"} at byte {problem.Offset}: {problem.Kind}, left out"));
        }
    }
}

using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using DiffusionClip.Cli.Output;
using DiffusionClip.Models;
using DiffusionClip.Verification;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace DiffusionClip.Cli.Verbs;

/// <summary><c>dclip models</c>: which models there are, what they are, and whether their files are intact.</summary>
internal static class ModelsVerb
{
    private static readonly JsonSerializerOptions Json = new(DiffusionClipJson.Indented)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <summary>Describes the verb.</summary>
    public static Command Create(Func<ParseResult, CliContext> context)
    {
        Option<bool> json = new("--json") { Description = "Print JSON.", Recursive = true };
        Argument<string> named = new("NAME") { Description = "Name of a model, or path of a folder." };
        Argument<string?> perhaps = new("NAME")
        {
            Description = "Name of a model, or path of a folder. Default: all of them.",
            Arity = ArgumentArity.ZeroOrOne,
        };

        Command list = new("list", "Lists the models in the configured folders.");
        list.SetAction(parse => List(context(parse), parse.GetValue(json)));
        Command show = new("show", "Shows what a model's folder says of it.") { named };
        show.SetAction(parse => Show(context(parse), parse.GetValue(named)!, parse.GetValue(json)));
        Command verify = new(
            "verify",
            "Hashes every file of a model, compares with what its folder declares, and tries the model as dclip verify does. Exit code 1 if a file differs or is missing, or the model cannot be used."
        )
        {
            perhaps,
        };
        verify.SetAction((parse, _) => VerifyAsync(context(parse), parse.GetValue(perhaps), parse.GetValue(json)));

        Command command = new("models", "Lists, shows and verifies models.") { list, show, verify, json };
        command.SetAction(parse => List(context(parse), parse.GetValue(json)));
        HelpText.AddExamples(command, "dclip models", "dclip models show emoji-sd", "dclip models verify");
        return command;
    }

    private static int List(CliContext context, bool json)
    {
        using IHost host = context.BuildHost();
        ModelCatalog catalog = host.Services.GetRequiredService<ModelCatalog>();
        IReadOnlyList<ModelEntry> models = catalog.List();
        Terminal terminal = context.Terminal;
        if (json)
        {
            terminal.Out.WriteLine(JsonSerializer.Serialize(models, Json));
            return ExitCodes.Success;
        }

        if (models.Count == 0)
        {
            terminal.Warn($"no models in {string.Join(", ", catalog.Roots)}; put model folders there or set DiffusionClip:ModelFolders");
            return ExitCodes.Success;
        }

        var table = new ResultTable("model", "kind", ">size", "licence", "scorer", "folder");
        foreach (ModelEntry model in models)
        {
            table.Add(
                model.Id,
                model.Kind?.Name ?? "?",
                Size(model.Size),
                model.License ?? "",
                model.Scorer ?? "",
                model.Problem is null ? Paths.Shown(model.Path) : $"cannot be used: {model.Problem}");
        }

        table.Write(terminal);
        return ExitCodes.Success;
    }

    private static int Show(CliContext context, string name, bool json)
    {
        using IHost host = context.BuildHost();
        ModelFolder folder = host.Services.GetRequiredService<ModelCatalog>().Resolve(name);
        Terminal terminal = context.Terminal;
        var facts = new List<(string Name, object? Value)>
        {
            ("id", folder.Id),
            ("kind", folder.Kind.Name),
            ("path", folder.Path),
            ("license", folder.License),
        };
        facts.AddRange(folder is GeneratorFolder diffusion ? Facts(diffusion) : Facts((ClipFolder)folder));
        if (json)
        {
            var record = new OrderedDictionary<string, object?>();
            facts.ForEach(fact => record.Add(fact.Name, fact.Value));
            record.Add(
                "files",
                folder.Files.Select(file => new
                {
                    path = file,
                    bytes = LengthOf(folder, file),
                    declared_sha256 = folder.Manifest?.Files.GetValueOrDefault(file),
                }));
            terminal.Out.WriteLine(JsonSerializer.Serialize(record, Json));
            return ExitCodes.Success;
        }

        var table = new ResultTable(folder.Id, "");
        foreach ((string fact, object? value) in facts.Skip(1))
        {
            table.Add(fact.Replace('_', ' '), value is null ? "-" : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "");
        }

        table.Write(terminal);
        var files = new ResultTable("file", ">bytes", "declared SHA-256");
        foreach (string file in folder.Files)
        {
            files.Add(
                file,
                LengthOf(folder, file)?.ToString(CultureInfo.InvariantCulture) ?? "missing",
                folder.Manifest?.Files.GetValueOrDefault(file) ?? "-");
        }

        files.Write(terminal);
        return ExitCodes.Success;
    }

    private static IEnumerable<(string Name, object? Value)> Facts(GeneratorFolder folder)
    {
        yield return ("pipeline", folder.PipelineClass);
        yield return (
            "prediction_type",
            folder.Scheduler.TryGetProperty("prediction_type", out JsonElement prediction)
                ? prediction.GetString() ?? "epsilon"
                : "epsilon");
        yield return ("scheduler", folder.Scheduler.TryGetProperty("_class_name", out JsonElement name) ? name.GetString() : null);
        yield return ("num_inference_steps", folder.Defaults.NumInferenceSteps);
        yield return ("guidance_scale", folder.Defaults.GuidanceScale);
        yield return ("width", folder.Defaults.Width);
        yield return ("height", folder.Defaults.Height);
        yield return ("latent_channels", folder.Decoder.LatentChannels);
        yield return ("latent_scale", folder.Decoder.SpatialScale);
        yield return ("scaling_factor", folder.Decoder.ScalingFactor);
        yield return ("text_encoders", folder.TextEncoders.Count);
        yield return ("token_limit", folder.TextEncoders[0].TokenLimit);
        yield return ("preview_decoder", folder.TinyDecoder is not null);
        yield return ("encoder", folder.Encoder is not null);
        yield return ("scorer", folder.Scorer);
    }

    private static IEnumerable<(string Name, object? Value)> Facts(ClipFolder folder)
    {
        yield return ("token_limit", folder.TokenLimit);
        yield return ("embed_dim", folder.EmbedDim);
        yield return ("logit_scale", folder.LogitScale);
        yield return ("preprocessing", folder.Preprocessing.Description);
        yield return ("text_graph", folder.TextGraph);
        yield return ("image_graph", folder.ImageGraph);
    }

    private static async Task<int> VerifyAsync(CliContext context, string? name, bool json)
    {
        using IHost host = context.BuildHost();
        ModelCatalog catalog = host.Services.GetRequiredService<ModelCatalog>();
        Terminal terminal = context.Terminal;
        string[] names = name is not null ? [name] : [.. catalog.List().Select(entry => entry.Path)];
        if (names.Length == 0)
        {
            throw new ModelFolderException(
                string.Join(", ", catalog.Roots),
                "no models; put model folders there or set DiffusionClip:ModelFolders");
        }

        var verified = new List<(ModelFolder Folder, IReadOnlyList<FileVerification> Files)>();
        var problems = new List<string>();
        foreach (string model in names)
        {
            try
            {
                ModelFolder folder = catalog.Resolve(model);
                verified.Add((folder, ModelCatalog.Verify(folder, context.Interruption.Abort)));
            }
            catch (ModelFolderException exception)
            {
                problems.Add(exception.Message);
            }
        }

        // Files that are not what they should be explain whatever else is wrong.
        var conformance = new Dictionary<string, VerificationReport>(StringComparer.Ordinal);
        ModelVerifier verifier = host.Services.GetRequiredService<ModelVerifier>();
        foreach ((ModelFolder folder, IReadOnlyList<FileVerification> files) in verified)
        {
            if (files.All(file => file.State is FileState.Ok or FileState.Undeclared))
            {
                VerificationReport report = conformance[folder.Path] = await verifier.VerifyAsync(
                    folder.Path, duration: TimeSpan.Zero, cancellationToken: context.Interruption.Abort).ConfigureAwait(false);
                if (!report.IsUsable)
                {
                    problems.Add(VerifyVerb.Line(report));
                }
            }
        }

        if (json)
        {
            terminal.Out.WriteLine(
                JsonSerializer.Serialize(
                    verified.Select(model => new
                    {
                        id = model.Folder.Id,
                        path = model.Folder.Path,
                        files = model.Files,
                        conformance = conformance.GetValueOrDefault(model.Folder.Path),
                    }),
                    Json));
        }
        else
        {
            var table = new ResultTable("model", "file", "state", "SHA-256");
            foreach ((ModelFolder folder, IReadOnlyList<FileVerification> files) in verified)
            {
                foreach (FileVerification file in files)
                {
                    table.Add(folder.Id, file.File, StateOf(file.State), file.Actual ?? "");
                }
            }

            table.Write(terminal);
            foreach (VerificationReport report in conformance.Values.Where(report => report.IsUsable))
            {
                terminal.Out.WriteLine(Terminal.OneLine(VerifyVerb.Line(report)));
            }
        }

        foreach ((ModelFolder folder, IReadOnlyList<FileVerification> files) in verified)
        {
            foreach (FileVerification file in files.Where(file => file.State is FileState.Different or FileState.Missing))
            {
                problems.Add(
                    file.State == FileState.Missing
                        ? $"{folder.PathOf(file.File)}: missing; get the model's files again"
                        : $"{folder.PathOf(file.File)}: damaged or another version: its SHA-256 is {file.Actual}, expected {file.Expected}; get the file again"
                );
            }
        }

        problems.ForEach(terminal.Fail);
        return problems.Count > 0 ? ExitCodes.Failure : ExitCodes.Success;
    }

    private static long? LengthOf(ModelFolder folder, string file)
    {
        var info = new FileInfo(folder.PathOf(file));
        return info.Exists ? info.Length : null;
    }

    private static string StateOf(FileState state) => state switch
    {
        FileState.Ok => "ok",
        FileState.Different => "DIFFERENT",
        FileState.Missing => "MISSING",
        _ => "no hash declared",
    };

    private static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB");
}

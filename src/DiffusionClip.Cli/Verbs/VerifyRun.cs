using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text.Json;
using DiffusionClip.Models;
using DiffusionClip.Onnx;
using DiffusionClip.Runtime;
using DiffusionClip.Scoring;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Cli.Verbs;

/// <summary>Loads a model folder, whatever it holds, and tries it: every graph on made-up inputs, then the model as a whole at the smallest size.</summary>
/// <param name="services">The program.</param>
/// <param name="provider">Execution provider, in lower case.</param>
/// <param name="cancellationToken">Stops it.</param>
internal sealed class VerifyRun(IServiceProvider services, string provider, CancellationToken cancellationToken)
{
    private const int Steps = 2;
    private const string Prompt = "a red apple";

    // Larger deviations than half precision explains.
    private const double SuspiciousDeviation = 0.05;

    private static readonly (string Name, byte Red, byte Green, byte Blue)[] Colours = [("red", 220, 20, 20), ("green", 20, 180, 40), ("blue", 30, 60, 220)];

    /// <summary>How long each graph is timed.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Tries a model; what is wrong with it is in the report, not thrown.</summary>
    /// <param name="name">Name of a model, path of a folder, or <c>org/name</c> of the Hugging Face cache.</param>
    /// <exception cref="ExecutionProviderException">The provider is not there.</exception>
    public async Task<VerifyReport> VerifyAsync(string name)
    {
        VerifyMachine machine = Machine();
        ModelFolder folder;
        try
        {
            folder = services.GetRequiredService<ModelCatalog>().Resolve(name);
        }
        catch (ModelFolderException exception) when (FolderOf(name) is { } found)
        {
            return Unreadable(found, machine, exception);
        }

        try
        {
            var report = new VerifyReport
            {
                Model = folder.Id,
                Family = FamilyOf(folder),
                Verdict = "",
                License = folder.License,
                Machine = machine,
                Facts = folder is DiffusionFolder diffusion ? Facts(diffusion) : Facts((ClipFolder)folder),
                Missing = [.. folder.Files.Where(file => !File.Exists(folder.PathOf(file)))],
                Without = [.. Without(folder)],
                Graphs = folder.DescribeGraphs(),
            };
            report = report with { Trials = [.. report.Graphs.Select(graph => GraphTrial.Run(folder, graph.File, SizesOf(folder, graph.File), provider, Patience, cancellationToken))] };
            List<VerifyCheck> checks = [.. report.Trials.SelectMany(Judge)];
            if (checks.TrueForAll(check => check.State != CheckState.Failed))
            {
                checks.AddRange(folder is ClipFolder clip ? await TryAsync(clip).ConfigureAwait(false) : await TryAsync((DiffusionFolder)folder).ConfigureAwait(false));
            }

            VerifyCheck? failed = checks.Find(check => check.State == CheckState.Failed);
            return Posted(report with
            {
                Checks = checks,
                IsUsable = failed is null,
                Verdict = failed is null ? $"can be used for {UseOf(folder)}" : $"cannot be used: {failed.Name}: {failed.Detail}",
            }, folder.Path);
        }
        catch (ModelFolderException exception)
        {
            return Unreadable(folder.Path, machine, exception) with { Model = folder.Id, Family = FamilyOf(folder) };
        }
    }

    // Where there is no folder at all there is nothing to report on.
    private string? FolderOf(string name)
    {
        int variant = name.LastIndexOf('#');
        string bare = variant > 0 && !Directory.Exists(name) ? name[..variant] : name;
        ModelCatalog catalog = services.GetRequiredService<ModelCatalog>();
        return Directory.Exists(bare) ? Path.TrimEndingDirectorySeparator(Path.GetFullPath(bare))
            : HubCache.IsName(bare) ? Found(() => catalog.Hub.Find(bare))
            : catalog.Roots.Select(root => Path.Combine(root, bare)).FirstOrDefault(Directory.Exists);

        static string? Found(Func<string?> find)
        {
            try
            {
                return find();
            }
            catch (ModelFolderException)
            {
                return null;
            }
        }
    }

    private VerifyReport Unreadable(string folder, VerifyMachine machine, ModelFolderException exception)
    {
        string[] files = [.. Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 3 }).Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/'))];
        string[] graphs = [.. files.Where(file => file.EndsWith(".onnx", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Take(40)];
        bool isTorch = graphs.Length == 0 && files.Any(file => file.EndsWith(".safetensors", StringComparison.Ordinal) || file.EndsWith(".bin", StringComparison.Ordinal) || file.EndsWith(".ckpt", StringComparison.Ordinal));
        return Posted(
            new VerifyReport
            {
                Model = Path.GetFileName(folder),
                Verdict = $"cannot be used: {exception.Message}{(isTorch ? "; the folder holds PyTorch weights: export them to ONNX first, the README says how" : "")}",
                Machine = machine,
                Missing = Required(folder, files),
                Facts = graphs.Length > 0 ? new Dictionary<string, string> { ["graphs"] = string.Join(", ", graphs) } : [],
            },
            folder);
    }

    // What the layout that the folder comes nearest to cannot be without.
    private static string[] Required(string folder, string[] files)
    {
        bool Has(string name) => files.Contains(name, StringComparer.Ordinal);
        if (Has("model_index.json") || Directory.Exists(Path.Combine(folder, "unet")))
        {
            string denoiser = Directory.Exists(Path.Combine(folder, "transformer")) ? "transformer" : "unet";
            string[] parts =
            [
                "model_index.json", "scheduler/scheduler_config.json", "text_encoder/model.onnx", "text_encoder/config.json",
                $"{denoiser}/model.onnx", $"{denoiser}/config.json", "vae_decoder/model.onnx", "vae_decoder/config.json",
            ];
            return [.. parts.Where(part => !Has(part)), .. !Has("tokenizer/tokenizer.json") ? new[] { "tokenizer/vocab.json", "tokenizer/merges.txt" }.Where(part => !Has(part)) : []];
        }

        string[] graphs = [.. files.Where(file => file.EndsWith(".onnx", StringComparison.Ordinal))];
        bool isJoint = graphs.Any(file => Path.GetFileName(file).StartsWith("model", StringComparison.Ordinal));
        bool Some(params string[] names) => graphs.Any(file => names.Any(name => file.Contains(name, StringComparison.Ordinal)));
        return
        [
            .. isJoint || Some("text_model", "textual") ? Array.Empty<string>() : ["a text tower (onnx/text_model.onnx)"],
            .. isJoint || Some("vision_model", "visual") ? Array.Empty<string>() : ["an image tower (onnx/vision_model.onnx)"],
            .. Has("config.json") || Has("open_clip_config.json") || Some("textual") ? Array.Empty<string>() : ["config.json"],
            .. files.Any(file => Path.GetFileName(file) is "vocab.json" or "tokenizer.json" or "spiece.model") ? Array.Empty<string>() : ["a tokenizer (vocab.json and merges.txt, tokenizer.json, or spiece.model)"],
        ];
    }

    private VerifyMachine Machine() => new(
        ImagePipeline.Software,
        services.GetRequiredService<IModelStore>().Runtime,
        $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}",
        RuntimeInformation.FrameworkDescription,
        Environment.ProcessorCount,
        provider,
        ExecutionProviders.Available());

    private static string FamilyOf(ModelFolder folder) => folder is ClipFolder clip ? clip.Family == ClipFamily.Siglip ? "siglip" : "clip" : "stable-diffusion";

    private static string UseOf(ModelFolder folder) => folder switch
    {
        ClipFolder { Family: ClipFamily.Siglip } => "scoring and ranking (probabilities)",
        ClipFolder => "scoring and ranking (cosines)",
        DiffusionFolder diffusion => string.Create(
            CultureInfo.InvariantCulture,
            $"{(diffusion.Denoiser.InChannels > diffusion.Denoiser.OutChannels ? "inpainting" : "painting")} at {diffusion.Defaults.Width}x{diffusion.Defaults.Height}{(diffusion.Encoder is null ? " (text to image only)" : "")}"),
        _ => "",
    };

    private static Dictionary<string, string> Facts(DiffusionFolder folder)
    {
        var facts = new Dictionary<string, string>
        {
            ["pipeline"] = folder.PipelineClass,
            ["prediction"] = folder.PredictionType.ToString(),
            ["scheduler"] = folder.Scheduler.TryGetProperty("_class_name", out JsonElement name) ? name.ToString() : "?",
            ["text encoders"] = string.Join(", ", folder.TextEncoders.Select(encoder => string.Create(CultureInfo.InvariantCulture, $"{encoder.HiddenSize} wide, {encoder.TokenLimit} tokens"))),
            ["latents"] = string.Create(CultureInfo.InvariantCulture, $"{folder.Decoder.LatentChannels} channels, 1:{folder.Decoder.SpatialScale}, factor {folder.Decoder.ScalingFactor}"),
            ["size"] = string.Create(CultureInfo.InvariantCulture, $"{folder.Defaults.Width}x{folder.Defaults.Height}"),
        };
        if (folder.Denoiser.InChannels != folder.Denoiser.OutChannels)
        {
            facts["input channels"] = folder.Denoiser.InChannels.ToString(CultureInfo.InvariantCulture);
        }

        if (folder.Denoiser.TimeCondProjDim is { } guidance)
        {
            facts["guidance embedding"] = guidance.ToString(CultureInfo.InvariantCulture);
        }

        if (folder.Denoiser.AdditionEmbedType is { } addition)
        {
            facts["further conditioning"] = addition;
        }

        if (folder.Scorer is { } scorer)
        {
            facts["scorer"] = scorer;
        }

        return facts;
    }

    private static Dictionary<string, string> Facts(ClipFolder folder)
    {
        var facts = new Dictionary<string, string>
        {
            ["layout"] = folder.IsJoint ? $"one graph ({folder.TextGraph})" : $"{folder.TextGraph} and {folder.ImageGraph}",
            ["tokens"] = folder.TokenLimit.ToString(CultureInfo.InvariantCulture),
            ["pictures"] = $"{folder.Preprocessing.Description} ({folder.Preprocessing.Source})",
        };
        if (folder.EmbedDim is { } width)
        {
            facts["embeddings"] = width.ToString(CultureInfo.InvariantCulture);
        }

        if (folder.Logits is { } logits)
        {
            facts["logits"] = string.Create(CultureInfo.InvariantCulture, $"{logits.Scale:G6} · cosine{(logits.Bias == 0 ? "" : $" {(logits.Bias < 0 ? '-' : '+')} {Math.Abs(logits.Bias):G6}")}");
        }

        if (folder.Variants is { Count: > 1 } variants)
        {
            facts["variants"] = string.Join(", ", variants.Select(variant => variant.Length == 0 ? "plain" : $"#{variant}"));
        }

        return facts;
    }

    private static IEnumerable<string> Without(ModelFolder folder)
    {
        if (folder is DiffusionFolder diffusion)
        {
            if (diffusion.Encoder is null)
            {
                yield return "vae_encoder: nothing starts from a picture";
            }

            if (diffusion.TinyDecoder is null)
            {
                yield return "vae_decoder_tiny: glimpses of pictures in the making use the full decoder";
            }
        }
        else if (((ClipFolder)folder).Preprocessing.Source == "defaults")
        {
            yield return "preprocessor_config.json: pictures are prepared as OpenAI's CLIP wants them, which may be wrong";
        }
    }

    private static GraphSizes SizesOf(ModelFolder folder, string graph)
    {
        if (folder is ClipFolder clip)
        {
            return new(3, clip.Preprocessing.Height, clip.Preprocessing.Width, clip.TokenLimit, clip.EmbedDim ?? 1, clip.VocabSize ?? 1000);
        }

        var diffusion = (DiffusionFolder)folder;
        int latents = 1 << diffusion.Denoiser.Downsamplings, pixels = latents * diffusion.Decoder.SpatialScale;
        TextEncoderFolder encoder = diffusion.TextEncoders.FirstOrDefault(part => part.Graph == graph) ?? diffusion.TextEncoders[0];
        bool isUnet = graph == diffusion.Denoiser.Graph, isEncoder = graph == diffusion.Encoder?.Graph;
        return new(
            isUnet ? diffusion.Denoiser.InChannels : isEncoder ? 3 : diffusion.Decoder.LatentChannels,
            isEncoder ? pixels : latents,
            isEncoder ? pixels : latents,
            encoder.TokenLimit,
            diffusion.Denoiser.CrossAttentionDim ?? diffusion.TextEncoders.Sum(part => part.HiddenSize),
            encoder.VocabSize ?? 1000);
    }

    private static IEnumerable<VerifyCheck> Judge(GraphTrial trial)
    {
        if (trial.Failure is { } failure)
        {
            yield return new(trial.File, CheckState.Failed, failure);
            yield break;
        }

        if (!trial.IsFinite)
        {
            yield return new(trial.File, CheckState.Failed, "its outputs are not finite; a half-precision export may overflow, try the full one");
        }

        if (!trial.IsDeterministic)
        {
            yield return new(trial.File, CheckState.Note, "the same inputs gave other bits the second time; pictures will not repeat exactly");
        }

        if (trial.LargestDeviation is > SuspiciousDeviation and var deviation)
        {
            yield return new(trial.File, CheckState.Note, string.Create(CultureInfo.InvariantCulture, $"the device deviates from the CPU by {deviation:0.0e0} of the largest number"));
        }
    }

    private async Task<List<VerifyCheck>> TryAsync(ClipFolder folder)
    {
        var checks = new List<VerifyCheck>();
        try
        {
            ScorerSource source = services.GetRequiredService<ScorerSource>();
            using ClipScorer scorer = await source.LeaseClipAsync(NameOf(folder), provider, LongTextPolicy.Truncate, cancellationToken).ConfigureAwait(false);
            RgbImage[] pictures = [.. Colours.Select(colour => Plain(colour.Red, colour.Green, colour.Blue))];
            float[] first = scorer.Embedder.EmbedImages(pictures, cancellationToken), again = scorer.Embedder.EmbedImages(pictures, cancellationToken);
            int width = first.Length / pictures.Length;
            TextEmbedding[] texts = [.. Colours.Select(colour => scorer.Embedder.EmbedText($"a picture that is {colour.Name} all over", cancellationToken))];
            bool isFinite = first.All(float.IsFinite) && texts.All(text => text.Embeds.ToArray().All(float.IsFinite));
            checks.Add(new(
                "embeddings",
                isFinite && texts[0].Embeds.Length == width ? CheckState.Ok : CheckState.Failed,
                !isFinite ? "not finite" : texts[0].Embeds.Length == width
                    ? string.Create(CultureInfo.InvariantCulture, $"{width} wide, finite")
                    : string.Create(CultureInfo.InvariantCulture, $"pictures are {width} wide, texts {texts[0].Embeds.Length}; expected two towers of one model")));
            if (checks[^1].State == CheckState.Failed)
            {
                return checks;
            }

            checks.Add(new("repetition", first.AsSpan().SequenceEqual(again) ? CheckState.Ok : CheckState.Note, first.AsSpan().SequenceEqual(again) ? "the same bits twice" : "the same picture gave other bits the second time"));
            float alone = TensorPrimitives.Dot<float>(scorer.Embedder.EmbedImages([pictures[0]], cancellationToken), first.AsSpan(0, width));
            checks.Add(new("batches", alone > 0.999f ? CheckState.Ok : CheckState.Failed, string.Create(CultureInfo.InvariantCulture, $"a picture alone and in a batch: cosine {alone:0.000000}")));

            int right = 0;
            float least = 1, most = -1;
            for (int i = 0; i < pictures.Length; i++)
            {
                float[] cosines = [.. texts.Select(text => TensorPrimitives.Dot(first.AsSpan(i * width, width), text.Embeds.Span))];
                (least, most) = (Math.Min(least, cosines.Min()), Math.Max(most, cosines.Max()));
                right += Array.IndexOf(cosines, cosines.Max()) == i ? 1 : 0;
            }

            // Of a model with random weights nothing can be expected, so this is no failure.
            checks.Add(new(
                "plain colours named",
                right == pictures.Length ? CheckState.Ok : CheckState.Note,
                string.Create(CultureInfo.InvariantCulture, $"{right} of {pictures.Length}, cosines {least:0.000} to {most:0.000}{(right == pictures.Length ? "" : "; trained models mostly name all, random weights do not")}")));
            if (folder.Family == ClipFamily.Siglip)
            {
                checks.Add(new("logits", CheckState.Ok, string.Create(CultureInfo.InvariantCulture, $"scale {scorer.Logits.Scale:G6}, bias {scorer.Logits.Bias:G6}")));
            }
        }
        catch (Exception exception) when (exception is DiffusionClipException and not ExecutionProviderException)
        {
            checks.Add(new("scoring", CheckState.Failed, exception.Message));
        }

        return checks;
    }

    private async Task<List<VerifyCheck>> TryAsync(DiffusionFolder folder)
    {
        try
        {
            int side = folder.Decoder.SpatialScale << folder.Denoiser.Downsamplings;
            try
            {
                return await PaintAsync(folder, side, side).ConfigureAwait(false);
            }
            catch (InvalidRequestException exception) when (exception.Field == "width, height")
            {
                // A graph of fixed size.
                return await PaintAsync(folder, folder.Defaults.Width, folder.Defaults.Height).ConfigureAwait(false);
            }
        }
        catch (Exception exception) when (exception is DiffusionClipException and not ExecutionProviderException)
        {
            return [new("painting", CheckState.Failed, exception.Message)];
        }
    }

    private async Task<List<VerifyCheck>> PaintAsync(DiffusionFolder folder, int width, int height)
    {
        // A denoiser with channels for a mask is given one: all of a grey picture is painted.
        const string picture = "picture", mask = "mask";
        bool wantsMask = folder.Denoiser.InChannels > folder.Denoiser.OutChannels;
        var pictures = new Dictionary<string, RgbImage> { [Name(picture)] = Plain(128, 128, 128), [Name(mask)] = Plain(255, 255, 255) };
        static string Name(string what) => OriginRequest.NameOf(System.Text.Encoding.UTF8.GetBytes(what));
        var request = new ImageRequest
        {
            Prompt = new() { Text = Prompt },
            Model = new() { Id = NameOf(folder), Provider = provider },
            Sampling = new() { Seed = 1, NumInferenceSteps = Steps, Width = width, Height = height },
            Search = new() { Candidates = 1, Scorer = ScorerSource.None },
            Origin = wantsMask ? new() { Image = Name(picture), Mask = Name(mask), Strength = 1 } : null,
        };
        ImagePipeline pipeline = services.GetRequiredService<ImagePipeline>();
        var watch = new LatentsWatch();
        var control = new RunControl(cancellationToken, Observer: watch) { Images = pictures };
        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        RankedImages first = await pipeline.GenerateAsync(request, control).ConfigureAwait(false);
        double seconds = System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalSeconds;
        RankedImages again = await pipeline.GenerateAsync(request, control).ConfigureAwait(false);
        string what = string.Create(CultureInfo.InvariantCulture, $"{width}x{height}, {Steps} steps, {seconds:0.0} s");
        if (first.Images is not [var painted] || again.Images is not [var repeated])
        {
            return [new("painting", CheckState.Failed, $"{what}: no picture came of it")];
        }

        bool same = painted.Image.Pixels.Span.SequenceEqual(repeated.Image.Pixels.Span);
        return
        [
            new("painting", watch.AreFinite ? CheckState.Ok : CheckState.Failed, watch.AreFinite ? what : $"{what}: the latents are not finite"),
            new("repetition", same ? CheckState.Ok : CheckState.Note, same ? "the same picture twice" : "the same seed gave another picture the second time"),
        ];
    }

    // The folder itself, not its id, which may stand for another folder here.
    private static string NameOf(ModelFolder folder) => folder is ClipFolder { Variant: { } variant } ? $"{folder.Path}#{variant}" : folder.Path;

    private static RgbImage Plain(byte red, byte green, byte blue)
    {
        const int side = 64;
        byte[] pixels = new byte[3 * side * side];
        for (int i = 0; i < pixels.Length; i += 3)
        {
            (pixels[i], pixels[i + 1], pixels[i + 2]) = (red, green, blue);
        }

        return new RgbImage(side, side, pixels);
    }

    // What others may read: nothing of where it lies on this machine.
    private VerifyReport Posted(VerifyReport report, string folder)
    {
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string Clean(string text)
        {
            foreach ((string path, string name) in new[] { (folder, "MODEL"), (services.GetRequiredService<ModelCatalog>().Hub.Root, "HF_HUB_CACHE"), (Environment.CurrentDirectory, "."), (home, "~") })
            {
                text = path.Length > 1 ? text.Replace(path, name, StringComparison.Ordinal) : text;
            }

            return text;
        }

        return report with
        {
            Verdict = Clean(report.Verdict),
            Missing = [.. report.Missing.Select(Clean)],
            Trials = [.. report.Trials.Select(trial => trial with { Failure = trial.Failure is { } failure ? Clean(failure) : null })],
            Checks = [.. report.Checks.Select(check => check with { Detail = Clean(check.Detail) })],
        };
    }

    private sealed class LatentsWatch : IRunObserver
    {
        public bool AreFinite { get; private set; } = true;

        public void OnStep(in StepUpdate update) => AreFinite &= float.IsFinite(TensorPrimitives.SumOfMagnitudes(update.Sample));
    }
}

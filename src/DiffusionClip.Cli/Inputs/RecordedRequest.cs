using System.Globalization;
using DiffusionClip.Cli.Output;
using DiffusionClip.Cli.Verbs;
using DiffusionClip.Denoising;
using DiffusionClip.Imaging;
using DiffusionClip.Models;
using DiffusionClip.Reporting.Metadata;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Cli.Inputs;

/// <summary>What a picture says about how it was made, as a request that makes it again.</summary>
/// <param name="Request">The request: one candidate with the picture's own seed.</param>
/// <param name="Plan">The plan to follow; null if another program made the picture.</param>
/// <param name="Notes">What differs here, or could not be taken over.</param>
/// <param name="Picture">The picture, to compare with; null if another program made it.</param>
internal sealed record RecordedRequest(ImageRequest Request, ExecutionPlan? Plan, IReadOnlyList<string> Notes, RgbImage? Picture)
{
    /// <summary>Reads a picture file.</summary>
    /// <exception cref="InvalidRequestException">It cannot be read, or says nothing about how it was made.</exception>
    public static async Task<RecordedRequest> ReadAsync(string path, IServiceProvider services, CancellationToken cancellationToken)
    {
        ImageLimits limits = CliContext.Limits(services);
        byte[] file;
        try
        {
            file = await PictureFiles.ReadAsync(path, limits, cancellationToken).ConfigureAwait(false);
        }
        catch (DiffusionClipException exception)
        {
            throw new InvalidRequestException("--from", path, exception.Message);
        }

        PictureInspection inspection = PictureMetadataReader.Read(file);
        ModelCatalog catalog = services.GetRequiredService<ModelCatalog>();
        if (inspection.Record is { } record)
        {
            RgbImage? picture = null;
            try
            {
                picture = services.GetRequiredService<IImageCodec>().Decode(file, limits, cancellationToken);
            }
            catch (ImageFormatException)
            {
                // What it says is whole, only its pixels cannot be compared.
            }

            return OfRecord(record, catalog, picture, cancellationToken);
        }

        return inspection.Metadata is { Format: not null } metadata
            ? OfForeign(metadata, catalog, inspection.Notes)
            : throw new InvalidRequestException(
                "--from",
                path,
                $"it does not say how it was made{(inspection.Notes.Count > 0 ? $" ({inspection.Notes[0]})" : "")}; name a picture that dclip wrote"
            );
    }

    /// <summary>Says whether the picture came out the same as it was written: a JPEG is compared with the new JPEG.</summary>
    public void CompareWith(RgbImage picture, GeneratedRun generated, IImageCodec codec, Terminal terminal, RunStyle style)
    {
        if (Request.Search.Candidates != 1 || generated.Report.Candidates[0].File is not { } file)
        {
            return;
        }

        byte[] written = File.ReadAllBytes(Path.Combine(generated.Folder, file));
        RgbImage repeated = codec.Decode(written, new ImageLimits(long.MaxValue, long.MaxValue));

        if (repeated.Width == picture.Width && repeated.Height == picture.Height && repeated.Pixels.Span.SequenceEqual(picture.Pixels.Span))
        {
            if (!style.Quiet)
            {
                terminal.Say("the picture is repeated bit for bit");
            }

            return;
        }

        int largest = 0;
        if (repeated.Pixels.Length == picture.Pixels.Length)
        {
            ReadOnlySpan<byte> a = repeated.Pixels.Span, b = picture.Pixels.Span;
            for (int i = 0; i < a.Length; i++)
            {
                largest = Math.Max(largest, Math.Abs(a[i] - b[i]));
            }
        }

        terminal.Warn(largest > 0
            ? string.Create(CultureInfo.InvariantCulture, $"the picture differs from the recorded one by up to {largest} grey levels")
            : "the picture's size differs from the recorded one");
    }

    private static RecordedRequest OfRecord(
        PictureRecord record,
        ModelCatalog catalog,
        RgbImage? picture,
        CancellationToken cancellationToken)
    {
        var notes = new List<string>();
        ImageRequest request = record.Request;
        CandidateReport candidate = record.Candidate;
        if (candidate.Lineage.Count > 0)
        {
            notes.Add("the picture is a fork of a search, so the whole search is repeated");
            picture = null;
        }
        else
        {
            request = request with
            {
                Sampling = request.Sampling with { Seed = candidate.Seed },
                Search = request.Search with { Candidates = 1, Keep = 1 },
            };
        }

        foreach (ModelReport model in record.Models)
        {
            if (Difference(model, catalog, cancellationToken) is { } difference)
            {
                notes.Add(difference);
            }
        }

        return new RecordedRequest(request, record.Plan, notes, picture);
    }

    private static string? Difference(ModelReport model, ModelCatalog catalog, CancellationToken cancellationToken)
    {
        try
        {
            ModelFolder folder = model.Role == "generator" ? catalog.ResolveGenerator(model.Id) : catalog.ResolveScorer(model.Id);
            ModelHashes here = ModelHashes.Compute(folder, cancellationToken);
            if (here.Identity == model.Sha256)
            {
                return null;
            }

            string[] files =
            [
                .. model
                    .Files.Keys.Union(here.Files.Keys)
                    .Where(file => model.Files.GetValueOrDefault(file) != here.Files.GetValueOrDefault(file))
                    .Order(StringComparer.Ordinal),
            ];
            return $"{model.Role} {model.Id} is not the recorded one: {string.Join(", ", files)} differ{(files.Length == 1 ? "s" : "")}, so the {(model.Role == "generator" ? "picture" : "score")} may differ";
        }
        catch (ModelFolderException exception)
        {
            return $"{model.Role} {model.Id} is not here: {exception.Message}";
        }
    }

    /// <summary>Another program's words in ours, as far as they go.</summary>
    private static RecordedRequest OfForeign(PictureMetadata metadata, ModelCatalog catalog, IReadOnlyList<string> read)
    {
        var notes = new List<string>(read);
        var lost = new List<string>();
        string? model = null;
        if (metadata.Model is { } named)
        {
            model = catalog
                .List()
                .FirstOrDefault(entry =>
                    entry.Kind == ModelKind.Diffusion && string.Equals(entry.Id, named, StringComparison.OrdinalIgnoreCase))
                ?.Id;
            if (model is null)
            {
                lost.Add($"model {named}");
            }
        }

        string? sampler = SamplerOf(metadata, lost);
        ulong? seed = null;
        if (ulong.TryParse(metadata.Seed, NumberStyles.None, CultureInfo.InvariantCulture, out ulong digits))
        {
            seed = digits;
        }
        else if (metadata.Seed is not null)
        {
            lost.Add($"seed {metadata.Seed}");
        }

        // A1111 counts from 1 for none; how the others count is not known.
        int? clipSkip = metadata is { Format: "a1111", ClipSkip: > 1 } ? metadata.ClipSkip - 1 : null;
        foreach ((string what, object? value) in new (string, object?)[]
        {
            ("clip skip", metadata.ClipSkip is > 1 && clipSkip is null ? metadata.ClipSkip : null),
            ("denoising strength", metadata.DenoisingStrength),
            ("VAE", metadata.Vae),
            ("LoRA", metadata.Loras is { Count: > 0 } loras ? string.Join(", ", loras.Select(lora => lora.Name)) : null),
        })
        {
            if (value is not null)
            {
                lost.Add(string.Create(CultureInfo.InvariantCulture, $"{what} {value}"));
            }
        }

        lost.AddRange(metadata.Extras?.Keys.Where(key => key is not ("Score" or "Score model")) ?? []);
        notes.Add(
            $"made by {metadata.Format}: the picture will resemble it at best{(lost.Count > 0 ? $"; not taken over: {string.Join(", ", lost)}" : "")}"
        );
        return new RecordedRequest(
            new ImageRequest
            {
                Prompt = new() { Text = metadata.Prompt ?? "", Negative = metadata.NegativePrompt ?? "" },
                Model = new() { Id = model },
                Sampling = new()
                {
                    Scheduler = sampler,
                    NumInferenceSteps = metadata.Steps,
                    GuidanceScale = (float?)metadata.CfgScale,
                    Seed = seed,
                    ClipSkip = clipSkip,
                    Noise = NoiseOf(metadata),
                    Width = metadata.Width,
                    Height = metadata.Height,
                },
                Search = new() { Candidates = 1, Keep = 1 },
            },
            Plan: null,
            notes,
            Picture: null);
    }

    private static string? SamplerOf(PictureMetadata metadata, List<string> lost)
    {
        if (metadata.Sampler is not { } sampler)
        {
            return null;
        }

        foreach (
            string name in metadata.Scheduler is { } schedule
                ? [$"{sampler} {schedule}", $"{sampler}_{schedule}", sampler]
                : new[] { sampler })
        {
            try
            {
                SchedulerCatalog.Configure(default, name, null);
                if (name == sampler && metadata.Scheduler is { } other && !IsAutomatic(other))
                {
                    lost.Add($"schedule {other}");
                }

                return name;
            }
            catch (InvalidRequestException)
            {
                // The next, less exact name.
            }
        }

        lost.Add($"sampler {sampler}");
        return null;
    }

    private static bool IsAutomatic(string schedule) =>
        schedule.Equals("automatic", StringComparison.OrdinalIgnoreCase)
        || schedule.Equals("normal", StringComparison.OrdinalIgnoreCase)
        || schedule.Equals("uniform", StringComparison.OrdinalIgnoreCase);

    // A1111 draws on the device unless it says otherwise; ComfyUI, InvokeAI and SwarmUI on the CPU.
    private static NoiseKind NoiseOf(PictureMetadata metadata) => metadata.Rng?.ToUpperInvariant() switch
    {
        "CPU" => NoiseKind.Cpu,
        "GPU" or "NV" or "CUDA" => NoiseKind.Philox,
        _ => metadata.Format == "a1111" ? NoiseKind.Philox : NoiseKind.Cpu,
    };
}

using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using DiffusionClip.Models;
using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary>
/// What the webui keeps once is kept here for each caller: the settings, and what runs now. One caller's progress, interrupt
/// and settings do not affect another's. Settings live as long as the process.
/// </summary>
internal sealed class A1111Callers(IJobQueue queue, GeneratorModels models, TimeProvider time)
{
    private readonly ConcurrentDictionary<string, A1111Caller> _callers = new(StringComparer.Ordinal);

    /// <summary>A caller's state.</summary>
    public A1111Caller Of(string caller) => _callers.GetOrAdd(caller, name => new A1111Caller(name, queue, time));

    /// <summary>Ends what of a caller's runs, or, where nothing runs yet, what waits.</summary>
    /// <param name="caller">The caller.</param>
    /// <param name="skip">Whether it was asked for as a skip.</param>
    public Task EndAsync(string caller, bool skip) => Of(caller).EndAsync(skip);

    /// <summary>The whole settings object.</summary>
    public async Task<JsonObject> OptionsAsync(string caller)
    {
        A1111Options options = Of(caller).Options;
        string id = options.Model ?? models.Default;
        ModelEntry? model = models.Find(id);
        string? hash = model is null ? null : await models.HashAsync(model).ConfigureAwait(false);
        return options.Write(GeneratorModels.Title(id, hash), hash);
    }

    /// <summary>Changes settings: all of the object, or part of it.</summary>
    /// <exception cref="A1111Exception">A setting cannot have the value; none is changed then.</exception>
    public async Task SetOptionsAsync(string caller, BodyFields fields)
    {
        A1111Caller state = Of(caller);
        A1111Options changed = state.Options.With(fields, models);
        fields.Check();
        state.Options = changed;
        await Task.CompletedTask.ConfigureAwait(false);
    }
}

/// <summary>What one caller has set and what of its runs.</summary>
internal sealed class A1111Caller(string name, IJobQueue queue, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly List<WatchedJob> _jobs = [];

    /// <summary>The settings.</summary>
    public A1111Options Options { get; set; } = new();

    /// <summary>Notes a job, to be taken off when the caller no longer waits for it.</summary>
    public WatchedJob Watch(Job job, int steps)
    {
        var watched = new WatchedJob(job, steps, queue, time);
        lock (_lock)
        {
            _jobs.Add(watched);
        }

        return watched;
    }

    /// <summary>Takes a job off.</summary>
    public void Leave(WatchedJob job)
    {
        lock (_lock)
        {
            _jobs.Remove(job);
        }

        job.Dispose();
    }

    /// <summary>Ends what runs with what there is; else what waits.</summary>
    public async Task EndAsync(bool skip)
    {
        WatchedJob[] jobs = Jobs();
        WatchedJob[] running = [.. jobs.Where(job => job.IsRunning)];
        foreach (WatchedJob job in running.Length > 0 ? running : jobs)
        {
            job.Skipped |= skip;
            job.Interrupted |= !skip;
            await queue.CancelAsync(name, job.Id, CancelKind.Finish).ConfigureAwait(false);
        }
    }

    /// <summary>What of the caller's runs or waits; when idle exactly what the webui answers when idle, which programs wait for.</summary>
    public JsonObject Progress(bool skipImage)
    {
        WatchedJob[] jobs = Jobs();
        WatchedJob? current = jobs.FirstOrDefault(job => job.IsRunning) ?? jobs.FirstOrDefault();
        if (current is null)
        {
            return Reply(0.0m, 0.0m, State(false, false, "", 0, "0", 0, 0, 0), null);
        }

        // As in the webui, progress is above 0 while a job runs: 0 means idle.
        double progress = Math.Clamp(current.Progress, 0.01, 1);
        double elapsed = current.IsRunning ? (time.GetUtcNow() - current.Began).TotalSeconds : 0;
        return Reply(
            progress,
            progress > 0.01 ? elapsed / progress * (1 - progress) : 0,
            State(
                current.Skipped,
                current.Interrupted,
                current.IsRunning ? "" : "waiting",
                jobs.Length,
                current.Stamp,
                0,
                current.Step,
                current.Steps),
            skipImage ? null : current.Preview);
    }

    private WatchedJob[] Jobs()
    {
        lock (_lock)
        {
            return [.. _jobs];
        }
    }

    private static JsonObject Reply(JsonNode progress, JsonNode eta, JsonObject state, string? image) => new()
    {
        ["progress"] = progress,
        ["eta_relative"] = eta,
        ["state"] = state,
        ["current_image"] = image,
        ["textinfo"] = null,
    };

    private static JsonObject State(
        bool skipped,
        bool interrupted,
        string job,
        int count,
        string stamp,
        int number,
        int step,
        int steps
    ) =>
        new()
        {
            ["skipped"] = skipped,
            ["interrupted"] = interrupted,
            ["stopping_generation"] = interrupted,
            ["job"] = job,
            ["job_count"] = count,
            ["job_timestamp"] = stamp,
            ["job_no"] = number,
            ["sampling_step"] = step,
            ["sampling_steps"] = steps,
        };
}

/// <summary>A job that a caller waits for, followed by its events.</summary>
internal sealed class WatchedJob : IDisposable
{
    private readonly CancellationTokenSource _end = new();
    private volatile string? _preview;
    private volatile int _step;
    private volatile int _steps;
    private volatile bool _running;
    private double _progress;

    public WatchedJob(Job job, int steps, IJobQueue queue, TimeProvider time)
    {
        Id = job.Id;
        _steps = steps;
        Began = time.GetUtcNow();
        Stamp = job.AcceptedAt.ToString("yyyyMMddHHmmss", System.Globalization.CultureInfo.InvariantCulture);
        Following = FollowAsync(job, queue, time);
    }

    public string Id { get; }

    public string Stamp { get; }

    public DateTimeOffset Began { get; private set; }

    public bool Skipped { get; set; }

    public bool Interrupted { get; set; }

    public bool IsRunning => _running;

    public int Step => _step;

    public int Steps => _steps;

    public double Progress => Volatile.Read(ref _progress);

    /// <summary>The last preview, base64 PNG; null before the first.</summary>
    public string? Preview => _preview;

    /// <summary>Ends with the job, or when the caller has stopped following it.</summary>
    public Task Following { get; }

    public void Dispose() => _end.Cancel();

    private async Task FollowAsync(Job job, IJobQueue queue, TimeProvider time)
    {
        try
        {
            await foreach (JobEvent happened in queue.WatchAsync(job.Caller, job.Id, 0, _end.Token).ConfigureAwait(false))
            {
                JobEventData data = happened.Data;
                if (data.Progress is { } progress)
                {
                    Volatile.Write(ref _progress, progress);
                }

                switch (happened.Kind)
                {
                    case JobEventKind.State when data.State == JobState.Running:
                        Began = time.GetUtcNow();
                        _running = true;
                        break;
                    case JobEventKind.Step:
                        _step = data.Evaluation ?? _step;
                        _steps = data.Evaluations ?? _steps;
                        break;
                    case JobEventKind.Preview when data.Image is { } image:
                        _preview = image[(image.IndexOf(',', StringComparison.Ordinal) + 1)..];
                        break;
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or KeyNotFoundException)
        {
            // The caller has stopped following it.
        }
    }
}

/// <summary>The webui's settings that mean something here.</summary>
internal sealed record A1111Options
{
    private const int MostClipSkip = 12;
    private const int MostQuality = 100;

    // The webui's own.
    private const int DefaultJpegQuality = 80;

    /// <summary>Id of the generator; null: the default.</summary>
    public string? Model { get; init; }

    /// <summary>A1111's clip skip: 1 is the last layer.</summary>
    public int ClipSkip { get; init; } = 1;

    /// <summary>The random number generator; null: the configured one.</summary>
    public NoiseKind? Noise { get; init; }

    /// <summary>Whether pictures carry their parameters.</summary>
    public bool Metadata { get; init; } = true;

    /// <summary>File format of the pictures.</summary>
    public OutputFormat Format { get; init; }

    /// <summary>Quality of JPEG, and of WebP unless that is lossless.</summary>
    public int JpegQuality { get; init; } = DefaultJpegQuality;

    /// <summary>Whether WebP is lossless.</summary>
    public bool WebpLossless { get; init; }

    /// <summary>How pictures are written.</summary>
    public OutputRequest Output => new()
    {
        Metadata = Metadata,
        Format = Format,
        Quality = Format == OutputFormat.Png ? null : Format == OutputFormat.Webp && WebpLossless ? MostQuality : JpegQuality,
    };

    /// <summary>Colour behind what is transparent, <c>#rrggbb</c>.</summary>
    public string Background { get; init; } = "#ffffff";

    /// <summary>The object as programs read it. What a worker does not have is off or zero.</summary>
    public JsonObject Write(string title, string? hash) => new()
    {
        ["samples_save"] = false,
        ["samples_format"] = Format switch { OutputFormat.Jpeg => "jpg", OutputFormat.Webp => "webp", _ => "png" },
        ["jpeg_quality"] = JpegQuality,
        ["webp_lossless"] = WebpLossless,
        ["grid_save"] = false,
        ["return_grid"] = false,
        ["enable_pnginfo"] = Metadata,
        ["sd_model_checkpoint"] = title,
        ["sd_checkpoint_hash"] = hash ?? "",
        ["sd_vae"] = "Automatic",
        ["CLIP_stop_at_last_layers"] = ClipSkip,
        ["randn_source"] = NoiseName(Noise),
        ["eta_noise_seed_delta"] = 0,
        ["img2img_background_color"] = Background,
        ["live_previews_enable"] = true,
    };

    /// <summary>
    /// The settings with those of an object laid over them. Settings of the webui that mean nothing here are left out, as it leaves out
    /// those it does not know.
    /// </summary>
    public A1111Options With(BodyFields fields, GeneratorModels models)
    {
        A1111Options options = this;
        if (fields.Text("sd_model_checkpoint") is { Length: > 0 } name)
        {
            if (models.Find(name) is { } model)
            {
                options = options with { Model = model.Id };
            }
            else
            {
                fields.Add(
                    "sd_model_checkpoint",
                    $"model {InvalidRequestException.Quote(name)} not found; there are {string.Join(", ", models.List().Select(entry => entry.Id))}",
                    "value_error");
            }
        }

        if (fields.Text("sd_vae") is { } vae && !IsOwnVae(vae))
        {
            fields.Add(
                "sd_vae",
                $"{InvalidRequestException.Quote(vae)} cannot be used; models here have their own, which is 'Automatic'",
                "value_error");
        }

        foreach (string off in (string[])["samples_save", "grid_save", "return_grid"])
        {
            if (fields.Bool(off) == true)
            {
                fields.Add(off, "cannot be switched on here: every picture is kept as an artefact, and there are no grids", "value_error");
            }
        }

        if (fields.Int("eta_noise_seed_delta", int.MinValue, int.MaxValue) is not (null or 0))
        {
            fields.Add("eta_noise_seed_delta", "only 0 can be used here", "value_error");
        }

        _ = fields.Bool("live_previews_enable");
        string? color = fields.Text("img2img_background_color");
        if (color is not null && !IsColor(color))
        {
            fields.Add(
                "img2img_background_color",
                $"{InvalidRequestException.Quote(color)} cannot be used; write a colour as #rrggbb",
                "value_error");
        }

        return options with
        {
            ClipSkip = fields.Int("CLIP_stop_at_last_layers", 1, MostClipSkip) ?? options.ClipSkip,
            Noise = ReadNoise(fields, "randn_source", options.Noise),
            Metadata = fields.Bool("enable_pnginfo") ?? options.Metadata,
            Format = ReadFormat(fields, "samples_format", options.Format),
            JpegQuality = fields.Int("jpeg_quality", 1, MostQuality) ?? options.JpegQuality,
            WebpLossless = fields.Bool("webp_lossless") ?? options.WebpLossless,
            Background = color ?? options.Background,
        };
    }

    /// <summary>Whether a VAE's name means the model's own.</summary>
    public static bool IsOwnVae(string name) => name is "" or "Automatic" or "None";

    private static NoiseKind? ReadNoise(BodyFields fields, string field, NoiseKind? otherwise)
    {
        switch (fields.Text(field))
        {
            case null:
                return otherwise;
            case "CPU":
                return NoiseKind.Cpu;
            case "NV" or "GPU":
                return NoiseKind.Philox;
            case var other:
                fields.Add(
                    field,
                    $"{InvalidRequestException.Quote(other)} cannot be used; known are CPU and NV (the same as GPU)",
                    "value_error");
                return otherwise;
        }
    }

    private static OutputFormat ReadFormat(BodyFields fields, string field, OutputFormat otherwise)
    {
        switch (fields.Text(field)?.ToLowerInvariant())
        {
            case null:
                return otherwise;
            case "png":
                return OutputFormat.Png;
            case "jpg" or "jpeg":
                return OutputFormat.Jpeg;
            case "webp":
                return OutputFormat.Webp;
            case var other:
                fields.Add(field, $"{InvalidRequestException.Quote(other)} cannot be used; known are png, jpg and webp", "value_error");
                return otherwise;
        }
    }

    private static string NoiseName(NoiseKind? noise) => noise == NoiseKind.Philox ? "NV" : "CPU";

    private static bool IsColor(string color) =>
        color.Length == 7 && color[0] == '#' && color.AsSpan(1).IndexOfAnyExcept("0123456789abcdefABCDEF") < 0;
}

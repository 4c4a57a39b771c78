using System.Globalization;
using System.Text.Json;

namespace DiffusionClip.Hosting;

/// <summary>
/// What diffusers makes with the random-weight models: latents within 1e-4 of the largest, pictures within 2 grey levels.
/// </summary>
public sealed class GoldenPipelineTests(TestHost host, ITestOutputHelper output) : IClassFixture<TestHost>
{
    private const double LatentTolerance = 1e-4;
    private const int GreyTolerance = 2;

    [Fact]
    public async Task Golden_pipelines()
    {
        int passed = 0, given = 0;
        double worst = 0;
        string worstCase = "";
        var unknown = new List<string>();
        var failures = new List<string>();
        foreach (JsonElement run in Golden.Read("tiny-models", "pipelines.json").GetProperty("runs").EnumerateArray())
        {
            string model = run.GetProperty("model").GetString()!;
            string name = $"{model}/{run.GetProperty("case").GetString()}";
            given++;
            if (UnknownArgument(run.GetProperty("arguments")) is { } argument)
            {
                unknown.Add($"{name} ({argument})");
                continue;
            }

            try
            {
                double deviation = await RunAsync(model, run);
                passed++;
                if (deviation > worst)
                {
                    (worst, worstCase) = (deviation, name);
                }
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                failures.Add($"{name}: {exception.Message}");
            }
        }

        output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"pipelines {passed}/{given}, worst {worst:0.0e0} of the largest latent, {worstCase}"));
        Assert.True(failures.Count == 0, string.Join(Environment.NewLine, failures));
        Assert.True(passed > 0, "no case ran");
        Assert.Empty(unknown);
        Assert.Equal(given, passed);
    }

    internal static string? UnknownArgument(JsonElement arguments)
    {
        string[] understood =
        [
            "prompt",
            "negative_prompt",
            "prompt_2",
            "negative_prompt_2",
            "guidance_scale",
            "guidance_rescale",
            "num_inference_steps",
            "height",
            "width",
            "eta",
            "strength",
            "clip_skip",
            "original_size",
            "crops_coords_top_left",
            "target_size",
            "negative_original_size",
            "negative_crops_coords_top_left",
            "negative_target_size",
        ];
        return arguments
            .EnumerateObject()
            .Select(argument => argument.Name)
            .FirstOrDefault(name => !understood.Contains(name, StringComparer.Ordinal));
    }

    private async Task<double> RunAsync(string model, JsonElement run)
    {
        ulong[] seeds = [.. run.GetProperty("seeds").EnumerateArray().Select(seed => seed.GetUInt64())];
        float[] expectedLatents = [.. run.GetProperty("latents").EnumerateArray().Select(value => value.GetSingle())];
        string[] images = [.. run.GetProperty("images").EnumerateArray().Select(image => image.GetString()!)];
        (ImageRequest request, Dictionary<string, RgbImage>? pictures) = Request(host, Golden.PathOf("tiny-models", model), run);
        double largest = expectedLatents.Max(MathF.Abs);
        double worst = 0;
        for (int i = 0; i < seeds.Length; i++)
        {
            var recorder = new Recorder();
            RankedImages ranked = await host.Pipeline.GenerateAsync(
                request with
                {
                    Sampling = request.Sampling with { Seed = seeds[i] },
                },
                new RunControl { Observer = recorder },
                pictures);
            float[] latents = recorder.Latents[new CandidateId(0)];
            int length = expectedLatents.Length / seeds.Length;
            Assert.Equal(length, latents.Length);
            for (int j = 0; j < length; j++)
            {
                worst = Math.Max(worst, Math.Abs(latents[j] - expectedLatents[(i * length) + j]) / largest);
            }

            Assert.True(
                worst <= LatentTolerance,
                string.Create(CultureInfo.InvariantCulture, $"seed {seeds[i]}: latents deviate by {worst:0.0e0} of the largest"));
            int difference = TestHost.LargestDifference(
                host.Read(Golden.PathOf("tiny-models", "expected", images[i])),
                Assert.Single(ranked.Images).Image);
            Assert.True(difference <= GreyTolerance, $"seed {seeds[i]}: the picture deviates by {difference} grey levels");
        }

        return worst;
    }

    /// <summary>What a run of the table asks for.</summary>
    internal static (ImageRequest Request, Dictionary<string, RgbImage>? Pictures) Request(TestHost host, string folder, JsonElement run)
    {
        JsonElement arguments = run.GetProperty("arguments");
        JsonElement scheduler = run.GetProperty("scheduler");
        (OriginRequest? origin, Dictionary<string, RgbImage>? pictures) = Origin(host, run.GetProperty("model").GetString()!, run);
        T? Argument<T>(string name, Func<JsonElement, T> read)
            where T : struct => arguments.TryGetProperty(name, out JsonElement value) ? read(value) : null;
        string? Text(string name) => arguments.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;
        static RowsColumns Pair(JsonElement value) => new(value[0].GetInt32(), value[1].GetInt32());
        return (new ImageRequest
        {
            Prompt = new() { Syntax = PromptSyntax.Plain, Text = Text("prompt")!, Negative = Text("negative_prompt") ?? "", Text2 = Text("prompt_2"), Negative2 = Text("negative_prompt_2") },
            Model = new() { Id = folder },
            Sampling = new()
            {
                Scheduler = scheduler.ValueKind == JsonValueKind.Null ? null : scheduler.GetProperty("name").GetString(),
                SchedulerOptions = scheduler.ValueKind == JsonValueKind.Null ? null : scheduler.GetProperty("overrides").EnumerateObject().ToDictionary(option => option.Name, option => option.Value),
                NumInferenceSteps = Argument("num_inference_steps", value => value.GetInt32()),
                GuidanceScale = Argument("guidance_scale", value => value.GetSingle()),
                GuidanceRescale = Argument("guidance_rescale", value => value.GetSingle()),
                Eta = Argument("eta", value => value.GetSingle()),
                ClipSkip = Argument("clip_skip", value => value.GetInt32()),
                Height = Argument("height", value => value.GetInt32()),
                Width = Argument("width", value => value.GetInt32()),
                OriginalSize = Argument("original_size", Pair),
                CropsCoordsTopLeft = Argument("crops_coords_top_left", Pair),
                TargetSize = Argument("target_size", Pair),
                NegativeOriginalSize = Argument("negative_original_size", Pair),
                NegativeCropsCoordsTopLeft = Argument("negative_crops_coords_top_left", Pair),
                NegativeTargetSize = Argument("negative_target_size", Pair),
            },
            Search = new() { Candidates = 1, Scorer = "none" },
            Origin = origin,
        }, pictures);
    }

    /// <summary>
    /// The table leaves out which picture and mask a case starts from: they are the same for all, and the case's name says whether.
    /// </summary>
    private static (OriginRequest? Origin, Dictionary<string, RgbImage>? Pictures) Origin(TestHost host, string model, JsonElement run)
    {
        string name = run.GetProperty("case").GetString()!;
        bool hasStrength = run.GetProperty("arguments").TryGetProperty("strength", out JsonElement strength);
        bool masked = model.Contains("inpaint", StringComparison.Ordinal) || name.Contains("inpaint", StringComparison.Ordinal);
        if (!masked && !hasStrength && !name.Contains("img2img", StringComparison.Ordinal))
        {
            return (null, null);
        }

        var pictures = new Dictionary<string, RgbImage>();
        return (
            new()
            {
                Image = Add("init.png"),
                Mask = masked ? Add("mask.png") : null,
                Strength = hasStrength ? strength.GetDouble() : null,
            },
            pictures);

        string Add(string file)
        {
            string path = Golden.PathOf("tiny-models", "expected", file);
            string reference = OriginRequest.NameOf(File.ReadAllBytes(path));
            pictures[reference] = host.Read(path);
            return reference;
        }
    }
}

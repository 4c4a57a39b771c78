using System.Globalization;
using System.Text.Json;

namespace DiffusionClip.Hosting;

/// <summary>What diffusers makes with the random-weight models: latents within 1e-4 of the largest, pictures within 2 grey levels.</summary>
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
        var later = new List<string>();
        var failures = new List<string>();
        foreach (JsonElement run in Golden.Read("tiny-models", "pipelines.json").GetProperty("runs").EnumerateArray())
        {
            string model = run.GetProperty("model").GetString()!;
            string name = $"{model}/{run.GetProperty("case").GetString()}";
            given++;
            if (BelongsToLaterWork(model, run.GetProperty("arguments")) is { } reason)
            {
                later.Add($"{name} ({reason})");
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

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"pipelines {passed}/{given}, worst {worst:0.0e0} of the largest latent, {worstCase}"));
        output.WriteLine($"later work: {string.Join(", ", later)}");
        Assert.True(failures.Count == 0, string.Join(Environment.NewLine, failures));
        Assert.True(passed > 0, "no case ran");
        Assert.Equal(given, passed + later.Count);
    }

    private static string? BelongsToLaterWork(string model, JsonElement arguments)
    {
        string[] understood = ["prompt", "negative_prompt", "guidance_scale", "guidance_rescale", "num_inference_steps", "height", "width"];
        if (arguments.EnumerateObject().Select(argument => argument.Name).FirstOrDefault(name => !understood.Contains(name, StringComparer.Ordinal)) is { } other)
        {
            string[] known = ["strength", "clip_skip", "prompt_2", "original_size", "crops_coords_top_left", "target_size"];
            Assert.Contains(other, known);
            return other;
        }

        return model.StartsWith("lcm-", StringComparison.Ordinal) || model.StartsWith("sdxl-", StringComparison.Ordinal) || model.Contains("inpaint", StringComparison.Ordinal) ? "family" : null;
    }

    private async Task<double> RunAsync(string model, JsonElement run)
    {
        JsonElement arguments = run.GetProperty("arguments");
        JsonElement scheduler = run.GetProperty("scheduler");
        ulong[] seeds = [.. run.GetProperty("seeds").EnumerateArray().Select(seed => seed.GetUInt64())];
        float[] expectedLatents = [.. run.GetProperty("latents").EnumerateArray().Select(value => value.GetSingle())];
        string[] images = [.. run.GetProperty("images").EnumerateArray().Select(image => image.GetString()!)];
        var request = new ImageRequest
        {
            Prompt = new() { Text = arguments.GetProperty("prompt").GetString()!, Negative = arguments.TryGetProperty("negative_prompt", out JsonElement negative) ? negative.GetString()! : "" },
            Model = new() { Id = Golden.PathOf("tiny-models", model) },
            Sampling = new()
            {
                Scheduler = scheduler.ValueKind == JsonValueKind.Null ? null : scheduler.GetProperty("name").GetString(),
                SchedulerOptions = scheduler.ValueKind == JsonValueKind.Null ? null : scheduler.GetProperty("overrides").EnumerateObject().ToDictionary(option => option.Name, option => option.Value),
                NumInferenceSteps = arguments.GetProperty("num_inference_steps").GetInt32(),
                GuidanceScale = arguments.TryGetProperty("guidance_scale", out JsonElement scale) ? scale.GetSingle() : 7.5f,
                GuidanceRescale = arguments.TryGetProperty("guidance_rescale", out JsonElement rescale) ? rescale.GetSingle() : 0,
                Height = arguments.TryGetProperty("height", out JsonElement height) ? height.GetInt32() : null,
                Width = arguments.TryGetProperty("width", out JsonElement width) ? width.GetInt32() : null,
            },
            Search = new() { Candidates = 1, Scorer = "none" },
        };

        double largest = expectedLatents.Max(MathF.Abs);
        double worst = 0;
        for (int i = 0; i < seeds.Length; i++)
        {
            var recorder = new Recorder();
            RankedImages ranked = await host.Pipeline.GenerateAsync(request with { Sampling = request.Sampling with { Seed = seeds[i] } }, new RunControl(Observer: recorder));
            float[] latents = recorder.Latents[new CandidateId(0)];
            int length = expectedLatents.Length / seeds.Length;
            Assert.Equal(length, latents.Length);
            for (int j = 0; j < length; j++)
            {
                worst = Math.Max(worst, Math.Abs(latents[j] - expectedLatents[(i * length) + j]) / largest);
            }

            Assert.True(worst <= LatentTolerance, string.Create(CultureInfo.InvariantCulture, $"seed {seeds[i]}: latents deviate by {worst:0.0e0} of the largest"));
            int difference = TestHost.LargestDifference(host.Read(Golden.PathOf("tiny-models", "expected", images[i])), Assert.Single(ranked.Images).Image);
            Assert.True(difference <= GreyTolerance, $"seed {seeds[i]}: the picture deviates by {difference} grey levels");
        }

        return worst;
    }
}
